"""What is left of facts that come once, when somebody wrote between reading and writing."""

from __future__ import annotations

from typing import Any

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
    if isinstance(fact, Placed):
        placed = _ready(parts, fact.placed)
        return Placed(fact.job, placed) if placed else None
    if isinstance(fact, Reused):
        found, refused = _ready(parts, fact.found), _ready(parts, fact.refused)
        return Reused(fact.job, found, refused) if found or refused else None
    return fact


def _ready(parts: Parts, pairs: tuple[tuple[Task, Any], ...]) -> tuple[tuple[Task, Any], ...]:
    """Those of some tasks, with what belongs to each, that nobody has begun or ended; as they are now."""
    kept = []
    for task, beside in pairs:
        now = parts.store.load(Task, "tasks_of_job", job=task.job, after=task.seq - 1, limit=1)
        if now and now[0].seq == task.seq and now[0].state == TaskState.READY:
            kept.append((now[0], beside))
    return tuple(kept)
