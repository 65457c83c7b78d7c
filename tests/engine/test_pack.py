"""The packer: never beyond what a node has, nothing left that fits, nobody starves."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from penstock.engine.pack import PATIENCE, Needs, Placement, Room, Sort, Wish, in_order, pack, why_never

SECONDS = st.none() | st.floats(1, 10_000)
NEEDS = st.builds(Needs, st.integers(1, 8), st.integers(0, 64), st.integers(0, 3), SECONDS)
ROOMS = st.lists(
    st.builds(
        lambda cpus, memory, gpus, seconds, used: Room(
            *(cpus - cpus * used // 4, memory, gpus, seconds, cpus, memory, gpus), busy=used > 0
        ),
        st.integers(0, 16),
        st.integers(0, 128),
        st.integers(0, 4),
        SECONDS,
        st.integers(0, 3),
    ),
    max_size=6,
)
WISHES = st.lists(
    st.tuples(NEEDS, st.integers(1, 20), st.integers(-1, 1), st.sampled_from([0.0, PATIENCE + 1])), max_size=12
).map(lambda found: [Wish(place, *item) for place, item in enumerate(found)])
SORTS = st.sampled_from(["gpus_runtime_memory", "gpus_memory_runtime", "none"])


def node(cpus: int, memory: int = 1000, gpus: int = 0, seconds: float | None = None) -> Room:
    return Room(cpus, memory, gpus, seconds, cpus, memory, gpus)


@given(WISHES, ROOMS, SORTS)
def test_what_is_placed_fits(wishes: list[Wish], rooms: list[Room], sort: str) -> None:
    before = [replace(room) for room in rooms]
    placements, kept = pack(wishes, rooms, sort)  # type: ignore[arg-type]
    used: dict[int, list[float]] = {}
    count: Counter[int] = Counter()
    for item in placements:
        needs, room = wishes[item.key].needs, before[item.node]
        assert item.count > 0 and room.lasts(needs)
        count[item.key] += item.count
        sums = used.setdefault(item.node, [0, 0, 0])
        for dimension, each in enumerate((needs.cpus, needs.memory, needs.gpus)):
            sums[dimension] += each * item.count
    for place, (cpus, memory, gpus) in used.items():
        assert cpus <= before[place].cpus and memory <= before[place].memory and gpus <= before[place].gpus
    assert all(count[wish.key] <= wish.count for wish in wishes)
    # Work is conserved: what is left fits nowhere, but perhaps on the one node that is kept for somebody.
    for wish in wishes:
        if count[wish.key] < wish.count:
            assert not any(room.holds(wish.needs) for place, room in enumerate(rooms) if place != kept)


@given(WISHES, ROOMS, SORTS)
def test_the_same_question_has_the_same_answer(wishes: list[Wish], rooms: list[Room], sort: str) -> None:
    again = [replace(room) for room in rooms]
    assert pack(wishes, rooms, sort) == pack(list(wishes), again, sort)  # type: ignore[arg-type]


@given(WISHES, ROOMS, SORTS)
def test_nobody_loses_a_turn_to_one_behind(wishes: list[Wish], rooms: list[Room], sort: Sort) -> None:
    """All that is placed when wishes are looked at one by one is placed whatever else is let in."""
    wishes = [replace(wish, waited=0.0) for wish in wishes]
    one_by_one: Counter[int] = Counter()
    left = [replace(room) for room in rooms]
    for wish in in_order(wishes, sort):
        one_by_one += Counter({item.key: item.count for item in pack([wish], left, sort)[0]})
    together: Counter[int] = Counter()
    for item in pack(wishes, rooms, sort)[0]:
        together[item.key] += item.count
    assert all(together[key] >= count for key, count in one_by_one.items())


def test_of_two_that_fit_the_first_is_placed() -> None:
    wishes = [Wish(0, Needs(1, memory=10)), Wish(1, Needs(4, memory=900)), Wish(2, Needs(3, seconds=60))]
    assert pack(wishes, [node(4)]) == ([Placement(2, 0, 1), Placement(0, 0, 1)], None)
    assert pack(wishes, [node(4)], "gpus_memory_runtime") == ([Placement(1, 0, 1)], None)
    assert pack(wishes, [node(4)], "none") == ([Placement(0, 0, 1), Placement(2, 0, 1)], None)


def test_one_that_was_placed_makes_way() -> None:
    wishes = [Wish(0, Needs(2, seconds=40)), Wish(1, Needs(2, seconds=3600))]
    placed, _ = pack(wishes, [node(2), node(3, seconds=45)], "none")
    assert {item.key: item.node for item in placed} == {0: 1, 1: 0}


def test_the_order() -> None:
    wishes = [
        Wish(0, Needs(1, seconds=10)),
        Wish(1, Needs(1, memory=9)),
        Wish(2, Needs(1, gpus=1)),
        Wish(3, Needs(1), priority=5),
    ]
    assert [wish.key for wish in in_order(wishes)] == [3, 2, 0, 1]
    assert [wish.key for wish in in_order(wishes, "gpus_memory_runtime")] == [3, 2, 1, 0]
    assert [wish.key for wish in in_order(wishes, "none")] == [3, 0, 1, 2]


def test_what_does_not_fit_is_passed_by() -> None:
    wishes = [Wish(0, Needs(8, seconds=100)), Wish(1, Needs(2), 3)]
    assert pack(wishes, [node(4)]) == ([Placement(1, 0, 2)], None)


def test_each_goes_where_it_leaves_least() -> None:
    wishes = [Wish(0, Needs(4))]
    assert pack(wishes, [node(16), node(4)])[0] == [Placement(0, 1, 1)]


def test_time_that_is_left() -> None:
    wish = [Wish(0, Needs(1, seconds=3600))]
    assert pack(wish, [node(4, seconds=600)])[0] == []
    assert pack(wish, [node(4, seconds=3590)])[0] == [Placement(0, 0, 1)], "as long as the walltime, which has begun"
    assert pack([Wish(0, Needs(1))], [node(4, seconds=1)])[0] == [], "nothing begins at the very end"


def test_a_large_one_starts_in_spite_of_a_stream_of_small_ones() -> None:
    """Each small task runs two turns on two nodes of two processors; as one ends, another is there."""
    free = [2, 2]
    ends: list[tuple[int, int]] = []  # (turn, node)
    waited = 0.0
    for turn in range(200):
        for end in [end for end in ends if end[0] == turn]:
            ends.remove(end)
            free[end[1]] += 1
        rooms = [Room(cpus, 1, all_cpus=2, all_memory=1, busy=cpus < 2) for cpus in free]
        large = Wish(0, Needs(2), waited=waited)
        placements, _ = pack([large, Wish(1, Needs(1), 10, priority=1)], rooms)
        if any(item.key == 0 for item in placements):
            assert waited > PATIENCE
            return
        for item in placements:
            free[item.node] -= item.count
            ends += [(turn + 2 + place, item.node) for place in range(item.count)]
        waited += 10.0
    raise AssertionError("it starved")


def test_why_never() -> None:
    largest = node(4, 100, 1, 50.0)
    assert why_never(Needs(4, 100, 1, 50.0), largest) is None
    assert why_never(Needs(5), largest) == "asks for 5 CPUs, the largest node has 4"
    assert why_never(Needs(1, 0, 2), largest) == "asks for 2 GPUs, the largest node has 1"
    assert why_never(Needs(1, 101), largest) == "asks for 101 bytes of memory, the largest node has 100"
    assert why_never(Needs(1, 0, 0, 500.0), largest) == "asks for 500 s, the longest walltime is 50 s"
