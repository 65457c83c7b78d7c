"""(e) Building a tree of N sorted entries, diffing two that differ in 10 paths; (f) what 100 commits add to a store.

(e) goes through the library, in one process: beside it a sketch of what no tree can do without, and nothing else, which
sorts a dict, hashes every key, encodes runs of 64 entries and hashes those. Pages go to memory on both sides. (f) goes
through the command line: a repo of N / 10 files, then commits that change one of them; each part of the store
is weighed, so that the growth of one commit is seen.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

import common
import msgspec
from blake3 import blake3

from penstock.model.data import Entry
from penstock.objects import map as maps
from penstock.objects import tree

#: Bytes of each file in (f).
SIZE = 1024
COMMITS = 100


class Shelf:
    """A page port in memory that counts what is read."""

    def __init__(self) -> None:
        self.pages: dict[bytes, bytes] = {}
        self.read: set[bytes] = set()

    def get(self, page: bytes, /) -> bytes:
        self.read.add(page)
        return self.pages[page]

    def put(self, data: bytes, /) -> bytes:
        name = b"\x1e" + blake3(data).digest()
        self.pages[name] = data
        return name


def entries(n: int) -> dict[bytes, bytes]:
    """Sorted paths of plain files."""
    ids = random.Random(20)
    return {
        f"dir-{i // 1000:04}/file-{i:07}.dat".encode(): tree.encode(Entry((b"\x1e" + ids.randbytes(32),), SIZE))
        for i in range(n)
    }


def sketch(content: dict[bytes, bytes]) -> int:
    """Sort, hash each key, encode and hash 64 at a time: the least any tree of such pages costs. How many pages."""
    keys = sorted(content)
    begins = sum(not blake2b(key).digest()[0] & 63 for key in keys)
    pages: dict[bytes, bytes] = {}
    encode = msgspec.msgpack.Encoder().encode
    for start in range(0, len(keys), 64):
        some = keys[start : start + 64]
        page = encode((0, some, [content[key] for key in some]))
        pages[blake3(page).digest()] = page
    return len(pages) if begins else 0


def timed(work: Callable[[], object]) -> float:
    """Seconds."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def in_memory(n: int, rounds: int) -> None:
    """(e)"""
    content = entries(n)
    chance = random.Random(7)
    builds, sketches, diffs, read = [], [], [], []
    for number in range(rounds):
        shelf = Shelf()
        sketches.append(timed(lambda: sketch(content)))
        started = time.perf_counter()
        root = maps.build(shelf, content.items())
        builds.append(time.perf_counter() - started)
        paths = chance.sample(list(content), 10)
        other = maps.edit(shelf, root, [(path, tree.encode(Entry(size=number))) for path in paths])
        shelf.read.clear()
        started = time.perf_counter()
        found = list(maps.diff(shelf, root, other))
        diffs.append(time.perf_counter() - started)
        read.append(len(shelf.read))
        assert sorted(path for path, _, _ in found) == sorted(paths)
    build, diff = statistics.median(builds), statistics.median(diffs)
    common.emit(
        "trees",
        {"build under 1.5 s": build < 1.5, "diff under 10 ms": diff < 0.01},
        n=n,
        rounds=rounds,
        build={"wall_s": round(build, 3)},
        sketch={"wall_s": round(statistics.median(sketches), 3)},
        of_sketch=round(statistics.median(a / b for a, b in zip(builds, sketches)), 2),
        diff={"wall_ms": round(diff * 1000, 3), "pages_read": statistics.median(read), "pages": len(shelf.pages)},
    )


def weigh(project: Path) -> dict[str, int]:
    """Bytes of each part of the store; blobs are content as it was put, all else is counted where it lies."""
    store = project / ".penstock"
    whole = sum(path.stat().st_size for path in (store / "objects/packs").rglob("*.pack"))
    return {
        "packs": whole,
        "index": (store / "objects/index.db").stat().st_size,
        "database": (store / "state.db").stat().st_size,
    }


def make_files(directory: Path, n: int) -> None:
    """N different files that nothing can compress, 1,000 in a directory."""
    chance = random.Random(20)
    for i in range(n):
        if i % 1000 == 0:
            (directory / f"dir-{i // 1000:04}").mkdir(parents=True)
        (directory / f"dir-{i // 1000:04}/file-{i:07}.dat").write_bytes(chance.randbytes(SIZE))


def on_disk(penstock: Path, n: int) -> None:
    """(f)"""
    chance = random.Random(7)
    with common.scratch() as top:
        make_files(top / "files", n)
        common.measure([penstock, "init", "."], top)
        common.measure([penstock, "put", "data", "files/"], top)
        first = weigh(top)
        metadata = sum(first.values()) - n * SIZE
        walls = []
        for _ in range(COMMITS):
            i = chance.randrange(n)
            path = f"dir-{i // 1000:04}/file-{i:07}.dat"
            (top / "files" / path).write_bytes(chance.randbytes(SIZE))
            walls.append(common.measure([penstock, "put", f"data:/{path}", f"files/{path}"], top))
        last = weigh(top)
    allowed = metadata + COMMITS * SIZE
    stored = sum(last.values()) - n * SIZE
    common.emit(
        "growth",
        {"under 1.2 times the first metadata and the new content": stored < 1.2 * allowed},
        n=n,
        commits=COMMITS,
        first_metadata_bytes=metadata,
        first={name: size - (n * SIZE if name == "packs" else 0) for name, size in first.items()},
        per_commit_bytes={name: round((last[name] - first[name]) / COMMITS) for name in first},
        content_per_commit_bytes=SIZE,
        of_allowed=round(stored / allowed, 3),
        commit={"wall_s": common.wall(walls)},
    )


def main() -> None:
    """Measures and prints two lines, (e) and (f); --n is for (e), a tenth of it for (f)."""
    options = common.options(__doc__, n=1_000_000)
    in_memory(options.n, options.rounds)
    on_disk(options.penstock, options.n // 10)


if __name__ == "__main__":
    main()
