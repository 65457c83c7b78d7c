"""`pack`: which ready tasks start on which nodes. Never beyond what a node has free, in any dimension.

Wishes are looked at in one order: priority, then what `sort` says, then as they come. Each is placed where it leaves
the least over; what does not fit now is passed by, and smaller ones behind it go first. What was placed may move to
another node to let one in that was passed by; it never loses its turn to it. So that this starves nobody, the one that
has waited longest, if that is longer than `PATIENCE`, comes before all others; and if it does not fit now, one node
takes nothing else until it does. One such node at a time: a stream of small tasks keeps all the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct

from penstock.engine.exchange import make_way

Sort = Literal["gpus_runtime_memory", "gpus_memory_runtime", "none"]

#: Up to how many wishes there is time to look for fuller nodes.
FEW = 100
#: Seconds that a task may be passed by until a node is kept for it.
PATIENCE = 60.0
#: Seconds that a place may be older than nothing for a task that asks for its whole length.
STARTING = 120.0
#: Seconds before the end of a place at which nothing runs there any more.
MARGIN = 3.0


class Needs(Struct, frozen=True):
    """What one task asks of the node it runs on."""

    cpus: int = 1
    memory: int = 0  #: bytes; 0: not said
    gpus: int = 0
    seconds: float | None = None  #: how long it takes at most; None: not said
    nodes: int = 1  #: all else is of each of them
    grace: float | None = None  #: seconds it needs to checkpoint and leave; None: it is not told to


def lasts(left: float | None, wanted: float | None, grace: float | None = None, whole: float | None = None) -> bool:
    """Whether a place with so many seconds left (None: without end) has time for a task that says it needs so many.

    One that is told to leave in time needs all of it, or more than its `grace` where it does not say; one as long as
    the `whole` place begins in a new one.

    >>> lasts(None, 1e9), lasts(3600.0 - 30, 3600.0), lasts(600.0, 3600.0), lasts(2.0, None)
    (True, True, False, False)
    >>> lasts(60.0, None, 120.0), lasts(60.0, 50.0, 120.0), lasts(60.0, 70.0, 5.0), lasts(3590.0, 3600.0, 5.0, 3600.0)
    (False, True, False, True)
    """
    if left is None or grace is None:
        return left is None or (left > MARGIN and (wanted is None or wanted <= left + STARTING))
    new = whole is not None and whole - left <= STARTING
    if wanted is not None and (wanted <= left - MARGIN or not new or wanted > (whole or 0.0)):
        return wanted <= left - MARGIN
    return grace < left - MARGIN


class Room(Struct):
    """What is free on one node now, and what it has in all."""

    cpus: int
    memory: int = 0
    gpus: int = 0
    seconds: float | None = None  #: until its place ends; None: it does not
    all_cpus: int = 0
    all_memory: int = 0
    all_gpus: int = 0
    all_nodes: int = 1  #: how many nodes there are to such a room
    busy: bool = False  #: whether anything runs there
    whole: float | None = None  #: how many seconds its place lasts in all; None: as long as it has left

    def holds(self, needs: Needs) -> int:
        """How many tasks fit into what is free now."""
        if needs.nodes > self.all_nodes or not self.lasts(needs):
            return 0
        count = self.cpus // needs.cpus if needs.cpus else _MANY
        if needs.memory:
            count = min(count, self.memory // needs.memory)
        if needs.gpus:
            count = min(count, self.gpus // needs.gpus)
        return count

    def most(self, needs: Needs) -> int:
        """How many tasks would fit if nothing else ran here, leaving time aside."""
        count = self.all_cpus // needs.cpus if needs.cpus else _MANY
        if needs.memory:
            count = min(count, self.all_memory // needs.memory)
        return min(count, self.all_gpus // needs.gpus) if needs.gpus else count

    def lasts(self, needs: Needs) -> bool:
        """Whether there is time enough; a task as long as the whole place fits into one that has just begun."""
        return lasts(self.seconds, needs.seconds, needs.grace, self.seconds if self.whole is None else self.whole)

    def could(self, needs: Needs) -> bool:
        """Whether a task would fit if nothing else ran here."""
        enough = needs.cpus <= self.all_cpus and needs.memory <= self.all_memory and needs.gpus <= self.all_gpus
        return enough and needs.nodes <= self.all_nodes and self.lasts(needs)

    def take(self, needs: Needs, count: int) -> None:
        self.cpus -= needs.cpus * count
        self.memory -= needs.memory * count
        self.gpus -= needs.gpus * count
        self.busy = True

    def left(self, needs: Needs) -> float:
        """How much of the node would stay free, as the sum of its shares, with one such task."""
        left = (self.cpus - needs.cpus) / (self.all_cpus or 1)
        left += (self.memory - needs.memory) / (self.all_memory or 1)
        return left + (self.gpus - needs.gpus) / (self.all_gpus or 1) * (1 + (not needs.gpus))


_MANY = 1 << 30


class Wish(Struct, frozen=True):
    """`count` tasks that are alike and may start. `key` is the caller's."""

    key: int
    needs: Needs
    count: int = 1
    priority: int = 0
    waited: float = 0.0  #: seconds since the first of them might have started


class Placement(Struct, frozen=True):
    """`count` tasks of a wish on one node, named by its place among the rooms."""

    key: int
    node: int
    count: int


def turn(needs: Needs, priority: int, sort: Sort) -> tuple[float, ...]:
    """When a task is looked at: the one with the smallest of these is the first of all."""
    if sort == "none":
        return (-priority,)
    seconds = needs.seconds or 0.0
    after = (-needs.memory, -seconds) if sort == "gpus_memory_runtime" else (-seconds, -needs.memory)
    return (-priority, -needs.gpus, *after)


def in_order(wishes: Iterable[Wish], sort: Sort = "gpus_runtime_memory") -> list[Wish]:
    """Wishes as they are looked at: what is hardest to place first, or, with `none`, as they come."""
    return sorted(wishes, key=lambda wish: turn(wish.needs, wish.priority, sort))


def pack(
    wishes: Iterable[Wish], rooms: Sequence[Room], sort: Sort = "gpus_runtime_memory"
) -> tuple[list[Placement], int | None]:
    """Placements of what fits into rooms, which are changed to what is free then; and the node that is kept, if any.

    Of two tasks that both fit the one that is looked at first is placed. Where there are few wishes single tasks that
    were placed move on, if that lets others in.
    """
    ordered = in_order(wishes, sort)
    placed, kept = _packed(ordered, rooms)
    return (_fuller(ordered, rooms, kept, placed) if len(ordered) <= FEW else placed), kept


def _packed(ordered: Sequence[Wish], rooms: Sequence[Room]) -> tuple[list[Placement], int | None]:
    """One look at all wishes in their order; the one that starves comes first."""
    placed: list[Placement] = []
    kept: int | None = None
    starving = _starving(ordered)
    if starving is not None and not _place(starving, 1, rooms, None, placed):
        kept = _keep(starving.needs, rooms)
    cpus, memory, gpus = _most_free(rooms)
    for wish in ordered:
        needs = wish.needs
        # Of a long queue, most fit nowhere.
        may_fit = needs.cpus <= cpus and needs.memory <= memory and needs.gpus <= gpus
        if may_fit and _place(wish, wish.count - (wish is starving and kept is None), rooms, kept, placed):
            cpus, memory, gpus = _most_free(rooms)
    return placed, kept


def _most_free(rooms: Sequence[Room]) -> tuple[int, int, int]:
    """The most CPUs, memory and GPUs that are free on any node, maybe not on the same."""
    return (
        max((room.cpus for room in rooms), default=0),
        max((room.memory for room in rooms), default=0),
        max((room.gpus for room in rooms), default=0),
    )


def _starving(wishes: Iterable[Wish]) -> Wish | None:
    """The one that has waited longest, if that is too long."""
    late = (wish for wish in wishes if wish.waited > PATIENCE)
    return max(late, key=lambda wish: (wish.waited, -wish.key), default=None)


def _fuller(
    ordered: Sequence[Wish], rooms: Sequence[Room], kept: int | None, placed: list[Placement]
) -> list[Placement]:
    """The same with single tasks moved to other nodes where that lets one in that was passed by."""
    starving = _starving(ordered)
    single = [wish for wish in ordered if wish.count == 1 and wish is not starving]
    keys = {wish.key for wish in single}
    at = {item.key: item.node for item in placed if item.key in keys}
    if len(at) == len(single):
        return placed
    others = [item for item in placed if item.key not in keys]
    return [*others, *(Placement(key, node, 1) for key, node in make_way(single, at, rooms, kept).items())]


def _place(wish: Wish, wanted: int, rooms: Sequence[Room], kept: int | None, placed: list[Placement]) -> int:
    """Place as many of so many of a wish as fit, each where it leaves the least over; how many."""
    needs, done = wish.needs, 0
    while done < wanted:
        best, most, least = -1, 0, 0.0
        for place, room in enumerate(rooms):
            count = 0 if place == kept else room.holds(needs)
            if count:
                left = room.left(needs)
                if best < 0 or left < least:
                    best, most, least = place, count, left
        if best < 0:
            break
        count = min(most, wanted - done)
        rooms[best].take(needs, count)
        placed.append(Placement(wish.key, best, count))
        done += count
    return done


def _keep(needs: Needs, rooms: Sequence[Room]) -> int | None:
    """The node to keep for a task: the one nearest to having room for it; None where none ever can."""
    able = [place for place, room in enumerate(rooms) if room.could(needs)]
    return max(able, key=lambda place: (not rooms[place].busy, rooms[place].cpus, -place), default=None)


def why_never(needs: Needs, node: Room) -> str | None:
    """With the numbers, why a task can never run on a node like the largest one there is; None if it can."""
    if needs.nodes > node.all_nodes:
        return f"asks for {needs.nodes} nodes, and a task gets {node.all_nodes} here"
    if needs.cpus > node.all_cpus:
        return f"asks for {needs.cpus} CPUs, the largest node has {node.all_cpus}"
    if needs.gpus > node.all_gpus:
        return f"asks for {needs.gpus} GPUs, the largest node has {node.all_gpus}"
    if node.all_memory and needs.memory > node.all_memory:
        return f"asks for {needs.memory:,} bytes of memory, the largest node has {node.all_memory:,}"
    if needs.grace is not None and not lasts(node.seconds, None, needs.grace) and not node.lasts(needs):
        return f"has a grace of {needs.grace:.0f} s, the longest walltime is {node.seconds:.0f} s"
    if not node.lasts(needs):
        return f"asks for {needs.seconds:.0f} s, the longest walltime is {node.seconds:.0f} s"
    return None
