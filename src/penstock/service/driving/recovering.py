"""What is left of facts that come once, when somebody wrote between reading and writing."""

from __future__ import annotations

from penstock.engine.world import World
from penstock.model.facts import Fact, Placed, Reused, Sent, Unreadable
from penstock.model.moves import JobState, TaskState
from penstock.model.run import Task
from penstock.service.parts import Parts


def still_so(parts: Parts, world: World, fact: Fact) -> Fact | None:
    """What is left of a fact on rows that others have changed."""
    if isinstance(fact, Sent):
        job = world.jobs.get(fact.job)
        return fact if job is not None and job.state == JobState.WAITING and not job.waits else None
    if isinstance(fact, Unreadable):
        return None  # it is seen again
    if isinstance(fact, (Placed, Reused)):
        kept = []
        for task, beside in fact.placed if isinstance(fact, Placed) else fact.found:
            now = parts.store.load(Task, "tasks_of_job", job=fact.job, after=task.seq - 1, limit=1)
            if now and now[0].seq == task.seq and now[0].state == TaskState.READY:
                kept.append((now[0], beside))
        return type(fact)(fact.job, tuple(kept)) if kept else None  # type: ignore[arg-type]
    return fact
