"""(i) How well and how quickly tasks are packed onto 16 nodes, beside an exact solver and the fractional bound.

What is packed is counted as the sum, over the tasks placed, of the mean share of a node they ask for in processors,
memory and GPUs. The exact solver (HiGHS) places up to 60 tasks; what it has found when its time is over counts, and how
often that was proven to be the most is told. Of 10,000 only the bound is known that lets tasks be cut in pieces and
nodes be one. Needs are random; nothing is placed beyond a node.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from typing import Any

import common
import highspy

from penstock.engine.pack import Needs, Room, Wish, pack

NODES, CPUS, MEMORY, GPUS = 16, 64, 256, 4


def rooms() -> list[Room]:
    return [Room(CPUS, MEMORY, GPUS, None, CPUS, MEMORY, GPUS) for _ in range(NODES)]


def wishes(chance: random.Random, n: int, most: float) -> list[Wish]:
    """Random needs, each up to so much of a node."""
    return [
        Wish(
            place,
            Needs(
                chance.randint(1, int(CPUS * most)),
                chance.randint(1, int(MEMORY * most)),
                chance.choice([0, 0, 0, 1, 2]),
                chance.choice([None, float(chance.randint(60, 36_000))]),
            ),
        )
        for place in range(n)
    ]


def share(needs: Needs) -> float:
    return (needs.cpus / CPUS + needs.memory / MEMORY + needs.gpus / GPUS) / 3


def packed(asked: list[Wish]) -> tuple[float, float]:
    """What `pack` places, having checked that it fits, and the seconds that takes."""
    nodes = rooms()
    started = time.perf_counter()
    placements, _ = pack(asked, nodes)
    seconds = time.perf_counter() - started
    used = [[0, 0, 0] for _ in nodes]
    total = 0.0
    for item in placements:
        needs = asked[item.key].needs
        total += share(needs) * item.count
        for dimension, each in enumerate((needs.cpus, needs.memory, needs.gpus)):
            used[item.node][dimension] += each * item.count
    if any(cpus > CPUS or memory > MEMORY or gpus > GPUS for cpus, memory, gpus in used):
        raise SystemExit("a node was given more than it has")
    return total, seconds


def solved(asked: list[Wish], whole: bool, limit: float) -> tuple[float, bool]:
    """The most that can be placed, on all nodes or with tasks in pieces and all nodes as one; whether it is proven."""
    model: Any = highspy.Highs()  # type: ignore[no-untyped-call]
    model.setOptionValue("output_flag", False)
    model.setOptionValue("time_limit", limit)
    nodes = NODES if whole else 1
    capacity = [size * (1 if whole else NODES) for size in (CPUS, MEMORY, GPUS)]
    add = model.addBinary if whole else (lambda obj: model.addVariable(0.0, 1.0, obj))
    place = [[add(obj=share(wish.needs)) for _ in range(nodes)] for wish in asked]
    for node in range(nodes):
        for size, name in zip(capacity, ("cpus", "memory", "gpus"), strict=True):
            model.addConstr(
                sum(getattr(wish.needs, name) * place[number][node] for number, wish in enumerate(asked)) <= size
            )
    if whole:
        for row in place:
            model.addConstr(sum(row) <= 1)
    model.maximize()
    return float(model.getInfo().objective_function_value), model.getModelStatus() == highspy.HighsModelStatus.kOptimal


def main() -> None:
    """Measures and prints one line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=10, help="random questions of each kind (default 10)")
    parser.add_argument("--limit", type=float, default=20.0, help="seconds for each exact answer (default 20)")
    options = parser.parse_args()
    exact, bound, seconds, proven = [], [], [], 0
    for seed in range(options.rounds):
        chance = random.Random(seed)
        few = wishes(chance, chance.randint(30, 60), 0.9)
        most, optimal = solved(few, True, options.limit)
        exact.append(packed(few)[0] / most)
        proven += optimal
        many = wishes(chance, 10_000, 0.5)
        total, took = packed(many)
        bound.append(total / solved(many, False, options.limit)[0])
        seconds.append(took)
    figures = {
        "of_exact": {"median": round(statistics.median(exact), 4), "least": round(min(exact), 4)},
        "of_bound": {"median": round(statistics.median(bound), 4), "least": round(min(bound), 4)},
        "decision_s": {"median": round(statistics.median(seconds), 4), "most": round(max(seconds), 4)},
    }
    common.emit(
        "packing",
        {
            "0.9 of the exact": figures["of_exact"]["least"] >= 0.9,
            "0.9 of the bound": figures["of_bound"]["least"] >= 0.9,
            "under 50 ms": figures["decision_s"]["most"] < 0.05,
        },
        rounds=options.rounds,
        nodes=NODES,
        proven=proven,
        **figures,
    )


if __name__ == "__main__":
    main()
