"""Files into a repo and out of it, beside the plainest loops (`bare.py`), cp, and git, borg, restic and DVC.

(a) many small files into a new repo; (b) two files of 1 GiB; (c) one changed file in a linked directory; (d) checkout
of both; (g) memory for a million files; (r) checkout by reflink, for which BENCH_DIR must lie on XFS or Btrfs. Peers
that are not installed are left out.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import common
from common import Measured, measure

BARE: list[str | Path] = [sys.executable, str(Path(__file__).parent / "bare.py")]
GIB = 1 << 30
Command = Sequence[str | Path]
Contestants = dict[str, Callable[[], Measured]]


def make_small(directory: Path, n: int, size: int) -> Path:
    """N different files, a thousand to a directory."""
    chance = random.Random(n)
    for i in range(n):
        if i % 1000 == 0:
            (directory / f"{i // 1000:04}").mkdir(parents=True)
        (directory / f"{i // 1000:04}/{i:07}.bin").write_bytes(chance.randbytes(size))
    os.sync()
    return directory


def make_large(directory: Path) -> Path:
    """Two files of 1 GiB."""
    directory.mkdir(parents=True)
    for name in ("one", "two"):
        with open(directory / name, "wb") as file:
            for _ in range(64):
                file.write(os.urandom(GIB // 64))
    os.sync()
    return directory


def fresh(place: Path) -> Path:
    """A place where nothing is, with nothing left to be written by the kernel."""
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    os.sync()
    return place


def project(penstock: Path, place: Path) -> Path:
    """A new project without a pipeline."""
    fresh(place).mkdir()
    measure([penstock, "init", "."], place)
    return place


# Peers, each into a new store of its own.


def git(source: Path, place: Path) -> Measured:
    """`git add` and `git commit`."""
    at = ["git", f"--git-dir={fresh(place)}", f"--work-tree={source}", "-c", "user.name=a", "-c", "user.email=a@b"]
    measure([*at, "init", "--quiet"], source)
    added = measure([*at, "add", "--all"], source)
    kept = measure([*at, "commit", "--quiet", "--message=all"], source)
    return Measured(added.wall + kept.wall, max(added.peak, kept.peak), "")


def borg(source: Path, place: Path) -> Measured:
    """`borg create`, without encryption."""
    env = {"BORG_BASE_DIR": str(place.with_name("borg-home")), "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}
    measure(["borg", "init", "--encryption=none", fresh(place)], source, env)
    return measure(["borg", "create", f"{place}::all", "."], source, env)


def restic(source: Path, place: Path) -> Measured:
    """`restic backup`."""
    env = {"RESTIC_PASSWORD": "x", "RESTIC_CACHE_DIR": str(fresh(place.with_name("restic-cache")))}
    measure(["restic", "init", "--quiet", "--repo", fresh(place)], source, env)
    return measure(["restic", "backup", "--quiet", "--repo", place, "."], source, env)


def dvc(source: Path, place: Path) -> Measured:
    """`dvc add` of a copy; the copying does not count."""
    program = common.peer("dvc", "dvc")
    home = fresh(place) / "home"
    home.mkdir(parents=True)
    shutil.copytree(source, place / "data")
    os.sync()
    env = {"HOME": str(home), "DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(home), "DO_NOT_TRACK": "1"}
    measure([program, "init", "--quiet", "--no-scm"], place, env)
    return measure([program, "add", "--quiet", "data"], place, env)


def peers(source: Path, top: Path) -> Contestants:
    """Those that are installed."""
    known = {"git": git, "borg": borg, "restic": restic}
    missing = [name for name in known if shutil.which(name) is None]
    if missing:
        print(f"left out: {', '.join(missing)}; on Debian: apt install git borgbackup restic", file=sys.stderr)
    there = {name: known[name] for name in known if name not in missing} | {"dvc": dvc}
    return {name: partial(run, source, top / name) for name, run in there.items()}


# The rows.


def row_a(options: argparse.Namespace, top: Path) -> None:
    """Many small files."""
    for n, size in ((10_000, 4096), (100_000, 1024)):
        source = make_small(top / f"small-{n}", n, size)
        command = [options.penstock, "put", "data", f"{source}/"]

        def ours(command: Command = command) -> Measured:
            return measure(command, project(options.penstock, top / "ours"))

        def again(command: Command = command) -> Measured:
            return measure(command, top / "ours")

        def bare(source: Path = source) -> Measured:
            fresh(top / "bare").mkdir()
            return measure([*BARE, "pack", source, top / "bare/x"], top)

        others = {} if options.alone else peers(source, top)
        results = common.rounds(options.rounds, {"penstock": ours, "again": again, "bare": bare, **others})
        reached = {"at most 1.6 times the bare loop": common.ratio(results["penstock"], results["bare"]) <= 1.6}
        if others:
            best = min(common.wall(results[name]) for name in others)
            reached["twice as fast as the best peer"] = best / common.wall(results["penstock"]) >= 2
        emit("put_small", reached, results, n=n)


def row_b(options: argparse.Namespace, top: Path) -> None:
    """Two large files, beside `cp`, `sync -f` and hashing them."""
    source = make_large(top / "large")

    def ours() -> Measured:
        where = project(options.penstock, top / "ours")
        return measure([options.penstock, "put", "data", f"{source}/"], where)

    def plain() -> Measured:
        place = fresh(top / "plain")
        script = 'cp -r "$1" "$2" && sync -f "$2" && shift 2 && exec "$@"'
        return measure(["sh", "-c", script, "sh", source, place, *BARE, "digest", place / "one", place / "two"], top)

    results = common.rounds(options.rounds, {"penstock": ours, "plain": plain})
    emit("put_large", {"at most 1.3 times": common.ratio(results["penstock"], results["plain"]) <= 1.3}, results)


#: Prints the seconds that a commit of a linked directory takes when the walk is done.
PROBE = """
import time
from penstock.model.ids import parse_reference
from penstock.service.data import commits
from penstock.service.opening import freeze
from penstock.service.project import Project
walk, spent = freeze.scan, []
def timed(*given):
    started = time.perf_counter()
    found = walk(*given)
    spent.append(time.perf_counter() - started)
    return found
freeze.scan = timed
with Project.open() as project:
    project.parts.objects
    started = time.perf_counter()
    commits.create(project.parts, parse_reference("data"))
    print(time.perf_counter() - started - spent[0])
"""


def row_c(options: argparse.Namespace, top: Path) -> None:
    """One changed file in a linked directory of 100,000 and of 1,000."""
    python = str(options.penstock.parent / "python")
    contestants: Contestants = {}
    for n in (100_000, 1_000):
        where = project(options.penstock, top / f"linked-{n}")
        make_small(where / "files", n, 1024)
        measure([options.penstock, "repo", "create", "data", "--path", "files"], where)
        measure([options.penstock, "commit", "create", "data"], where)

        def changed(command: Command, where: Path, n: int) -> Measured:
            i = int.from_bytes(os.urandom(4)) % n
            (where / f"files/{i // 1000:04}/{i:07}.bin").write_bytes(os.urandom(1024))
            return measure(command, where)

        whole = [options.penstock, "commit", "create", "data"]
        contestants[f"command_{n}"] = partial(changed, whole, where, n)
        contestants[f"commit_{n}"] = partial(changed, [python, "-c", PROBE], where, n)
    contestants["walk"] = lambda: measure([*BARE, "walk", top / "linked-100000/files"], top)
    results = common.rounds(options.rounds, contestants)
    inner = {n: statistics.median(float(r.out) for r in results.pop(f"commit_{n}")) for n in (100_000, 1_000)}
    emit(
        "commit_one_changed",
        {
            "under 20 ms": max(inner.values()) < 0.02,
            "at most twice that of 1,000 files": inner[100_000] / inner[1_000] <= 2,
            "command at most 2.5 times a walk": common.ratio(results["command_100000"], results["walk"]) <= 2.5,
        },
        results,
        ours="command_100000",
        commit_s={str(n): round(seconds, 4) for n, seconds in inner.items()},
    )


def row_d(options: argparse.Namespace, top: Path) -> None:
    """Checkouts, beside `cp -r`."""
    small, large = make_small(top / "small", 100_000, 1024), make_large(top / "large")
    where = project(options.penstock, top / "ours")
    measure([options.penstock, "put", "small", f"{small}/"], where)
    measure([options.penstock, "put", "large", f"{large}/"], where)

    def get(name: str, *more: str) -> Measured:
        return measure([options.penstock, "get", name, fresh(top / "out"), *more], where)

    def cp(source: Path) -> Measured:
        return measure(["cp", "-r", "--reflink=never", source, fresh(top / "out")], top)

    results = common.rounds(options.rounds, {"penstock": lambda: get("small"), "cp": lambda: cp(small)})
    emit("get_small", {"at most 1.5 times cp": common.ratio(results["penstock"], results["cp"]) <= 1.5}, results)
    contestants: Contestants = {"penstock": lambda: get("large"), "link": lambda: get("large", "--link")}
    results = common.rounds(options.rounds, {**contestants, "cp": lambda: cp(large)})
    emit("get_large", {"by link under 0.2 of cp": common.ratio(results["link"], results["cp"]) < 0.2}, results, "link")


def row_r(options: argparse.Namespace, top: Path) -> None:
    """Checkout of large files by reflink; the scratch directory must be on a file system that has them."""
    source = make_large(top / "large")
    where = project(options.penstock, top / "ours")
    measure([options.penstock, "put", "large", f"{source}/"], where)
    results = common.rounds(
        options.rounds,
        {
            "penstock": lambda: measure([options.penstock, "get", "large", fresh(top / "out")], where),
            "cp": lambda: measure(["cp", "-r", "--reflink=never", source, fresh(top / "copy")], top),
        },
    )
    emit("get_reflink", {"under 0.2 of cp": common.ratio(results["penstock"], results["cp"]) < 0.2}, results)


def row_g(options: argparse.Namespace, top: Path) -> None:
    """Memory for a million files, in one round."""
    source = make_small(top / "million", 1_000_000, 100)
    where = project(options.penstock, top / "ours")
    command = [options.penstock, "put", "data", f"{source}/"]
    results = common.rounds(1, {"penstock": lambda: measure(command, where), "again": lambda: measure(command, where)})
    peak = max(common.peak_mb(measured) for measured in results.values())
    emit("put_million", {"under 300 MB": peak < 300}, results)


def emit(
    bench: str, reached: dict[str, bool], results: dict[str, list[Measured]], ours: str = "penstock", **more: Any
) -> None:
    """One line: median seconds and peaks of all, and how many times longer than each other contestant we took."""
    figures = {name: {"wall_s": common.wall(r), "peak_mb": common.peak_mb(r)} for name, r in results.items()}
    ratios = {f"of_{name}": common.ratio(results[ours], r) for name, r in results.items() if name != ours}
    common.emit(bench, reached, **more, rounds=len(results[ours]), **figures, **ratios)


ROWS = {"a": row_a, "b": row_b, "c": row_c, "d": row_d, "g": row_g, "r": row_r}


def main() -> None:
    """Measures the chosen rows, one line or two each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", default="abcdg", help="which of a, b, c, d, g and r, for example bc (default abcdg)")
    parser.add_argument("--rounds", type=int, default=5, help="how often everything runs (default 5)")
    parser.add_argument("--alone", action="store_true", help="without git, borg, restic and DVC")
    parser.add_argument("--penstock", type=Path, default=Path(sys.executable).parent / "penstock", help="the program")
    options = parser.parse_args()
    options.penstock = options.penstock.absolute()
    for name in options.rows:
        with common.scratch() as top:
            ROWS[name](options, top)


if __name__ == "__main__":
    main()
