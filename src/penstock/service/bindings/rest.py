"""What a job still has to do of an earlier one of its step: the tasks that did not succeed there."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from msgspec import Struct

from penstock.engine.expand import Key
from penstock.model import templates
from penstock.model.run import Job, Task
from penstock.model.spec import Step
from penstock.service.bindings.work import Found, succeeded
from penstock.service.parts import Parts


class Rest(Struct, frozen=True):
    """The bindings of an earlier job that are done anew, and what it takes to keep the others."""

    of: Job
    again: Sequence[Key]
    lost: Sequence[int]  #: the tasks among these that succeeded, and whose own files are not there any more
    kept: int  #: how many tasks stay as they are

    def keep(self, parts: Parts, job: Job, first: int) -> None:
        """Store the good tasks as tasks of a job, numbered from `first` on."""
        if self.kept:
            with parts.store.transaction():
                but = json.dumps(list(self.lost))
                parts.store.execute("keep_tasks", of=self.of.seq, job=job.seq, first=first, but=but)


def rest_of(parts: Parts, job: Job, step: Step, found: Found) -> Rest | None:
    """What a job has to do of the one whose good tasks it takes over; None if it has to do everything."""
    of = parts.store.load(Job, "job", seq=job.rest_of) if job.rest_of is not None else []
    if not of or not of[0].total or of[0].inputs != found.inputs or not _same_bindings(of[0], found):
        return None
    bad = [task.key for task in parts.store.load(Task, "unsucceeded_tasks", job=of[0].seq)]
    good = (task for page in succeeded(parts, of[0].seq) for task in page) if step.makes else ()
    lost = [task for task in good if not _there(parts, step, task)]
    kept = of[0].total - len(bad) - len(lost)
    return Rest(of[0], [*bad, *(task.key for task in lost)], [task.seq for task in lost], kept)


def _same_bindings(of: Job, found: Found) -> bool:
    return all(of.parts.get(name) == found.recipe.parts[name] for name in ("params", "shape"))


def _there(parts: Parts, step: Step, task: Task) -> bool:
    """Whether the files are there that a task makes where they are."""
    root = str(parts.layout.root)
    return all(os.path.lexists(os.path.join(root, templates.fill(path, task.params))) for path in step.makes)
