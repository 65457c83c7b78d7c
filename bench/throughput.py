"""(a) N tasks of /bin/true in one job, beside a C loop that only spawns, ninja and HyperQueue.

Penstock keeps durable rows and the output of every attempt; the C program keeps nothing, ninja a build log,
HyperQueue runs without its log files (faster than with them). Each starts from nothing in every round, and the time
is that of the whole process.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import common


def in_penstock(penstock: Path, directory: Path, n: int) -> common.Measured:
    """A new project, then its one job of N tasks."""
    pipeline = f'steps:\n  noop:\n    each: {{i: "1..{n}"}}\n    run: [/bin/true]\n'
    return common.run(penstock, common.project(penstock, directory, pipeline), processed=n)


def in_ninja(ninja: Path, directory: Path, n: int) -> common.Measured:
    """A new build of N edges, none of which makes its file."""
    directory.mkdir()
    edges = "".join(f"build t{i}: t\n" for i in range(n))
    (directory / "build.ninja").write_text("rule t\n  command = /bin/true\n" + edges)
    return common.measure([ninja, f"-j{common.CORES}", "--quiet"], directory)


def in_hyperqueue(python: Path, directory: Path, n: int) -> common.Measured:
    """A new server, one worker, one job of N tasks."""
    directory.mkdir()
    return common.measure([python, common.HERE / "hyperqueue_driver.py", "flat", str(n), str(common.CORES)], directory)


def main() -> None:
    """Measures and prints one line."""
    options = common.options(__doc__, n=10_000)
    n, penstock = options.n, options.penstock
    spawner, ninja, python = common.spawner(), common.peer("ninja", "ninja"), common.peer("hyperqueue", "python")
    with common.scratch() as top:
        fresh = (top / str(number) for number in itertools.count())
        results = common.rounds(
            options.rounds,
            {
                "spawn": lambda: common.measure([spawner, str(n), str(common.CORES), "/bin/true"], top),
                "penstock": lambda: in_penstock(penstock, next(fresh), n),
                "ninja": lambda: in_ninja(ninja, next(fresh), n),
                "hyperqueue": lambda: in_hyperqueue(python, next(fresh), n),
            },
        )
    ours = results["penstock"]
    of_limit = common.ratio(results["spawn"], ours)
    faster = {f"times_{name}": common.ratio(results[name], ours) for name in ("ninja", "hyperqueue")}
    common.emit(
        "throughput",
        {"0.55 of the limit": of_limit >= 0.55, "faster than peers": min(faster.values()) > 1},
        n=n,
        rounds=options.rounds,
        **{
            name: {"wall_s": common.wall(taken), "per_s": round(n / common.wall(taken))}
            for name, taken in results.items()
        },
        of_spawn=of_limit,
        **faster,
    )


if __name__ == "__main__":
    main()
