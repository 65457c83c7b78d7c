"""A place that ends: what runs is told in time, what waits stays as it is."""

from __future__ import annotations

import time
from typing import Any

import pytest

from penstock.engine.pack import MARGIN
from penstock.model.errors import WaitTimeout
from penstock.model.moves import Outcome, Reason
from penstock.model.run import Attempt, Job, Task
from penstock.service.driving.crew import Node
from penstock.service.driving.local import LocalCrew
from penstock.service.driving.loop import Engine
from penstock.service.driving.watch import follow_or_drive, short_of_grace


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


def only(lab: Any, step: str, seconds: float) -> tuple[Job, float]:
    """One step in a place that lasts so long: its job when the engine has left, and for how long that stayed."""
    lab.pipeline(f"""
        steps:
          a: {step}
        """)
    run, began = lab.project.begin().run.id, time.monotonic()
    with pytest.raises(WaitTimeout):
        follow_or_drive(lab.parts, [run], None, seconds, ends=True)
    (job,) = lab.parts.store.load(Job, "jobs_of_run", run=run)
    return job, time.monotonic() - began


def test_one_that_would_be_told_at_once_does_not_begin_and_the_place_is_left(lab: Any) -> None:
    step = '{run: "echo x >> began; sleep 60", supports_termination: true, grace: 20s}'
    job, stayed = only(lab, step, 15.0)
    assert job.outcome is None and not (lab.root / "began").exists() and stayed < 10
    assert "grace of 20 s" in short_of_grace(lab.parts, [job.run], 15.0)[0]
    assert short_of_grace(lab.parts, [job.run], 60.0) == []


def test_one_that_is_longer_than_what_is_left_does_not_begin(lab: Any) -> None:
    step = '{run: "echo x >> began", supports_termination: true, grace: 1s, resources: {time: 1m}}'
    job, stayed = only(lab, step, 15.0)
    assert job.outcome is None and not (lab.root / "began").exists() and stayed < 10


def test_one_whose_own_time_is_left_is_not_told_before_that_is_over(lab: Any) -> None:
    lab.pipeline("""
        steps:
          a:
            run: "sleep 1; echo done > all"
            supports_termination: true
            grace: 20s
            resources: {time: 5s}
        """)
    (job,) = drive(lab, 9.0)
    assert job.outcome == Outcome.SUCCEEDED and (lab.root / "all").read_text() == "done\n"


def test_a_place_is_left_when_all_that_fits_is_done(lab: Any) -> None:
    lab.pipeline("""
        steps:
          long: {run: "sleep 60", supports_termination: true, resources: {time: 1h}}
          short: {run: "echo x >> short", each: {i: [1, 2]}}
        """)
    run, began = lab.project.begin().run.id, time.monotonic()
    with pytest.raises(WaitTimeout, match="more time than is left"):
        follow_or_drive(lab.parts, [run], None, 25.0, ends=True)
    assert time.monotonic() - began < 20 and (lab.root / "short").read_text() == "x\nx\n"
