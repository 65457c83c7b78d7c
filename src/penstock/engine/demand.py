"""How many nodes some work needs, counted by packing it. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from penstock.engine.pack import Room, Wish, pack


class Demand(Struct, frozen=True):
    """How many nodes, and which of cpus, memory, gpus and nodes is the reason that there are not fewer."""

    nodes: int
    limiter: str
    rounds: int  #: how often a node is filled within the walltime


def demand(wishes: Sequence[Wish], node: Room, walltime: float) -> Demand:
    """How many nodes like `node` do all wishes within `walltime` seconds, each filled anew when its tasks are done.

    Every wish fits a node and the walltime: `why_never` was asked before.
    """
    longest = max((wish.needs.seconds or walltime for wish in wishes), default=walltime)
    rounds = max(1, int(walltime // longest)) if longest else 1
    left = [wish for wish in wishes if wish.count]
    filled, most = 0, max((wish.needs.nodes for wish in left), default=0)
    while left:
        rooms = [replace(node) for _ in range(most)]
        placed: dict[int, int] = {}
        used: set[int] = set()
        for item in pack(left, rooms):
            placed[item.key] = placed.get(item.key, 0) + item.count
            used.update(item.nodes)
        if not placed:
            raise ValueError("a wish that fits no node")
        # What filled these nodes fills as many again as there is enough of.
        times = min((wish.count // placed[wish.key] for wish in left if wish.key in placed), default=1) or 1
        filled += len(used) * times
        left = [replace(wish, count=wish.count - placed.get(wish.key, 0) * times) for wish in left]
        left = [wish for wish in left if wish.count]
    return Demand(max(most, math.ceil(filled / rounds)), _limiter(wishes, node), rounds)


def _limiter(wishes: Sequence[Wish], node: Room) -> str:
    shares = {
        "cpus": sum(wish.count * wish.needs.cpus * wish.needs.nodes for wish in wishes) / max(node.all_cpus, 1),
        "memory": sum(wish.count * wish.needs.memory * wish.needs.nodes for wish in wishes) / max(node.all_memory, 1),
        "gpus": sum(wish.count * wish.needs.gpus * wish.needs.nodes for wish in wishes) / max(node.all_gpus, 1),
        "nodes": float(max((wish.needs.nodes for wish in wishes), default=0)),
    }
    return max(shares, key=lambda name: shares[name])
