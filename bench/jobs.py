"""(c) Many jobs of one pipeline, from the file to the end: 10 stages with barriers between them, or 10 edges a job.

Workers are a function that answers at once (`penstock.testing.crew`): what is timed is reading the file, opening the
run, finding what may begin, and answering reports until all is done. Each size is a process of its own; per-job cost at
ten times the jobs is to stay the same.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import common

from penstock import Project
from penstock.model.data import EMPTY
from penstock.model.moves import Outcome
from penstock.model.run import Job
from penstock.model.wire import Assignment, Recipe, Result
from penstock.service.driving.crew import Node
from penstock.service.driving.loop import Engine
from penstock.testing.crew import DryCrew

STAGES = 10
EDGES = 10


def stages(n: int) -> dict[str, dict[str, object]]:
    """N jobs in stages; all of a stage wait for the job behind the stage before."""
    steps: dict[str, dict[str, object]] = {}
    for stage in range(STAGES):
        after = {"after": [f"barrier{stage - 1}"]} if stage else {}
        mine = [f"s{stage}-{number}" for number in range(n // STAGES)]
        steps |= {name: {"run": ["true"], **after} for name in mine}
        steps[f"barrier{stage}"] = {"run": ["true"], "after": mine}
    return steps


def edges(n: int) -> dict[str, dict[str, object]]:
    """N jobs, of which each waits for ten that stand a little before it."""
    names = [f"j{number}" for number in range(n)]
    return {
        name: {"run": ["true"], "after": [names[before] for before in range(max(0, place - EDGES), place)]}
        for place, name in enumerate(names)
    }


def drain(shape: str, n: int, top: Path) -> dict[str, float]:
    """Seconds from the file to the opened run, and from there to its end."""
    steps = (stages if shape == "stages" else edges)(n)
    with Project.create(top) as project:
        (top / "pipeline.json").write_text(json.dumps({"pipeline": "many", "steps": steps}))
        count, parts = len(steps), project.parts
        del steps
        began = time.perf_counter()
        begun = project.begin()
        loaded = time.perf_counter()

        def work(recipe: Recipe, assignments: Sequence[Assignment]) -> list[Result]:
            now = parts.now()
            return [
                Result(item.task, item.attempt, item.token, Outcome.SUCCEEDED, None, 0, "", EMPTY, 0, now, now, None)
                for item in assignments
            ]

        engine = Engine(parts, DryCrew(work, Node(64), at_once=1000))
        ready = time.perf_counter()
        engine.drive(lambda world: not world.runs)
        engine.close()
        over = time.perf_counter()
        done = parts.store.load(Job, "jobs_of_run", run=begun.run.id)
        assert len(done) == count and all(job.outcome == Outcome.SUCCEEDED for job in done)
    return {
        "load_s": loaded - began,
        "ready_s": ready - loaded,
        "drain_s": over - ready,
        "per_job_ms": (over - began) / count * 1000,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
    }


def apart(shape: str, n: int) -> dict[str, float]:
    """The same in a process of its own."""
    with common.scratch() as top:
        command = [sys.executable, __file__, "--shape", shape, "--n", str(n), "--top", str(top / "p")]
        done = common.measure(command, top)
        found: dict[str, float] = json.loads(done.out)
    return {name: round(value, 3) for name, value in found.items()}


def main() -> None:
    """Measures and prints one line; with --shape one part of it."""
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--n", type=int, default=100_000, help="jobs")
    reader.add_argument("--shape", choices=("stages", "edges"))
    reader.add_argument("--top", type=Path)
    asked = reader.parse_args()
    if asked.shape is not None:
        print(json.dumps(drain(asked.shape, asked.n, asked.top)))
        return
    figures = {
        f"{shape}_{size}": apart(shape, size) for shape in ("stages", "edges") for size in (asked.n // 10, asked.n)
    }
    growth = {
        shape: figures[f"{shape}_{asked.n}"]["per_job_ms"] / figures[f"{shape}_{asked.n // 10}"]["per_job_ms"]
        for shape in ("stages", "edges")
    }
    common.emit(
        "jobs",
        {f"{shape} within 1.3 times": value <= 1.3 for shape, value in growth.items()},
        n=asked.n,
        growth={shape: round(value, 2) for shape, value in growth.items()},
        **figures,
    )


if __name__ == "__main__":
    main()
