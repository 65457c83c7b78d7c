"""What is said once of a new version: what counts where nobody can see it, and what does not count."""

from __future__ import annotations

from collections.abc import Iterator

from penstock.model.paths import link_stays_inside
from penstock.model.spec import Pipeline, Step
from penstock.objects import tree
from penstock.service.bindings.recipes import code_of, counts_code
from penstock.service.parts import Parts

#: How many names a line holds.
FEW = 5


def told_once(parts: Parts, pipeline: Pipeline, code: bytes) -> Iterator[str]:
    """Lines about the code of a pipeline. `code`: the root of its tree."""
    for step in pipeline.steps:
        if counts_code(step) and not (step.publishes and step.workdir is None):
            yield _of_live(parts, step, code)
        if step.code is not None and step.publishes and step.workdir is None:
            yield from _left_out(parts, step, code)
    for path, entry in tree.files(parts.objects.pages, code):
        if entry.target is not None and not link_stays_inside(path, entry.target):
            yield f"{path}: leads out of the project, to {entry.target}; what is there does not count as code"


def _of_live(parts: Parts, step: Step, code: bytes) -> str:
    names = [path for path, _ in code_of(parts.objects.pages, step, code)]
    more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    counted = f"{', '.join(names[:FEW])}{more}" if names else "nothing"
    what = "count" if len(names) > 1 else "counts"
    return (
        f'step "{step.name}" runs in the project itself, where what it opens is not seen: of its files {counted} '
        f"{what}; name others under `code`"
    )


def _left_out(parts: Parts, step: Step, code: bytes) -> Iterator[str]:
    """Files that a command names, and that its `code` does not."""
    pages = parts.objects.pages
    kept = {path for path, _ in code_of(pages, step, code)}
    for word in step.run:
        path = word.removeprefix("./")
        if path and path not in kept and not path.startswith("/") and tree.lookup(pages, code, path) is not None:
            yield f'step "{step.name}": {path} stands in `run`, but `code` leaves it out: its tasks will not find it'
