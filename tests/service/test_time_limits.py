"""A place that ends: what runs is told in time, what waits stays as it is."""

from __future__ import annotations

import time
from typing import Any

from penstock.engine.pack import MARGIN
from penstock.model.moves import Outcome, Reason
from penstock.model.run import Attempt, Job, Task
from penstock.service.driving.crew import Node
from penstock.service.driving.local import LocalCrew
from penstock.service.driving.loop import Engine


def drive(lab: Any, seconds: float) -> list[Job]:
    """Be the engine of two processors in a place where nothing may begin after so many seconds, until that is over; the
    jobs then.
    """
    run = lab.project.begin().run
    ends = time.monotonic() + seconds + MARGIN
    engine = Engine(lab.parts, LocalCrew(lab.parts.layout, Node(2), ends))
    try:
        engine.drive(lambda world: not world.runs or time.monotonic() > ends - MARGIN + 0.5)
    finally:
        engine.interrupt()
        engine.close()
    return list(lab.parts.store.load(Job, "jobs_of_run", run=run.id))


def test_what_waits_goes_on_waiting(lab: Any) -> None:
    lab.pipeline("""
        steps:
          a: {run: "sleep 0.7", each: {i: "1..8"}}
          behind: {run: "true", after: [a]}
        """)
    first, behind = drive(lab, 1.9)  # no whole second
    assert (first.outcome, first.failed, first.restarts, behind.outcome) == (None, 0, 0, None)
    tasks = lab.parts.store.load(Task, "tasks_of_job", job=first.seq, after=0, limit=100)
    attempts = [attempt for task in tasks for attempt in lab.parts.store.load(Attempt, "attempts", task=task.seq)]
    assert {attempt.reason for attempt in attempts} <= {None, Reason.WALLTIME, Reason.USER}, "no worker was lost"
    assert sum(task.crashes for task in tasks) <= 2, "only what ran at the end was cut off"
    assert lab.ok() == {"a": (8, 8, 0), "behind": (1, 1, 0)}


def test_a_short_grace_is_one_too(lab: Any) -> None:
    lab.pipeline("""
        steps:
          a:
            run: "trap 'sleep 0.3; exit 7' TERM; sleep 30 & wait"
            supports_termination: true
            grace: 1s
        """)
    (job,) = drive(lab, 2.0)
    assert (job.outcome, job.exit_code) == (Outcome.TERMINATED, 7)
    (task,) = lab.parts.store.load(Task, "tasks_of_job", job=job.seq, after=0, limit=100)
    (attempt,) = lab.parts.store.load(Attempt, "attempts", task=task.seq)
    assert attempt.ended - attempt.started < 2_000_000, "told a second before the last moment"
