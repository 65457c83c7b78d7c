"""(h) The first run of a step over N files, and the run after one of them changed: everything but the tasks' own work.

Workers are a function here that answers at once (`penstock.testing.crew`), with one small file a task or with none, so
what is timed and what takes memory is the engine: finding bindings, placing, answering reports, ledger and commit. The
bare loop beside it stores as many rows of the same size in SQLite and nothing else. Each part is a process of its own.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import sqlite3
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import common

from penstock import Project
from penstock.model.data import EMPTY, Entry
from penstock.model.moves import Outcome
from penstock.model.run import Job
from penstock.model.wire import Assignment, Recipe, Result
from penstock.objects import map as maps
from penstock.objects import tree
from penstock.objects.blobs import Pages
from penstock.service import resolve
from penstock.service.driving.crew import Node
from penstock.service.driving.loop import Engine
from penstock.service.opening.launch import Draft, commit
from penstock.service.parts import Parts
from penstock.testing.crew import DryCrew, Work


def names(n: int) -> Iterator[str]:
    return (f"a-{i:07}.txt" for i in range(n))


def answers(parts: Parts, outputs: bool, started: list[float]) -> Work:
    """What workers say: every task succeeded, and left one file if there shall be outputs."""

    def work(recipe: Recipe, assignments: Sequence[Assignment]) -> list[Result]:
        started.append(time.perf_counter())
        told = []
        now = parts.now()
        with parts.objects.writer() as writer:
            pages = Pages(parts.objects.blobs, writer)
            blob = writer.add(b"x")
            for item in assignments:
                root = EMPTY
                if outputs:
                    path = item.inputs[0].path.replace(".txt", ".out").encode()
                    root = maps.build(pages, [(path, tree.encode(Entry((blob,), 1)))])
                said = (item.task, item.attempt, item.token, Outcome.SUCCEEDED, None, 0, "", root, int(outputs))
                told.append(Result(*said, now, now, None))
        return told

    return work


def put(parts: Parts, n: int, changed: int | None = None) -> None:
    """A commit of N files with the same byte in them; one of them may have another."""
    with parts.objects.writer() as writer:
        pages = Pages(parts.objects.blobs, writer)
        content, other = (tree.encode(Entry((writer.add(data),), 1)) for data in (b"x", b"y"))
        if changed is None:
            root = maps.build(pages, ((name.encode(), content) for name in names(n)))
        else:
            head = resolve.head(parts, "a")
            assert head is not None
            name = f"a-{changed:07}.txt".encode()
            root = maps.edit(pages, head.root, [(name, other)])
    with parts.store.transaction(durable=True):
        before = resolve.head(parts, "a")
        commit(parts, [Draft("a", "main", before.id if before else None, root, n, n, "put")], parts.new_id())


def size(top: Path, what: str) -> int:
    """Bytes of files below `.penstock`; a database without what is only in its log so far."""
    found = (top / ".penstock").glob(what)
    return sum(path.stat().st_size for path in found if path.is_file() and path.suffix not in (".db-wal", ".db-shm"))


def engine_run(n: int, outputs: bool, top: Path) -> dict[str, float]:
    """Both runs; seconds from commit to end, and to the one task that runs again."""
    with Project.create(top) as project:
        (top / "pipeline.yaml").write_text("repos: {a: }\nsteps:\n  s: {input: 'a:/*', run: ['true']}\n")
        project.begin()
        parts = project.parts
        began: list[float] = []

        def drive() -> Job:
            crew = DryCrew(answers(parts, outputs, began), Node(2), at_once=1000)
            engine = Engine(parts, crew=crew)
            engine.drive(lambda world: not world.runs)
            engine.close()
            return parts.store.load(Job, "jobs", before=1 << 62, limit=1)[0]

        drive()
        put(parts, n)
        committed = size(top, "objects/**/*")
        started = time.perf_counter()
        first = drive()
        seconds = time.perf_counter() - started
        assert (first.processed, first.outcome) == (n, Outcome.SUCCEEDED), first
        content = size(top, "objects/**/*") - committed
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        began.clear()
        started = time.perf_counter()
        put(parts, n, n // 2)
        second = drive()
        over = time.perf_counter() - started
        assert (second.processed, second.reused) == (1, n - 1), second
    return {
        "tasks_per_s": n / seconds,
        "seconds": seconds,
        "peak_mb": peak / 1e6,
        "bytes_per_task": size(top, "state.db") / n,
        "content_per_task": content / n,
        "change_to_task_s": began[0] - started,
        "change_s": over,
    }


def whole_repo(n: int, _: bool, top: Path) -> dict[str, float]:
    """A real task that reads all N files, then again with one of them changed: seconds until its inputs are there."""
    with Project.create(top) as project:
        (top / "pipeline.yaml").write_text("repos: {a: }\nsteps:\n  s: {input: 'a:/', run: ['true']}\n")
        project.begin()
        parts = project.parts
        laid_out = []
        for changed in (None, n // 2):
            put(parts, n, changed)
            project.wait("last")
            job = parts.store.load(Job, "jobs", before=1 << 62, limit=1)[0]
            assert job.outcome == Outcome.SUCCEEDED and job.processed == 1, job
            laid_out.append((job.download_seconds, job.download_bytes))
            if changed is not None:
                looked = job.upload_seconds
    return {"first_s": laid_out[0][0], "change_s": laid_out[1][0], "bytes": laid_out[1][1], "look_s": looked}


def bare_rows(n: int, outputs: bool, top: Path) -> dict[str, float]:
    """As many rows of the size of a task and its attempt, inserted and updated twice in batches of 1,000."""
    top.mkdir()
    database = sqlite3.connect(top / "rows.db", isolation_level=None)
    database.execute("pragma journal_mode = wal")
    database.execute("pragma synchronous = normal")
    database.execute("create table row (seq integer primary key, state text, data blob)")
    started = time.perf_counter()
    for first in range(0, n, 1000):
        database.execute("begin immediate")
        numbers = range(first, min(n, first + 1000))
        database.executemany("insert into row values (?, 'ready', ?)", ((i, bytes(300)) for i in numbers))
        for state in ("active", "done"):
            database.executemany("update row set state = ? where seq = ?", ((state, i) for i in numbers))
        database.execute("commit")
    return {"seconds": time.perf_counter() - started}


PARTS = {
    "outputs": (engine_run, True),
    "silent": (engine_run, False),
    "bare": (bare_rows, False),
    "whole": (whole_repo, False),
}
#: Files under the step that reads the whole repo.
WHOLE = 100_000


def main() -> None:
    """Measures and prints one line."""
    if sys.argv[1:2] == ["--part"]:
        run, outputs = PARTS[sys.argv[2]]
        print(json.dumps(run(int(sys.argv[3]), outputs, Path(sys.argv[4]))))
        return
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--n", type=int, default=1_000_000, help="files (default 1,000,000)")
    parser.add_argument(
        "--small", type=int, default=10_000, help="files of the small project beside it (default 10,000)"
    )
    parser.add_argument("--rounds", type=int, default=1, help="how often everything runs (default 1)")
    options = parser.parse_args()
    cases = {
        f"{name}_{n}": (name, n)
        for n in (options.small, options.n)
        for name in PARTS
        if name in ("outputs", "silent") or (name == "bare" and n == options.n)
    } | {"whole": ("whole", WHOLE)}
    with common.scratch() as top:
        fresh = (top / str(number) for number in itertools.count())
        results: dict[str, list[dict[str, float]]] = {case: [] for case in cases}
        for _ in range(options.rounds):
            for case, (name, n) in cases.items():
                done = common.measure([sys.executable, Path(__file__), "--part", name, str(n), next(fresh)], top)
                results[case].append(json.loads(done.out))
                print(f"{case} {results[case][-1]}", file=sys.stderr)
    middle = {
        case: {key: round(sorted(one[key] for one in taken)[len(taken) // 2], 4) for key in taken[0]}
        for case, taken in results.items()
    }
    large, small = middle[f"outputs_{options.n}"], middle[f"outputs_{options.small}"]
    common.emit(
        "first run",
        {
            "300 MB": large["peak_mb"] < 300,
            "500 bytes a task": large["bytes_per_task"] < 500,
            "one change to its task in 0.3 s": large["change_to_task_s"] < 0.3,
            "within twice the small one's": large["change_to_task_s"] < 2 * small["change_to_task_s"],
            "a whole repo of 100,000 moved on in 0.2 s": middle["whole"]["change_s"] < 0.2,
        },
        rounds=options.rounds,
        **middle,
    )


if __name__ == "__main__":
    main()
