"""What exports of steps that are no more leave elsewhere: nobody replaces it, so it is told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from penstock.model.run import Job
from penstock.model.spec import Export, Pipeline
from penstock.service.parts import Parts


def left_behind(parts: Parts, old: Pipeline, now: Iterable[Pipeline]) -> Iterator[str]:
    """What `old` exported and none of the pipelines that are in force `now` does, as sentences."""
    kept = {(step.output, _place(step.export)) for spec in now for step in spec.steps if step.export is not None}
    for step in old.steps:
        if step.export is None or (step.output, _place(step.export)) in kept:
            continue
        if not parts.store.load(Job, "jobs_of_repo", repo=step.output, before=1 << 62, limit=1):
            continue  # it never ran
        what = f"what step {step.name!r} exported stays in {step.export.to}"
        if step.export.kind in ("postgresql", "sqlite"):
            where = f"table {step.export.table}" if step.export.table else "its tables"
            what += f", {where}: rows whose column `penstock` begins with {parts.layout.id}/{step.output}@"
        yield f"{what}; nothing replaces it any more"


def _place(export: Export) -> tuple[str, str | None]:
    return export.to, export.table
