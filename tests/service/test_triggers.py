"""Branches that follow others: when they move, what that opens, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from penstock.model.errors import NotFound, PenstockError, Refused, UsageError
from penstock.model.ids import parse_reference as ref
from penstock.model.run import Run
from penstock.model.views import TriggerView
from penstock.service.answers import lists
from penstock.service.answers.status import status
from penstock.service.data import branches, commits, merging, triggers
from penstock.service.driving.loop import Engine
from penstock.service.role import engine_role

COPY = "steps: {copy: {input: 'in@late:/*', run: cp -r $PENSTOCK_IN/in/. $PENSTOCK_OUT}}"
HOUR = 3_600_000_000


class Clock:
    """A clock that a test turns, in microseconds."""

    def __init__(self, lab: Any) -> None:
        self.real = lab.parts.now
        self.ahead = 0
        lab.parts.now = lambda: self.real() + self.ahead


def follow(lab: Any, target: str, watches: str = "main", **when: Any) -> None:
    triggers.set_trigger(lab.parts, ref(target), watches, **when)


def at(lab: Any, *targets: str) -> list[str | None]:
    return [lists.branch(lab.parts, *target.split("@")).head for target in targets]


def runs(lab: Any) -> int:
    return len(lab.project.runs(1000))


def test_a_branch_moves_after_so_many_commits(lab: Any) -> None:
    lab.pipeline(COPY)
    lab.put("in", {"a": "0"})
    lab.run()
    follow(lab, "in@late", commits=2)
    first = lab.put("in", {"a": "1"})
    assert at(lab, "in@late") == [first], "two since the beginning"
    assert lab.project.wait(first).state == "success", "the run is the commit's own"
    assert lab.files(f"copy@{first}") == {"a": "1"}
    before = runs(lab)
    lab.put("in", {"a": "2"})
    assert at(lab, "in@late") == [first] and runs(lab) == before
    third = lab.put("in", {"a": "3"})
    assert at(lab, "in@late") == [third] and lab.project.wait(third).state == "success"
    assert lab.files("copy") == lab.files("in@late") == {"a": "3"}
    assert lab.project.commit("in@late").branch == "main", "the same commit, not a copy"


def test_a_branch_moves_after_so_many_bytes(lab: Any) -> None:
    lab.put("in", {"a": "x" * 50})
    follow(lab, "in@late", size="100")
    lab.put("in", {"b": "x" * 49})
    assert at(lab, "in@late") == [None]
    third = lab.put("in", {"c": "x"})
    assert at(lab, "in@late") == [third]
    lab.project.remove("in:/a")
    lab.put("in", {"d": "x" * 149})
    assert at(lab, "in@late") == [third], "grown by 99"
    lab.put("in", {"e": ""})
    assert at(lab, "in@late") == [third]
    last = lab.put("in", {"f": "x"})
    assert at(lab, "in@late") == [last]


def test_any_and_all(lab: Any) -> None:
    follow_any, follow_all = "in@some", "in@every"
    lab.put("in", {"a": ""})
    follow(lab, follow_any, commits=2, size=10)
    follow(lab, follow_all, commits=2, size=10, all_of=True)
    second = lab.put("in", {"b": ""})
    assert at(lab, follow_any, follow_all) == [second, None]
    third = lab.put("in", {"c": "x" * 10})
    assert at(lab, follow_any, follow_all) == [third, third]


def test_chains_move_in_one_transaction(lab: Any) -> None:
    lab.pipeline(COPY.replace("late", "third"))
    lab.put("in", {"a": "0"})
    lab.run()
    follow(lab, "in@third", "second", commits=1)
    follow(lab, "in@second", commits=1)
    made = lab.put("in", {"a": "1"})
    assert at(lab, "in@second", "in@third") == [made, made]
    assert lab.project.wait(made).state == "success" and lab.files(f"copy@{made}") == {"a": "1"}


def test_a_wave_that_reads_both_branches_is_one_run(lab: Any) -> None:
    lab.pipeline(
        """
        steps:
          now: {input: 'in:/*', run: cp $PENSTOCK_IN/in/* $PENSTOCK_OUT}
          late: {input: 'in@late:/*', run: cp $PENSTOCK_IN/in/* $PENSTOCK_OUT}
        """
    )
    lab.put("in", {"a": "0"})
    lab.run()
    follow(lab, "in@late", commits=2)
    made = lab.put("in", {"a": "1"})
    view = lab.project.wait(made)
    assert view.state == "success" and sorted(job.step for job in view.jobs) == ["late", "now"]
    view = lab.project.wait(lab.put("in", {"a": "2"}))
    assert [job.step for job in view.jobs] == ["now"]


def test_what_does_not_fire(lab: Any) -> None:
    first = lab.put("in", {"a": "1"})
    lab.put("in", {"a": "2"})
    follow(lab, "in@late", commits=1)
    assert at(lab, "in@late") == [None], "what was there before waits for the next commit"
    branches.create_branch(lab.parts, "in", "main", ref(f"in@{first}"))
    assert at(lab, "in@late") == [None], "a head moved by hand"
    commits.start(lab.parts, [ref("in")])
    opened = lab.put("in", {"a": "3"})
    assert at(lab, "in@late") == [None]
    commits.finish(lab.parts, "in")
    assert at(lab, "in@late") == [opened]
    triggers.unset_trigger(lab.parts, ref("in@late"))
    lab.put("in", {"a": "4"})
    assert at(lab, "in@late") == [opened]
    lab.put("in@late", {"a": "5"})


def test_published_branches_are_watched_too(lab: Any) -> None:
    lab.pipeline(
        """
        steps:
          up: {input: 'in:/*', run: "! grep bad $PENSTOCK_IN/in/* && cp $PENSTOCK_IN/in/* $PENSTOCK_OUT"}
          late: {input: 'up@weekly:/*', run: cp $PENSTOCK_IN/up/* $PENSTOCK_OUT}
        """
    )
    lab.put("in", {"a": "0"})
    lab.run()
    follow(lab, "up@weekly", commits=2)
    first = lab.put("in", {"a": "1"})
    view = lab.project.wait(first)
    assert view.state == "success" and [job.step for job in view.jobs] == ["up"], "late reads what moves later"
    assert at(lab, "up@weekly") == [first]
    newest = lab.parts.store.load(Run, "runs", before=1 << 62, limit=1)[0]
    assert newest.id != first and newest.origin == "put"
    assert lab.project.wait(newest.id).state == "success"
    assert lab.files("late") == {"a": "1"}
    assert lab.project.commit(f"up@{newest.id}").id == first
    assert lab.project.wait(lab.put("in", {"a": "bad"})).state == "failure"
    lab.project.wait(lab.put("in", {"a": "2"}))
    assert at(lab, "up@weekly") == [first], "an errored commit does not count"
    third = lab.put("in", {"a": "3"})
    lab.project.wait(third)
    assert at(lab, "up@weekly") == [third]
    lab.ok()
    assert lab.files("late") == {"a": "3"}


def test_time_moves_a_branch_at_a_commit_or_a_run(lab: Any) -> None:
    clock = Clock(lab)
    lab.pipeline(COPY)
    lab.put("in", {"a": "0"})
    lab.run()
    follow(lab, "in@late", every="1h")
    lab.put("in", {"a": "1"})
    assert at(lab, "in@late") == [None]
    assert any("in@late waits to follow main: it is due at" in note for note in status(lab.parts).notes)
    clock.ahead = HOUR + 1
    assert any("it is due, and nobody is there to move it" in note for note in status(lab.parts).notes)
    second = lab.put("in", {"a": "2"})
    assert at(lab, "in@late") == [second] and lab.project.wait(second).state == "success"
    third = lab.put("in", {"a": "3"})
    assert at(lab, "in@late") == [second]
    clock.ahead = 3 * HOUR
    lab.ok()
    assert at(lab, "in@late") == [third] and lab.files("copy") == {"a": "3"}
    assert status(lab.parts).notes == ()
    clock.ahead = 9 * HOUR
    before = runs(lab)
    lab.ok()
    assert runs(lab) == before + 1, "nothing new to follow"


def test_time_moves_a_branch_while_an_engine_lives(lab: Any) -> None:
    clock = Clock(lab)
    lab.pipeline(COPY)
    lab.put("in", {"a": "0"})
    lab.run()
    follow(lab, "in@late", cron="0 * * * *")
    follow(lab, "in@later", "late", commits=1)
    first = lab.put("in", {"a": "1"})
    with engine_role(lab.parts.layout.lock) as mine:
        assert mine
        engine = Engine(lab.parts)
        try:
            engine.turn()
            assert at(lab, "in@late") == [None]
            clock.ahead = HOUR
            engine.turn()
            assert at(lab, "in@late", "in@later") == [first, first]
            engine.drive(lambda world: not world.runs)
        finally:
            engine.close()
    assert lab.files("copy") == {"a": "1"}


def test_a_linked_directory_is_watched(lab: Any) -> None:
    lab.pipeline(
        "repos: {photos: {path: p}}\nsteps: {s: {input: 'photos@weekly:/*', run: cp $PENSTOCK_IN/*/* $PENSTOCK_OUT}}"
    )
    lab.write("p/a", "1")
    lab.run()
    follow(lab, "photos@weekly", commits=1)
    lab.write("p/a", "2")
    assert lab.ok() == {"s": (1, 1, 0)}
    assert lab.files("s") == {"a": "2"} and at(lab, "photos@main") == at(lab, "photos@weekly")


def test_what_triggers_refuse(lab: Any) -> None:
    lab.pipeline("repos: {photos: {path: p}}\nsteps: {s: {input: 'photos:/*', run: 'true'}}")
    lab.write("p/a", "a")
    lab.ok()
    lab.put("in", {"a": "1"})
    commits.start(lab.parts, [ref("in@busy")])
    follow(lab, "in@b", "a", commits=1)
    follow(lab, "in@c", "b", commits=1)
    refusals: list[tuple[Callable[[], object], type[PenstockError], str]] = [
        (lambda: follow(lab, "in@late"), UsageError, "say when it shall move: by size, commits, every or cron"),
        (lambda: follow(lab, "in@late", commits=0), UsageError, "at least 1 commit"),
        (lambda: follow(lab, "in@late", every="0s"), UsageError, "is no time at all"),
        (lambda: follow(lab, "in@late", every="soon"), UsageError, "is no duration"),
        (lambda: follow(lab, "in@late", size="0"), UsageError, "size '0' is reached at once; expected at least 1 byte"),
        (lambda: follow(lab, "in@late", "", commits=1), UsageError, "branch '': expected letters"),
        (lambda: follow(lab, "in@late", size="much"), UsageError, "is no size"),
        (lambda: follow(lab, "in@late", cron="0 2 * *"), UsageError, "expected five fields"),
        (lambda: follow(lab, "in@late", cron="@every 1h", every="1h"), UsageError, "the same thing twice"),
        (lambda: follow(lab, "in", commits=1), UsageError, "expected REPO@BRANCH"),
        (lambda: follow(lab, "nope@late", commits=1), NotFound, "there is no repo 'nope'"),
        (lambda: follow(lab, "s@main", "x", commits=1), Refused, "s@main is written by step 's'"),
        (lambda: follow(lab, "photos@main", "x", commits=1), Refused, "photos@main is filled from p/"),
        (lambda: follow(lab, "in@main", "main", commits=1), Refused, "a circle of triggers: main watches main"),
        (lambda: follow(lab, "in@a", "c", commits=1), Refused, "a watches c watches b watches a"),
        (lambda: follow(lab, "in@busy", commits=1), Refused, "in@busy has the open commit"),
        (lambda: lab.put("in@b", {"x": "x"}), Refused, "in@b follows in@a by a trigger: change that one"),
        (lambda: commits.start(lab.parts, [ref("in@b")]), Refused, "in@b follows in@a by a trigger"),
        (lambda: branches.create_branch(lab.parts, "in", "b", ref("in")), Refused, "in@b follows in@a by a trigger"),
        (lambda: merging.merge(lab.parts, ref("in"), "b"), Refused, "in@b follows in@a by a trigger"),
        (lambda: branches.delete_branch(lab.parts, "in", "b"), Refused, "branch in@b is followed by in@c"),
        (lambda: triggers.unset_trigger(lab.parts, ref("in@main")), NotFound, "in@main: this branch has no trigger"),
    ]
    for act, error, message in refusals:
        with pytest.raises(error, match=message):
            act()
    branches.delete_branch(lab.parts, "in", "b", force=True)
    assert lists.branch(lab.parts, "in", "c").trigger is None


def test_deferred_steps_may_not_go_round_in_a_circle(lab: Any) -> None:
    lab.pipeline(
        """
        steps:
          a: {input: 'b@late:/*', run: 'true'}
          b: {input: 'a:/*', run: 'true'}
        """
    )
    with pytest.raises(UsageError, match="cycle"):
        lab.run()


def test_a_trigger_is_shown(lab: Any) -> None:
    lab.put("in", {"a": "1"})
    follow(lab, "in@late", size="1MB", cron="@daily", all_of=True)
    follow(lab, "in@soon", cron="@every 1h30m")
    shown = {view.branch: view.trigger for view in lists.branches(lab.parts, "in", 10, None).items}
    assert shown["main"] is None
    late, soon = shown["late"], shown["soon"]
    assert isinstance(late, TriggerView) and isinstance(soon, TriggerView)
    assert (late.watches, late.size, late.cron, late.needs) == ("main", 1_000_000, "0 0 * * *", "all")
    assert (soon.every, soon.cron, soon.needs) == (5400.0, None, "any")
