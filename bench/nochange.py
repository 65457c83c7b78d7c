"""(b) Nothing changed in N files of one task each, beside `dvc repro` and ninja; (c) one file changed.

Every file of 1 KiB is copied by one `sh -c cp`, as ninja does it; DVC has one stage over the folder, which is what it
can do for that many files (a stage per file costs it 19 ms each), and above 20,000 files DVC is left out. The first
full build is not part of any figure.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import common

DVC_AT_MOST = 20_000

PIPELINE = """\
repos:
  data: {path: files}
steps:
  copy:
    input: data:/*
    run: [sh, -c, 'cp "$PENSTOCK_IN"/data/* "$PENSTOCK_OUT"']
"""
NINJA = "rule cp\n  command = cp $in $out\n"
DVC = "stages:\n  copy:\n    cmd: rm -rf out && cp -r files out\n    deps: [files]\n    outs: [out]\n"


def make_files(directory: Path, n: int) -> None:
    """N different files of 1 KiB in `directory/files`, the same in every project."""
    chance = random.Random(20)
    (directory / "files").mkdir(parents=True)
    for i in range(n):
        (directory / "files" / f"{i:06}").write_bytes(chance.randbytes(1024))


def change_one(directory: Path, n: int) -> None:
    """New bytes of the same length in one file, another one each time."""
    (directory / "files" / f"{int.from_bytes(os.urandom(4)) % n:06}").write_bytes(os.urandom(1024))


def ninja_project(directory: Path, n: int) -> Callable[[], common.Measured]:
    """Built once; returns the command that looks again."""
    program = common.peer("ninja", "ninja")
    make_files(directory, n)
    rules = "".join(f"build out/{i:06}: cp files/{i:06}\n" for i in range(n))
    (directory / "build.ninja").write_text(NINJA + rules)

    def again() -> common.Measured:
        return common.measure([program, f"-j{common.CORES}", "--quiet"], directory)

    again()
    return again


def dvc_project(directory: Path, n: int) -> Callable[[], common.Measured]:
    """Built once, without git; returns the command that looks again."""
    program = common.peer("dvc", "dvc")
    make_files(directory, n)
    (directory / "dvc.yaml").write_text(DVC)
    home = directory / "home"
    env = {"HOME": str(home), "DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(home), "DO_NOT_TRACK": "1"}
    common.measure([program, "init", "--quiet", "--no-scm"], directory, env)

    def again() -> common.Measured:
        return common.measure([program, "repro", "--quiet"], directory, env)

    again()
    return again


def main() -> None:
    """Measures and prints two lines, (b) and (c)."""
    options = common.options(__doc__, n=10_000)
    n = options.n
    with common.scratch() as top:
        ours = top / "penstock"
        make_files(ours, n)
        common.project(options.penstock, ours, PIPELINE)
        common.run(options.penstock, ours, processed=n)

        def one_changed() -> common.Measured:
            change_one(ours, n)
            return common.run(options.penstock, ours, processed=1)

        peers = {"ninja": ninja_project(top / "ninja", n)}
        if n <= DVC_AT_MOST:
            peers["dvc"] = dvc_project(top / "dvc", n)
        contestants = {"penstock": lambda: common.run(options.penstock, ours, processed=0), **peers}
        results = common.rounds(options.rounds, {**contestants, "one_changed": one_changed})

    same, changed = results.pop("penstock"), results.pop("one_changed")
    reached = {}
    if "dvc" in results:
        reached["6 times faster than dvc"] = common.ratio(results["dvc"], same) >= 6
    if n == 10_000:
        reached["under 0.25 s"] = common.wall(same) < 0.25
    if n >= 100_000:
        reached["at most 2 times ninja"] = common.ratio(same, results["ninja"]) <= 2
    common.emit(
        "nochange",
        reached,
        n=n,
        rounds=options.rounds,
        penstock={"wall_s": common.wall(same), "peak_mb": common.peak_mb(same)},
        **{name: {"wall_s": common.wall(theirs)} for name, theirs in results.items()},
        **{f"times_{name}": common.ratio(theirs, same) for name, theirs in results.items()},
    )
    more = common.ratio(changed, same)
    common.emit(
        "onechanged",
        {"under 1.5 times nothing changed": more < 1.5},
        n=n,
        rounds=options.rounds,
        penstock={"wall_s": common.wall(changed), "peak_mb": common.peak_mb(changed)},
        nochange={"wall_s": common.wall(same)},
        of_nochange=more,
    )


if __name__ == "__main__":
    main()
