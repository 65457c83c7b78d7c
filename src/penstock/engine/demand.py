"""How many nodes some work needs, counted by packing it. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from penstock.engine.pack import Room, Wish, pack


class Demand(Struct, frozen=True):
    """How many nodes, and which of cpus, memory and gpus is the reason that there are not fewer."""

    nodes: int
    limiter: str
    rounds: int  #: how often a node is filled within the walltime


def demand(wishes: Sequence[Wish], node: Room, walltime: float) -> Demand:
    """How many nodes like `node` do all wishes within `walltime` seconds, each filled anew when its tasks are done.

    Every wish fits a node and the walltime: `why_never` was asked before.
    """
    longest = max((wish.needs.seconds or walltime for wish in wishes), default=walltime)
    rounds = max(1, int(walltime // longest)) if longest else 1
    # What takes most of a node first: small ones fill what is left.
    left = sorted((wish for wish in wishes if wish.count), key=lambda wish: -_share(wish, node))
    filled = 0
    while left:
        placed: dict[int, int] = {}
        for item in pack(left, [replace(node)], "none")[0]:
            placed[item.key] = placed.get(item.key, 0) + item.count
        # What fills this node fills as many more as there is enough of.
        times = max(1, min(wish.count // placed[wish.key] for wish in left if wish.key in placed))
        filled += times
        left = [replace(wish, count=wish.count - placed.get(wish.key, 0) * times) for wish in left]
        left = [wish for wish in left if wish.count]
    return Demand(math.ceil(filled / rounds), _limiter(wishes, node), rounds)


def _share(wish: Wish, node: Room) -> float:
    """The largest part of a node that one task of a wish takes."""
    needs = wish.needs
    pairs = ((needs.cpus, node.all_cpus), (needs.memory, node.all_memory), (needs.gpus, node.all_gpus))
    return max(asked / max(there, 1) for asked, there in pairs)


def _limiter(wishes: Sequence[Wish], node: Room) -> str:
    shares = {
        "cpus": sum(wish.count * wish.needs.cpus for wish in wishes) / max(node.all_cpus, 1),
        "memory": sum(wish.count * wish.needs.memory for wish in wishes) / max(node.all_memory, 1),
        "gpus": sum(wish.count * wish.needs.gpus for wish in wishes) / max(node.all_gpus, 1),
    }
    return max(shares, key=lambda name: shares[name])
