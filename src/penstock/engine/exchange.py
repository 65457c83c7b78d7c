"""Fuller nodes: a task that was placed goes to another node, if that lets one in that found no room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.engine.pack import Room, Wish


def make_way(wishes: Sequence[Wish], at: Mapping[int, int], rooms: Sequence[Room], kept: int | None) -> dict[int, int]:
    """Where single tasks are (key -> node) once those that have no room yet were let in, in their order, wherever one
    that has can move elsewhere; rooms are changed with it. Nobody who has room loses it.

    `wishes` are of one task each.
    """
    now = dict(at)
    placed = [wish for wish in wishes if wish.key in now]
    for wish in wishes:
        if wish.key not in now and any(_moves(other, wish, now, rooms, kept) for other in placed):
            placed.append(wish)
    return now


def _moves(other: Wish, wish: Wish, now: dict[int, int], rooms: Sequence[Room], kept: int | None) -> bool:
    """Move one that is placed to another node if its place is then large enough for `wish`; whether that was done."""
    room = rooms[now[other.key]]
    room.take(other.needs, -1)
    if room.holds(wish.needs):
        for node, elsewhere in enumerate(rooms):
            if node not in (kept, now[other.key]) and elsewhere.holds(other.needs):
                room.take(wish.needs, 1)
                elsewhere.take(other.needs, 1)
                now[wish.key], now[other.key] = now[other.key], node
                return True
    room.take(other.needs, 1)
    return False
