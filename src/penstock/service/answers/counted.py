"""`plan --code`: which files of the project count for a step, and why."""

from __future__ import annotations

from pathlib import Path

from penstock.model.errors import NotFound
from penstock.model.run import Job
from penstock.model.views import CountedFile
from penstock.objects import map as pages_map
from penstock.service.bindings.recipes import code_of, counts_code, named_code
from penstock.service.opening.freeze import freeze
from penstock.service.parts import Parts
from penstock.service.resolve import suggestion


def counted(parts: Parts, file: Path | None, name: str) -> list[CountedFile]:
    """The files that count for a step of the pipeline as it stands in the project, by path.

    Raises BadSpec, NotFound.
    """
    with parts.objects.session():
        frozen = freeze(parts, file)
        steps = {step.name: step for step in frozen.pipeline.steps}
        if name not in steps:
            raise NotFound(f"pipeline {frozen.pipeline.name!r} has no step {name!r}{suggestion(name, steps)}")
        step, pages = steps[name], parts.objects.pages
        if not counts_code(step):
            return []
        named = set(named_code(pages, step, frozen.code))
        found = {
            path: CountedFile(path, "named" if path in named else "found")
            for path, _ in code_of(pages, step, frozen.code)
        }
        for path, job in _read(parts, frozen.pipeline.name, name).items():
            if path not in found and pages_map.get(pages, frozen.code, path.encode()) is not None:
                found[path] = CountedFile(path, "read", job)
    return [found[path] for path in sorted(found)]


def _read(parts: Parts, pipeline: str, step: str) -> dict[str, str]:
    """The files that the results of the newest job of a step depend on, and the last job of which a task read each."""
    newest = parts.store.load(Job, "base_job", pipeline=pipeline, step=step, before=1 << 62)
    pages = parts.objects.pages
    try:
        found = {path.decode(): newest[0].id for path, _ in pages_map.scan(pages, newest[0].reading)} if newest else {}
        left = set(found)
        for row in parts.store.fetch("readings_of_step", pipeline=pipeline, step=step) if left else ():
            mine = left.intersection(path.decode() for path, _ in pages_map.scan(pages, row["reading"]))
            found |= dict.fromkeys(mine, f"{step}@{row['run']}")
            left -= mine
            if not left:
                break
    except NotFound:  # what old results have read may be gone by now
        return {}
    return found
