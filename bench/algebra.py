"""(g) Finding the bindings of large inputs: crosses, joins, a first expansion into rows, and one change of each.

Every part is a process of its own, so that its peak of memory is its own. Beside a cross and a join stands what no
program can do without: the same keys out of lists in memory by `itertools.product`, or by a dict and one regular
expression. The project of the first expansion is a real one: its tasks are rows in a database at the end.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import common

from penstock import Project
from penstock.engine.expand import Expansion
from penstock.model.data import EMPTY, Entry
from penstock.model.facts import Expanded
from penstock.model.run import Job, Run
from penstock.model.spec import InputSpec
from penstock.objects import map as maps
from penstock.objects import tree
from penstock.objects.blobs import Pages
from penstock.objects.store import Objects
from penstock.service.bindings.keys import KeyMap
from penstock.service.bindings.links import Links
from penstock.service.bindings.trees import TreeLeaf
from penstock.service.driving.expanding import expand
from penstock.service.opening.launch import Draft, commit
from penstock.service.userdata.exchange import Exchange

#: Files on either side of a cross, and of a join.
SIDE, JOINED = 1000, 100_000


def entry(number: int) -> bytes:
    """The entry of a file that nobody reads."""
    return tree.encode(Entry((b"\x1e" + number.to_bytes(32, "big"),), 10))


def names(prefix: str, n: int) -> Iterator[str]:
    return (f"{prefix}-{i:07}.txt" for i in range(n))


def counted(bindings: Iterator[object]) -> tuple[int, float]:
    """How many there are, and the seconds it takes to go through them."""
    started = time.perf_counter()
    count = sum(1 for _ in bindings)
    return count, time.perf_counter() - started


def over_trees(kind: str, n: int, top: Path) -> dict[str, float]:
    """A cross, join or group over trees in a store; then the same with one file changed."""
    objects = Objects.create(top)
    with objects.writer() as writer:
        pages = Pages(objects.blobs, writer)
        template = {"join": "on", "group": "by"}.get(kind)
        said = {template: "$1"} if template else {}
        width = 4 if kind == "group" else 7
        specs = [
            InputSpec("glob", repo=repo, name=repo, glob=f"/{repo}-({'?' * width})*.txt", **said)  # type: ignore[arg-type]
            for repo in ("a", "b")
        ]
        spec = InputSpec(kind, parts=tuple(specs))  # type: ignore[arg-type]
        roots = [
            maps.build(pages, ((name.encode(), entry(i)) for i, name in enumerate(names(repo, n))))
            for repo in ("a", "b")
        ]
        index = KeyMap(pages, EMPTY)
        leaves = [
            TreeLeaf(pages, leaf, root, Links(pages, root, 0, None)) for leaf, root in zip(specs, roots, strict=True)
        ]
        before = Expansion(spec, {}, leaves, index)
        found, seconds = counted(before.every())
        keys = index.save()
        name = next(itertools.islice(names("a", n), n // 2, None)).encode()
        edited = maps.edit(pages, roots[0], [(name, entry(n + 1))])
        changed = TreeLeaf(pages, specs[0], edited, Links(pages, edited, 0, EMPTY))
        after = Expansion(spec, {}, [changed, leaves[1]], KeyMap(pages, keys))
        touched, again = counted(after.changed(before))
    objects.close()
    return {"bindings": found, "seconds": seconds, "touched": touched, "change_s": again}


def product_of_lists(n: int) -> dict[str, float]:
    """The keys of a cross out of two lists."""
    a, b = list(names("a", n)), list(names("b", n))
    found, seconds = counted(((one, other) for one, other in itertools.product(a, b)))
    return {"bindings": found, "seconds": seconds}


def join_of_dicts(n: int) -> dict[str, float]:
    """The keys of a join by a dict and a regular expression, which knows nothing about what it gave before."""
    a, b = list(names("a", n)), list(names("b", n))

    def joined() -> Iterator[tuple[str, str]]:
        key = re.compile(r"[ab]-(.{7}).*\.txt")
        other: dict[str, list[str]] = {}
        for name in b:
            found = key.fullmatch(name)
            if found:
                other.setdefault(found[1], []).append(name)
        for name in a:
            found = key.fullmatch(name)
            if found:
                yield from ((name, partner) for partner in other.get(found[1], ()))

    found, seconds = counted(joined())
    return {"bindings": found, "seconds": seconds}


def first_expansion(n: int, top: Path) -> dict[str, float]:
    """A step over a repo of N files that never ran: from its job to as many rows."""
    with Project.create(top) as project:
        (top / "pipeline.yaml").write_text("repos: {a: }\nsteps:\n  s: {input: 'a:/*', run: ['true']}\n")
        project.begin()
        parts = project.parts
        with parts.objects.writer() as writer:
            pages = Pages(parts.objects.blobs, writer)
            blob = writer.add(b"x")
            content = tree.encode(Entry((blob,), 1))
            root = maps.build(pages, ((name.encode(), content) for name in names("a", n)))
        with parts.store.transaction(durable=True):
            commit(parts, [Draft("a", "main", None, root, n, n, "put")], parts.new_id())
        job = parts.store.load(Job, "active_jobs")[-1]
        run = parts.store.load(Run, "run", id=job.run)[0]
        started = time.perf_counter()
        fact = expand(parts, run, job, Exchange(parts), 1)
        seconds = time.perf_counter() - started
        assert isinstance(fact, Expanded)
        found = fact.stored + len(fact.tasks)
    stored = sum(path.stat().st_size for path in (top / ".penstock").glob("state.db*"))
    return {"bindings": found, "seconds": seconds, "bytes_per_task": stored / n}


PARTS: dict[str, Callable[[int, Path], dict[str, float]]] = {
    "cross": lambda n, top: over_trees("cross", SIDE, top),
    "product": lambda n, top: product_of_lists(SIDE),
    "join": lambda n, top: over_trees("join", JOINED, top),
    "dicts": lambda n, top: join_of_dicts(JOINED),
    "group": lambda n, top: over_trees("group", JOINED, top),
    "expand": first_expansion,
}


def main() -> None:
    """Measures and prints one line."""
    if sys.argv[1:2] == ["--part"]:
        figures = PARTS[sys.argv[2]](int(sys.argv[3]), Path(sys.argv[4]))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps({**figures, "peak_mb": round(peak / 1e6, 1)}))
        return
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--n", type=int, default=1_000_000, help="files of the first expansion (default 1,000,000)")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything runs (default 3)")
    options = parser.parse_args()
    with common.scratch() as top:
        fresh = (top / str(number) for number in itertools.count())

        def part(name: str) -> Callable[[], common.Measured]:
            return lambda: common.measure(
                [sys.executable, Path(__file__), "--part", name, str(options.n), next(fresh)], top
            )

        results = common.rounds(options.rounds, {name: part(name) for name in PARTS})
    best: dict[str, dict[str, float]] = {}
    for name, taken in results.items():
        said = sorted((json.loads(one.out) for one in taken), key=lambda one: one["seconds"])
        best[name] = {key: round(value, 4) for key, value in said[len(said) // 2].items()}
        best[name]["per_s"] = round(best[name]["bindings"] / best[name]["seconds"])
    common.emit(
        "algebra",
        {
            "a cross at 300,000 bindings/s": best["cross"]["per_s"] >= 300_000,
            "a first expansion in 300 MB": best["expand"]["peak_mb"] < 300,
            "500 bytes a task": best["expand"]["bytes_per_task"] < 500,
        },
        n=options.n,
        rounds=options.rounds,
        **best,
    )


if __name__ == "__main__":
    main()
