"""The queue of a worker: what does not fit is passed by, and what follows upon another attempt comes after it."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.model.wire import Assignment, Recipe
from penstock.worker.attempt import Unfinished
from penstock.worker.waiting import Waiting

RECIPE = Recipe("r", "s@r", "p", "s", ("true",), b"", None, {}, True, 1, None, 1.0)


def assignment(attempt: str, after: str | None = None, **more: Any) -> Assignment:
    return Assignment("t", attempt, 1, {}, after=after, **more)


def added(waiting: Waiting, *assignments: Assignment, number: int = 1) -> list[str]:
    batch = Unfinished(number, RECIPE, {}, len(assignments))
    return [item.attempt for _, item in waiting.add(batch, assignments)]


def following(waiting: Waiting) -> list[str]:
    names = []
    while (found := waiting.next(lambda _: True, alone=False)) is not None:
        names.append(found[1].attempt)
    return names


def test_what_follows_comes_when_the_one_before_has_succeeded() -> None:
    waiting = Waiting()
    assert added(waiting, assignment("a"), assignment("b", "a"), assignment("c", "b"), assignment("d", "a")) == []
    assert following(waiting) == ["a"] and waiting.more
    assert waiting.ended("a", good=True) == []
    assert following(waiting) == ["b", "d"]
    assert waiting.ended("d", good=True) == []
    assert [item.attempt for _, item in waiting.ended("b", good=False)] == ["c"]
    assert not waiting.more


def test_with_one_all_that_follows_upon_it_is_taken_out() -> None:
    waiting = Waiting()
    added(waiting, assignment("a"), *(assignment(f"b{n}", f"b{n - 1}" if n else "a") for n in range(2000)))
    assert len(waiting.ended("a", good=False)) == 2000
    assert added(waiting, assignment("late", "b7")) == ["late"]


def test_nothing_follows_upon_what_is_not_here() -> None:
    waiting = Waiting()
    assert added(waiting, assignment("b", "a"), assignment("c", "b"), assignment("d")) == ["b", "c"]
    assert following(waiting) == ["d"]


@pytest.mark.parametrize(
    ("asked", "taken"), [({"batch": 2}, ["c", "d"]), ({"attempts": {"b", "d"}}, ["b", "d"]), ({}, ["a", "b", "c", "d"])]
)
def test_what_waits_behind_another_can_be_taken_out_too(asked: dict[str, Any], taken: list[str]) -> None:
    waiting = Waiting()
    added(waiting, assignment("a"), assignment("b", "a"))
    added(waiting, assignment("c"), assignment("d", "c"), number=2)
    assert sorted(item.attempt for _, item in waiting.take(**asked)) == taken
