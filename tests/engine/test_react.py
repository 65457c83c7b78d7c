"""`react` in small stories, told one by one; `test_histories` has it meet everything at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from penstock.engine import endings
from penstock.engine.react import react
from penstock.engine.turn import Reaction
from penstock.engine.world import World
from penstock.model import facts as f
from penstock.model.moves import AttemptState, JobState, Outcome, Reason, RunState, TaskState
from penstock.model.run import Attempt, Edge, Job, Run, Success, Task
from penstock.model.spec import Export, Retry, Step
from penstock.model.wire import Result, Started

STEP = Step(name="s", run=("true",))


def small(*jobs: Job, edges: Sequence[Edge] = (), step: Step = STEP, **run: Any) -> World:
    left = sum(job.state != JobState.DONE for job in jobs)
    return World.of(lambda _: step, [Run(1, "r", "p", "o", None, None, {}, "run", 1, left=left, **run)], jobs, edges)


def job(seq: int, **values: Any) -> Job:
    return Job(seq, "r", "p", 1, f"s{seq}", values.pop("repo", None), 1, **values)


def placed_world(step: Step = STEP, **values: Any) -> tuple[World, Task, Attempt]:
    """A job with one task in flight."""
    world = small(job(1, state=JobState.OPEN, expanded=True, total=1, left=1, **values), step=step)
    task = Task(7, 1, "t", ("a",), b"f", {}, b"", True, 1)
    reaction = react(
        world,
        [
            f.Placed(
                1,
                (
                    (
                        task,
                        Attempt(7, 1, 5, "w"),
                    ),
                ),
            )
        ],
        2,
    )
    world.absorb(reaction.changes)
    return world, world.tasks[7], world.attempts[7]


def said(outcome: str = Outcome.SUCCEEDED, reason: str | None = None, token: int = 5, files: int = 0) -> f.Reported:
    return f.Reported(((7, Result("t", "t-1", token, outcome, reason, 0, "", b"", files, 1, 2, None)),))


def test_one_report_ends_a_task_its_job_its_run() -> None:
    world, _, _ = placed_world()
    reaction = react(world, [said()], 9)
    rows = {type(new): new for _, new in reaction.changes}
    assert rows[Attempt].state == AttemptState.ENDED
    assert (rows[Task].state, rows[Task].outcome) == (TaskState.DONE, Outcome.SUCCEEDED)
    assert (rows[Job].state, rows[Job].processed, rows[Job].left) == (JobState.DONE, 1, 0)
    assert (rows[Run].state, rows[Run].outcome, rows[Run].finished) == (RunState.DONE, Outcome.SUCCEEDED, 9)
    assert rows[Success].fingerprint == b"f"
    assert reaction.durable
    assert [event.kind for event in reaction.events] == ["job.done", "run.done"]


def test_a_report_that_comes_again_changes_nothing() -> None:
    world, _, _ = placed_world()
    once, twice = react(world, [said()], 9), react(world, [said(), said()], 9)
    assert once == twice
    assert react(world, [f.Reported(said().results * 2)], 9) == once
    assert react(world, [said(), f.Returned((7,), True, "gone")], 9) == once
    world.absorb(once.changes)
    assert react(world, [said()], 9) == Reaction()


def test_a_fenced_report_changes_nothing() -> None:
    world, _, _ = placed_world()
    for token in (4, 6):
        assert react(world, [said(token=token)], 9) == Reaction()
        assert react(world, [f.Began(((7, Started("t-1", token, 1, "log", 0)),))], 9) == Reaction()
    assert react(world, [f.Returned((8,), True, "gone")], 9) == Reaction()


def test_what_began_and_ended_in_one_turn_is_written_once() -> None:
    world, task, attempt = placed_world()
    began = f.Began(((7, Started("t-1", 5, 3, "slot.log", 10)),))
    changes = react(world, [began], 9).changes
    assert [new for _, new in changes if isinstance(new, Attempt)] == [
        replace(attempt, state=AttemptState.RUNNING, started=3, log_file="slot.log", log_offset=10)
    ]
    assert [new.reached for _, new in changes if isinstance(new, Job)] == [AttemptState.RUNNING]
    for facts in ([began, said()], [said(), began]):
        assert react(world, facts, 9) == react(world, [said()], 9)
    lost = [pair for pair in react(world, [began, f.Returned((7,), True, "gone")], 9).changes if pair[0] == attempt]
    assert [(new.state, new.reason, new.log_file) for _, new in lost] == [(AttemptState.ENDED, Reason.LOST, "slot.log")]


@pytest.mark.parametrize(
    ("outcome", "reason", "tries", "stop", "state", "used"),
    [
        (Outcome.FAILED, Reason.EXIT, 2, None, TaskState.READY, 1),
        (Outcome.FAILED, Reason.EXIT, 1, None, TaskState.DONE, 1),
        (Outcome.FAILED, Reason.EXIT, 2, Reason.USER, TaskState.DONE, 1),
        (Outcome.FAILED, Reason.COLLISION, 2, None, TaskState.DONE, 1),
        (Outcome.TERMINATED, Reason.WALLTIME, 2, None, TaskState.DONE, 1),
        (Outcome.CANCELLED, Reason.USER, 1, None, TaskState.READY, 0),
        (Outcome.CANCELLED, Reason.USER, 2, Reason.USER, TaskState.DONE, 1),
    ],
)
def test_who_is_tried_again(outcome: str, reason: str, tries: int, stop: str | None, state: str, used: int) -> None:
    world, _, _ = placed_world(Step(name="s", run=("true",), retry=Retry(tries)), stop=stop)
    (task,) = [new for _, new in react(world, [said(outcome, reason)], 9).changes if isinstance(new, Task)]
    assert (task.state, task.tries) == (state, used)


def test_a_long_chain_falls_with_its_first_job() -> None:
    count = 3000
    chain = [job(seq, waits=int(seq > 1)) for seq in range(1, count + 1)]
    chain[0] = job(1, state=JobState.EXPANDING)
    edges = [Edge(seq + 1, seq, "success") for seq in range(1, count)]
    reaction = react(small(*chain, edges=edges), [f.Unreadable(1, Reason.INPUT, "gone")], 9)
    jobs = [new for _, new in reaction.changes if isinstance(new, Job)]
    assert Counter((job.outcome, job.reason) for job in jobs) == {
        (Outcome.FAILED, Reason.INPUT): 1,
        (Outcome.CANCELLED, Reason.UPSTREAM): count - 1,
    }
    assert jobs[-1].message == f"{jobs[-2].id} did not succeed"
    assert [new.outcome for _, new in reaction.changes if isinstance(new, Run)] == [Outcome.FAILED]


def test_a_stopped_run_ends_every_job_for_that_reason() -> None:
    edges = [Edge(2, 1, "success"), Edge(3, 2, "success"), Edge(4, 1, "end")]
    world = small(job(1), job(2, waits=1), job(3, waits=1), job(4, waits=1), edges=edges, stop=Reason.SUPERSEDED)
    rows = [new for _, new in react(world, [f.Loaded()], 9).changes]
    assert len(rows) == 5
    assert {(row.outcome, row.reason) for row in rows} == {(Outcome.CANCELLED, Reason.SUPERSEDED)}


def test_what_is_placed_in_the_turn_of_a_stop_is_not_cancelled() -> None:
    world = small(job(1, state=JobState.OPEN, expanded=True, total=3, left=3, stop=Reason.USER))
    task = Task(7, 1, "t", ("a",), b"f", {}, b"", True, 1)
    reaction = react(
        world,
        [
            f.Placed(
                1,
                (
                    (
                        task,
                        Attempt(7, 1, 5, "w"),
                    ),
                ),
            ),
            f.Loaded(),
        ],
        9,
    )
    (changed,) = [new for _, new in reaction.changes if isinstance(new, Job)]
    assert (changed.state, changed.cancelled, changed.left) == (JobState.OPEN, 2, 1)


def test_results_that_are_known_and_collide_are_tasks_that_failed() -> None:
    over = endings.collided(Task(7, 1, "t", ("a",), b"f", {}, b"", True, 1), "both wrote x", 2)
    assert (over.state, over.outcome, over.reason, over.attempts) == ("done", "failed", "collision", 0)
    fact = f.Expanded(
        1, (), b"r", {}, None, b"", b"", b"", 2, 2, tasks=(replace(over, seq=8, job=1),), stored=3, failed=2
    )
    for fail, cancelled in (("finish", 0), ("fast", 2)):
        step = replace(STEP, fail=fail)
        reaction = react(small(job(1, state=JobState.EXPANDING), step=step), [fact], 9)
        (opened,) = [new for _, new in reaction.changes if isinstance(new, Job)]
        assert (opened.total, opened.reused, opened.failed, opened.cancelled) == (6, 2, 2, cancelled)
        assert opened.left == 2 - cancelled
        assert [event.data["reason"] for event in reaction.events if event.kind == "task.failed"] == ["collision"]
        assert reaction.cancel_ready == ([(1, Reason.TASKS)] if cancelled else [])
    alone = replace(fact, stored=0, failed=1, reused=0)
    (ended,) = [
        new for _, new in react(small(job(1, state=JobState.EXPANDING)), [alone], 9).changes if isinstance(new, Job)
    ]
    assert (ended.state, ended.total, ended.failed, ended.left) == (JobState.CLOSING, 1, 1, 0)


@pytest.mark.parametrize(("fail", "cancelled"), [("finish", 0), ("fast", 1)])
def test_a_result_taken_over_may_collide(fail: Any, cancelled: int) -> None:
    world = small(job(1, state=JobState.OPEN, expanded=True, total=4, left=4), step=replace(STEP, fail=fail))
    first, second, third = (Task(seq, 1, f"t{seq}", (str(seq),), b"f", {}, b"", True, 1) for seq in (7, 8, 9))
    known = replace(second, seq=3, output=b"tree", files=2)
    facts = [
        f.Placed(1, ((first, Attempt(7, 1, 5, "w")),)),
        f.Reused(1, ((second, known),), ((third, "both wrote x"),)),
    ]
    reaction = react(world, facts, 9)
    rows = {new.seq: new for _, new in reaction.changes if isinstance(new, Task)}
    assert (rows[8].outcome, rows[8].reused) == (Outcome.SUCCEEDED, True)
    assert (rows[9].outcome, rows[9].reason, rows[9].message) == (Outcome.FAILED, Reason.COLLISION, "both wrote x")
    (changed,) = [new for _, new in reaction.changes if isinstance(new, Job)]
    assert (changed.reused, changed.failed, changed.cancelled, changed.left) == (1, 1, cancelled, 2 - cancelled)
    assert [event.subject for event in reaction.events if event.kind == "task.failed"] == ["t9"]


@pytest.mark.parametrize(
    ("outcomes", "stop", "expected"),
    [
        ([], None, (Outcome.SUCCEEDED, None)),
        ([], Reason.USER, (Outcome.SUCCEEDED, None)),
        ([Outcome.FAILED], None, (Outcome.FAILED, Reason.TASKS)),
        ([Outcome.FAILED, Outcome.CANCELLED], Reason.USER, (Outcome.CANCELLED, Reason.USER)),
        ([Outcome.CANCELLED], None, (Outcome.CANCELLED, Reason.UPSTREAM)),
        ([Outcome.CANCELLED, Outcome.FAILED], None, (Outcome.FAILED, Reason.TASKS)),
    ],
)
def test_a_run_ends_as_its_jobs_do(outcomes: list[str], stop: str | None, expected: tuple[str, str | None]) -> None:
    closing = job(1, repo="a", state=JobState.CLOSING, expanded=True)
    over = [
        job(seq, state=JobState.DONE, outcome=outcome, reason=Reason.UPSTREAM)
        for seq, outcome in enumerate(outcomes, start=2)
    ]
    reaction = react(small(closing, *over, stop=stop), [f.Closed(1, b"", b"", b"", 0, 0, None, None)], 9)
    (run,) = [new for _, new in reaction.changes if isinstance(new, Run)]
    assert (run.outcome, run.reason) == expected


def test_who_stops_a_job_stops_what_is_given_back() -> None:
    world, _, _ = placed_world(stop=Reason.USER)
    reaction = react(world, [f.Returned((7,), True, "gone")], 9)
    assert reaction.cancel_ready == [(1, Reason.USER)]
    (ended,) = [new for _, new in reaction.changes if isinstance(new, Job)]
    assert (ended.state, ended.outcome, ended.reason, ended.cancelled) == (
        JobState.DONE,
        Outcome.CANCELLED,
        Reason.USER,
        1,
    )


def test_a_job_opened_behind_one_that_was_just_ending_does_not_wait_for_ever() -> None:
    over = job(1, state=JobState.DONE, outcome=Outcome.SUCCEEDED)
    for jobs in ([over, job(2, waits=1)], [job(2, waits=1)]):
        reaction = react(small(*jobs, edges=[Edge(2, 1, "end")]), [f.Loaded()], 9)
        (begun,) = [new for _, new in reaction.changes if isinstance(new, Job)]
        assert (begun.waits, begun.state) == (0, JobState.EXPANDING)


def test_publishers_of_one_repo_take_turns_and_nobody_else_waits() -> None:
    world = small(job(1, repo="a"), job(2, repo="a"), job(3, repo="b"), job(4), job(5))
    reaction = react(world, [f.Loaded()], 9)
    assert [new.seq for _, new in reaction.changes if isinstance(new, Job)] == [1, 3, 4, 5]
    world.absorb(reaction.changes)
    after = react(world, [f.Unreadable(1, Reason.INPUT, "gone")], 9).changes
    assert [(new.seq, new.state) for _, new in after if isinstance(new, Job)] == [
        (1, JobState.DONE),
        (2, JobState.EXPANDING),
    ]


@pytest.mark.parametrize("held", [{"hold": "user"}, {"state": RunState.DRAFT}])
def test_a_held_run_and_a_draft_begin_nothing(held: dict[str, str]) -> None:
    assert react(small(job(1), **held), [f.Loaded()], 9) == Reaction()
    assert react(small(job(1, hold="user")), [f.Loaded()], 9) == Reaction()


@pytest.mark.parametrize(("rule", "cancelled"), [("fast", [(1, Reason.TASKS)]), ("finish", [])])
def test_what_the_first_failure_means_for_the_rest(rule: Any, cancelled: list[tuple[int, str]]) -> None:
    world, _, _ = placed_world(Step(name="s", run=("true",), fail=rule))
    world.jobs[1] = replace(world.jobs[1], left=5, total=5)
    reaction = react(world, [said(Outcome.FAILED, Reason.EXIT)], 9)
    assert reaction.cancel_ready == cancelled
    (changed,) = [new for _, new in reaction.changes if isinstance(new, Job)]
    assert (changed.failed, changed.cancelled, changed.left) == ((1, 4, 0) if cancelled else (1, 0, 4))


@pytest.mark.parametrize(
    ("wish", "outcome", "state", "tries"),
    [
        ({"stop": Reason.USER}, Outcome.CANCELLED, TaskState.DONE, 1),
        ({"stop": Reason.USER}, Outcome.SUCCEEDED, TaskState.DONE, 1),
        ({"again": 1}, Outcome.CANCELLED, TaskState.READY, 0),
        ({"again": 1}, Outcome.FAILED, TaskState.READY, 0),
        ({"again": 1}, Outcome.SUCCEEDED, TaskState.DONE, 1),
        ({"again": 7}, Outcome.FAILED, TaskState.DONE, 1),
        ({"again": 1, "stop": Reason.USER}, Outcome.CANCELLED, TaskState.DONE, 1),
    ],
)
def test_what_people_ask_of_one_task(wish: dict[str, Any], outcome: str, state: str, tries: int) -> None:
    world, task, _ = placed_world()
    world.tasks[task.seq] = replace(task, **wish)
    reason = None if outcome == Outcome.SUCCEEDED else Reason.USER
    (new,) = [new for _, new in react(world, [said(outcome, reason)], 9).changes if isinstance(new, Task)]
    assert (new.state, new.tries) == (state, tries)


def test_a_stopped_task_that_is_given_back_is_over() -> None:
    world, task, _ = placed_world()
    world.tasks[task.seq] = replace(task, stop=Reason.USER)
    changes = [new for _, new in react(world, [f.Returned((task.seq,), True, "gone")], 9).changes]
    (new,) = [row for row in changes if isinstance(row, Task)]
    (over,) = [row for row in changes if isinstance(row, Job)]
    assert (new.state, new.outcome, new.reason) == (TaskState.DONE, Outcome.CANCELLED, Reason.USER)
    assert (over.outcome, over.cancelled, over.restarts) == (Outcome.FAILED, 1, 1)


def test_a_job_is_starting_when_placed_and_running_when_something_began() -> None:
    world = small(job(1, state=JobState.OPEN, left=1, total=1, expanded=True))
    task = Task(7, 1, "t", ("k",), b"f", {}, b"", False, 0)
    placed = f.Placed(1, ((task, Attempt(7, 1, 5, "w")),))
    (new,) = [row for _, row in react(world, [placed], 9).changes if isinstance(row, Job)]
    assert new.reached == AttemptState.STAGING


EXPORTS = Step(name="s", run=("true",), export=Export("out"))


def exporting(**values: Any) -> World:
    """A job whose tasks are good, and whose output is to be copied."""
    world, _, _ = placed_world(EXPORTS, **values)
    world.absorb(react(world, [said(files=1)], 9).changes)
    assert world.jobs[1].state == JobState.EXPORTING
    return world


def ended(world: World, *facts: f.Fact) -> Job:
    changes = react(world, [*facts, f.Closed(1, b"l", b"o", b"t", 1, 1, None, None)], 10).changes
    return next(new for _, new in changes if isinstance(new, Job))


def test_what_is_exported_ends_well() -> None:
    done = ended(exporting(), f.Exported(1, "try 1 of 2 failed", False), f.Exported(1, None, True))
    assert (done.state, done.outcome, done.unexported) == (JobState.DONE, Outcome.SUCCEEDED, None)


def test_a_job_that_cannot_export_fails() -> None:
    done = ended(exporting(), f.Exported(1, "no such bucket", True))
    assert (done.outcome, done.reason, done.message) == (Outcome.FAILED, Reason.EXPORT, "no such bucket")


def test_a_failed_try_is_noted_and_outlives_the_engine() -> None:
    world = exporting()
    world.absorb(react(world, [f.Exported(1, "try 1 of 2 failed", False)], 10).changes)
    assert react(world, [f.Loaded()], 11).changes == []
    assert (world.jobs[1].state, world.jobs[1].unexported) == (JobState.EXPORTING, "try 1 of 2 failed")


def test_a_stop_while_it_exports() -> None:
    world = exporting()
    world.jobs[1] = replace(world.jobs[1], stop=Reason.USER)
    done = ended(world, f.Loaded(), f.Exported(1, None, True))  # what it says then comes too late
    assert (done.outcome, done.reason) == (Outcome.CANCELLED, Reason.USER)


def test_only_what_is_good_is_exported() -> None:
    world, _, _ = placed_world(EXPORTS)
    changes = react(world, [said(Outcome.FAILED, Reason.EXIT)], 9).changes
    assert next(new for _, new in changes if isinstance(new, Job)).outcome == Outcome.FAILED
