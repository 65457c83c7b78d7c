"""Nodes that end soon: given nothing that they have no time for, left at once, and blamed on no task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.engine.pack import Needs, Wish
from penstock.model.wire import Hello
from tests.service import test_remote_crew as crew

Place = crew.Place
#: Fixtures.
at, parts = crew.at, crew.parts


def test_a_node_asked_for_a_short_task_is_not_the_one_of_a_long_task(at: Callable[..., Place]) -> None:
    place = at(per="task", nodes=4, idle=3600.0)
    short, long = Wish(0, Needs(1, seconds=60.0)), Wish(1, Needs(1, seconds=1800.0))
    place.turn([short], 4)
    place.turn([long, short], 4)
    assert [ask.seconds for ask in place.crew.allocations._queue.asked] == [120, 1860]  # type: ignore[attr-defined]


def test_a_node_with_too_little_time_is_left_at_once_unless_it_is_kept(at: Callable[..., Place]) -> None:
    for kept in (0, 1):
        place = at(nodes=2, min_nodes=kept, idle=3600.0, walltime=7200.0)
        place.turn([Wish(0, Needs(4))], 4)
        place.come(seconds=30.0)
        place.turn([Wish(0, Needs(4, grace=20.0))], 4)
        assert place.told_to_leave() == 0
        place.turn([Wish(0, Needs(4, grace=40.0))], 4)
        assert place.told_to_leave() == 1 - kept


def given(place: Place, seconds: float | None, slots: int = 4) -> Any:
    """A worker that was given a task in a place that lasts so long, and leaves as it should; what is heard then."""
    place.turn([Wish(0, Needs(1))], 4)
    place.come(seconds=seconds)
    (worker,) = place.crew.workers([Wish(0, Needs(1))]) or place.turn([Wish(0, Needs(1))], 4) or place.crew._workers
    worker.hold("a-1", 7, Needs(1))
    (box,) = place.boxes.values()
    if slots != 4:
        box.send(Hello(worker.name, 1, slots, 1 << 30, 0, seconds))
    box.close()
    heard = place.turn(times=4)
    return heard.back, heard.lost


def test_what_a_node_gives_back_at_its_end_was_not_lost(at: Callable[..., Place]) -> None:
    assert given(at(idle=3600.0), 20.0) == ([7], [])


def test_what_a_node_gives_back_that_somebody_wants_was_not_lost(at: Callable[..., Place]) -> None:
    assert given(at(idle=3600.0), 7200.0, slots=0) == ([7], [])


def test_what_a_worker_had_that_ends_early_was_lost(at: Callable[..., Place]) -> None:
    assert given(at(idle=3600.0), 7200.0) == ([], [7])
