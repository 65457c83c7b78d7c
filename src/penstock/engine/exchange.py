"""Fuller nodes: a task that found no room takes the place of a smaller one, which goes elsewhere if it can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.engine.pack import Needs, Room, Wish

#: Rounds after which what is reached is good enough.
ROUNDS = 20


def exchange(wishes: Sequence[Wish], at: Mapping[int, int], rooms: Sequence[Room], kept: int | None) -> dict[int, int]:
    """Where single tasks are (key -> node) once no exchange makes the nodes fuller; rooms are changed with it.

    `wishes` are of one task each. Only equal priorities change places.
    """
    now = dict(at)
    size = {wish.key: share(wish.needs, rooms[0]) for wish in wishes}
    by_size = sorted(wishes, key=lambda wish: -size[wish.key])
    for _ in range(ROUNDS):
        if not any(_enter(wish, by_size, size, now, rooms, kept) for wish in by_size if wish.key not in now):
            break
    return now


def _enter(
    wish: Wish,
    by_size: Sequence[Wish],
    size: Mapping[int, float],
    now: dict[int, int],
    rooms: Sequence[Room],
    kept: int | None,
) -> bool:
    """Find a place for a task, at the cost of the smallest one that will do; whether there was one."""
    for other in reversed(by_size):
        if size[other.key] >= size[wish.key]:
            return False
        place = now.get(other.key)
        if place is None or other.priority != wish.priority:
            continue
        room = rooms[place]
        room.take(other.needs, -1)
        if not room.holds(wish.needs):
            room.take(other.needs, 1)
            continue
        room.take(wish.needs, 1)
        now[wish.key] = place
        del now[other.key]
        elsewhere = next((i for i, room in enumerate(rooms) if i != kept and room.holds(other.needs)), None)
        if elsewhere is not None:
            rooms[elsewhere].take(other.needs, 1)
            now[other.key] = elsewhere
        return True
    return False


def share(needs: Needs, node: Room) -> float:
    """How much of a node a task takes: the sum over what there is."""
    pairs = ((needs.cpus, node.all_cpus), (needs.memory, node.all_memory), (needs.gpus, node.all_gpus))
    return sum(wanted / there for wanted, there in pairs if there)
