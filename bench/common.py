"""What the benchmarks share: peers in environments of their own, whole processes timed, rounds interleaved.

Every figure is a ratio with both sides measured in one run: in each round every contestant runs once, one after the
other, so that a slow minute of the machine hits all of them alike. A time is the median over the rounds; a ratio is
the median of the rounds' own ratios. Penstock is driven through its public command line alone.

Peers and scratch projects live below `.bench/` (or BENCH_DIR), never in a folder that is committed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("BENCH_DIR", HERE.parent / ".bench")).resolve()

#: What users would otherwise pick; exact versions, so that ratios can be compared over time.
PEERS = {
    "ninja": "ninja==1.13.2",
    "hyperqueue": "hyperqueue==0.27.0",
    "dvc": "dvc==3.67.1",
    "parsl": "parsl==2026.10.26",
    "dask": "distributed==2026.8.0",
}

CORES = len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Measured:
    """One whole process, from start to exit."""

    wall: float  #: seconds
    peak: int  #: bytes resident at most, of the process or the largest child it waited for
    out: str  #: what it said on stdout


def measure(command: Sequence[str | Path], cwd: Path, env: Mapping[str, str] | None = None) -> Measured:
    """Runs a command to its end. Raises SystemExit with what it said when its exit code is not 0.

    The peak is the kernel's own account. It starts from the size of the process that forked, so nothing below this
    script's own size (about 20 MB) can be seen.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.perf_counter()
        child = subprocess.Popen(
            command, cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL, stdout=out, stderr=err
        )
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        said = out.read().decode(errors="replace")
        if child.returncode != 0:
            talk = (said + err.read().decode(errors="replace"))[-2000:]
            raise SystemExit(f"{' '.join(map(str, command))}: exit code {child.returncode}\n{talk}")
    return Measured(wall, usage.ru_maxrss * 1024, said)


def rounds(count: int, contestants: Mapping[str, Callable[[], Measured]]) -> dict[str, list[Measured]]:
    """Lets every contestant run once per round, in turn."""
    results: dict[str, list[Measured]] = {name: [] for name in contestants}
    for number in range(count):
        for name, contestant in contestants.items():
            results[name].append(contestant())
            print(f"round {number + 1}/{count} {name} {results[name][-1].wall:.3f} s", file=sys.stderr)
    return results


def wall(results: Sequence[Measured]) -> float:
    """Median seconds."""
    return round(statistics.median(result.wall for result in results), 4)


def peak_mb(results: Sequence[Measured]) -> float:
    """Median of the peaks in MB (10**6 bytes)."""
    return round(statistics.median(result.peak for result in results) / 1e6, 1)


def ratio(above: Sequence[Measured], below: Sequence[Measured]) -> float:
    """How many times longer `above` took: the median of the ratios inside each round."""
    return round(statistics.median(a.wall / b.wall for a, b in zip(above, below, strict=True)), 3)


def emit(bench: str, reached: Mapping[str, bool], **figures: Any) -> None:
    """Prints the one JSON line of a benchmark. `reached` says for each aim whether it was met."""
    line = {
        "bench": bench,
        **figures,
        "cores": CORES,
        "python_version": sys.version.split()[0],
        "reached": dict(reached),
    }
    print(json.dumps(line), flush=True)


def options(description: str | None, n: int) -> argparse.Namespace:
    """The options of every benchmark: --n, --rounds, --penstock."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--n", type=int, default=n, help=f"tasks or files (default {n})")
    parser.add_argument("--rounds", type=int, default=5, help="how often everything runs (default 5)")
    beside = Path(sys.executable).parent / "penstock"
    parser.add_argument("--penstock", type=Path, default=beside, help="the program (default: beside this Python)")
    chosen = parser.parse_args()
    if not chosen.penstock.exists():
        parser.error(f"{chosen.penstock} is missing; make bench installs it, or name another with --penstock")
    chosen.penstock = chosen.penstock.absolute()
    return chosen


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A fresh directory on the disk that holds the cache, removed at the end."""
    CACHE.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(dir=CACHE))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def peer(name: str, program: str) -> Path:
    """A program of a peer, from PyPI, in an environment of its own that is made at first need."""
    home = CACHE / "peers" / PEERS[name]
    if not (home / "made").exists():
        print(f"installing {PEERS[name]} into {home}", file=sys.stderr)
        shutil.rmtree(home, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        subprocess.run([home / "bin/python", "-m", "pip", "install", "--quiet", PEERS[name]], check=True)
        (home / "made").touch()
    return home / "bin" / program


def spawner() -> Path:
    """The compiled `spawn.c`."""
    source, program = HERE / "spawn.c", CACHE / "spawn"
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise SystemExit("the limit is a C program and there is no compiler; on Debian: apt install gcc libc6-dev")
    CACHE.mkdir(parents=True, exist_ok=True)
    subprocess.run([compiler, "-O2", "-o", program, source], check=True)
    return program


def project(penstock: Path, directory: Path, pipeline: str) -> Path:
    """A new project with one pipeline file."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "pipeline.yaml").write_text(pipeline)
    measure([penstock, "init", "."], directory)
    return directory


def run(penstock: Path, directory: Path, processed: int) -> Measured:
    """`penstock run`, having checked that exactly so many tasks were really processed and all went well."""
    done = measure([penstock, "run", "--json"], directory)
    answer = json.loads(done.out)
    seen = sum(job["tasks"]["processed"] for job in answer["jobs"])
    if answer["state"] != "success" or seen != processed:
        raise SystemExit(f"penstock run: {answer['state']}, {seen} tasks processed, expected {processed}")
    return done
