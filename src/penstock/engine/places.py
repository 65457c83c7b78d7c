"""What the ends of attempts say of files in place: how those that they make were left, and which they read moved."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from penstock.model import inplace
from penstock.model.moves import Outcome
from penstock.model.run import Job, Place, Task
from penstock.model.spec import Step
from penstock.model.wire import Result

#: A file as it was left, and whether the try wrote it.
Left = tuple[Place, bool]


def shares(step: Step) -> bool:
    """Whether tasks of a step that reuses results may make one file together: how it is left is looked at when all are
    done.
    """
    return step.reuse and bool(step.outputs) and (bool(step.each) or step.input is not None)


def left(job: Job, step: Step, task: Task, result: Result) -> list[Left]:
    """How an attempt left what its task makes in place; of a good one all is known, of another one what it wrote."""
    if not step.outputs:
        return []
    good = result.outcome == Outcome.SUCCEEDED
    known = "" if result.moved else (task.fingerprint + result.reading).hex()
    return [
        (Place(job.pipeline, step.name, path, known, good, state), wrote)
        for path, (state, wrote) in result.left.items()
    ]


def lost(job: Job, step: Step, task: Task) -> list[Left]:
    """The same of one of which only the beginning is known: it may have written anything that its task makes."""
    if not step.outputs:
        return []
    paths = inplace.made_by(step, task.params)
    return [(Place(job.pipeline, step.name, path, "", False, None), False) for path in paths]


def moved(job: Job, files: Iterable[str]) -> dict[str, Any]:
    """What a job is told by tasks that read other files than it noted: nobody counts on these notes any more."""
    known = job.parts.get("moved", [])
    names = [*known, *(name for name in files if name not in known)]
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    message = f"{names[0]}{more} changed while it ran: the result counts for this run and is not known again"
    return {"parts": {**job.parts, "moved": names}, "message": message}
