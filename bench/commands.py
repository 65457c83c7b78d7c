"""(j) Plain commands, a step each: N at once (flat), 1 → N → 1 (fan), and one behind the other (chain).

Beside a C loop that only spawns (as many at once as there are processors; one at a time for the chain), ninja, GNU
parallel where it is installed, HyperQueue, Parsl and Dask. Penstock stores every job, task and attempt, and what each
of them printed; the others keep what they keep by default. Times are from the first command to the last, without what
it takes to come up, where a contestant can tell them apart; else those of the whole process.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import statistics
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import common
from common import Measured

#: One at a time costs more, so there are fewer.
LINKS = 1000


def in_penstock(penstock: Path, directory: Path, shape: str, n: int) -> Measured:
    """A new project, whose one run has a job for each command; from the run's opening to its end."""
    directory.mkdir()
    steps: dict[str, object] = {f"s{i}": {"run": ["/bin/true"]} for i in range(n)}
    if shape == "chain":
        steps = {f"s{i}": {"run": ["/bin/true"], **({"after": [f"s{i - 1}"]} if i else {})} for i in range(n)}
    elif shape == "fan":
        middle = {name: {"run": ["/bin/true"], "after": ["first"]} for name in steps}
        steps = {"first": {"run": ["/bin/true"]}, **middle, "last": {"run": ["/bin/true"], "after": list(steps)}}
    (directory / "pipeline.json").write_text(json.dumps({"pipeline": "commands", "steps": steps}))
    common.measure([penstock, "init", "."], directory)
    taken = common.measure([penstock, "run"], directory)
    (run,) = json.loads(common.measure([penstock, "run", "list", "--json"], directory).out)["runs"]
    assert run["state"] == "success"
    opened, done = (datetime.fromisoformat(run[key]) for key in ("created", "finished"))
    return Measured((done - opened).total_seconds(), taken.peak, json.dumps({"whole": taken.wall}))


def in_ninja(ninja: Path, directory: Path, shape: str, n: int) -> Measured:
    directory.mkdir()
    edges = [f"build t{i}: t" for i in range(n)]
    if shape == "chain":
        edges = [f"build t{i}: t" + (f" t{i - 1}" if i else "") for i in range(n)]
    elif shape == "fan":
        edges = ["build first: t", *(f"build t{i}: t first" for i in range(n))]
        edges.append("build last: t " + " ".join(f"t{i}" for i in range(n)))
    (directory / "build.ninja").write_text("rule t\n  command = /bin/true\n" + "\n".join(edges) + "\n")
    return common.measure([ninja, f"-j{common.CORES}", "--quiet"], directory)


def in_parallel(parallel: str, directory: Path, n: int) -> Measured:
    directory.mkdir()
    (directory / "list").write_text("\n".join(map(str, range(n))) + "\n")
    return common.measure([parallel, f"-j{common.CORES}", "-n0", "-a", "list", "/bin/true"], directory)


def in_driver(name: str, directory: Path, shape: str, n: int) -> Measured:
    """A peer by its Python interface; what its driver says of its own time counts."""
    directory.mkdir()
    python = common.peer(name, "python")
    own = {"PATH": f"{python.parent}:{os.environ['PATH']}"}  # one looks for its own programs there
    words: list[str | Path] = [python, common.HERE / f"{name}_driver.py", shape, str(n), str(common.CORES)]
    taken = common.measure(words, directory, own)
    return Measured(json.loads(taken.out.splitlines()[-1])["inner"], taken.peak, taken.out)


def contestants(penstock: Path, top: Path, shape: str, n: int) -> dict[str, Callable[[], Measured]]:
    fresh = (top / f"{shape}{number}" for number in itertools.count())
    spawner, ninja, parallel = common.spawner(), common.peer("ninja", "ninja"), shutil.which("parallel")
    at_once = 1 if shape == "chain" else common.CORES
    found: dict[str, Callable[[], Measured]] = {
        "spawn": lambda: common.measure([spawner, str(n), str(at_once), "/bin/true"], top),
        "penstock": lambda: in_penstock(penstock, next(fresh), shape, n),
        "ninja": lambda: in_ninja(ninja, next(fresh), shape, n),
        "parsl": lambda: in_driver("parsl", next(fresh), shape, n),
        "dask": lambda: in_driver("dask", next(fresh), shape, n),
    }
    if shape == "flat":
        found["hyperqueue"] = lambda: in_driver("hyperqueue", next(fresh), shape, n)
        if parallel is not None:
            found["parallel"] = lambda: in_parallel(parallel, next(fresh), n)
    return found


def main() -> None:
    """Measures and prints a line for each shape."""
    options = common.options(__doc__, n=10_000)
    with common.scratch() as top:
        for shape, n in (("flat", options.n), ("fan", options.n), ("chain", min(LINKS, options.n))):
            results = common.rounds(options.rounds, contestants(options.penstock, top, shape, n))
            ours = results["penstock"]
            times = {name: common.ratio(taken, ours) for name, taken in results.items() if name != "penstock"}
            of_spawn = times.pop("spawn")
            aims = {"1.4 times as fast as the best peer": min(times.values()) >= 1.4}
            if shape == "chain":
                aims = {"under twice the bare chain": of_spawn > 0.5}
            common.emit(
                f"commands, {shape}",
                aims,
                n=n,
                rounds=options.rounds,
                **{name: {"s": common.wall(taken)} for name, taken in results.items()},
                ms_each=round(1e3 * common.wall(ours) / n, 3),
                whole_s=round(statistics.median(json.loads(item.out)["whole"] for item in ours), 3),
                of_spawn=of_spawn,
                times=times,
            )


if __name__ == "__main__":
    main()
