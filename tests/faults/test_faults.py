"""A disk that is full or broken at any one of the calls by which a command writes: refused, nothing damaged.

A small library is preloaded into `penstock`; it makes the Nth call that writes below the project fail. The normal run
tries points spread evenly over each command, `make storm` every one.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from penstock import Project
from penstock.service.answers.fsck import fsck

COMPILER = shutil.which("cc") or shutil.which("gcc")
pytestmark = pytest.mark.skipif(COMPILER is None or sys.platform != "linux", reason="needs a C compiler and Linux")

NEW = {"new.txt": b"new\n", "large.bin": b"0123456789" * 20_000}
OLD = {"old.txt": b"old\n", "gone.txt": b"g\n"}

Penstock = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert COMPILER is not None
    made = tmp_path_factory.mktemp("faults") / "faults.so"
    source = Path(__file__).with_name("faults.c")
    subprocess.run([COMPILER, "-shared", "-fPIC", "-O1", "-o", made, source, "-ldl"], check=True)
    return made


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one commit, garbage, and files to put beside it."""
    where = tmp_path_factory.mktemp("template")
    for name, files in (("old", OLD), ("new", NEW)):
        (where / name).mkdir()
        for path, content in files.items():
            (where / name / path).write_bytes(content)
    with Project.create(where / "lab") as project:
        project.put("docs", f"{where}/old/")
        project.put("dropped", f"{where}/new/")
    return where


def content(lab: Path) -> dict[str, bytes]:
    with Project.open(lab) as project:
        return {found.path: project.read(f"docs:/{found.path}") for found in project.ls("docs", recursive=True)}


def damage(lab: Path) -> list[str]:
    with Project.open(lab) as project:
        return list(fsck(project.parts, data=True))


def run(lab: Path, *words: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "penstock", *map(str, words)],
        cwd=lab,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


PUT = ["put", "--mirror", "docs", "../new/"]
COMMANDS: dict[str, list[list[str]]] = {
    "put": [PUT],
    "open commit": [["commit", "start", "docs"], PUT, ["commit", "finish", "docs"]],
    "gc": [["repo", "delete", "dropped"], ["gc", "--now"], PUT],
}


#: How many calls of each command fail in a normal run, spread evenly from the first to the last.
FEW = 6

SCENARIOS = pytest.mark.parametrize("scenario", COMMANDS)
NUMBERS = pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO], ids=["full", "broken"])


@NUMBERS
@SCENARIOS
def test_a_disk_that_fails(scenario: str, number: int, library: Path, template: Path, tmp_path: Path) -> None:
    for place, count in enumerate(counts(scenario, library, template, tmp_path)):
        for point in sorted({1 + at * (count - 1) // (FEW - 1) for at in range(FEW)}):
            fail_once(tmp_path / f"{place}-{point}", COMMANDS[scenario], place, point, number, library, template)


@pytest.mark.storm
@NUMBERS
@SCENARIOS
def test_every_call_fails_once(scenario: str, number: int, library: Path, template: Path, tmp_path: Path) -> None:
    for place, count in enumerate(counts(scenario, library, template, tmp_path)):
        for point in range(1, count + 1):
            fail_once(tmp_path / f"{place}-{point}", COMMANDS[scenario], place, point, number, library, template)


def counts(scenario: str, library: Path, template: Path, tmp_path: Path) -> list[int]:
    """How many calls each command of a scenario makes below the project."""
    shutil.copytree(template, tmp_path / "counted")
    lab, counter, found = tmp_path / "counted" / "lab", tmp_path / "count", []
    for command in COMMANDS[scenario]:
        env = {"LD_PRELOAD": str(library), "FAULT_ROOT": str(lab), "FAULT_COUNT": str(counter)}
        clean = run(lab, *command, **env)
        assert clean.returncode == 0, clean.stderr
        found.append(int(counter.read_text()))
    assert min(found) > 0
    return found


def fail_once(
    where: Path, commands: list[list[str]], place: int, point: int, number: int, library: Path, template: Path
) -> None:
    shutil.copytree(template, where)
    lab = where / "lab"
    for before in commands[:place]:
        assert run(lab, *before).returncode == 0
    env = {"LD_PRELOAD": str(library), "FAULT_ROOT": str(lab), "FAULT_AT": str(point), "FAULT_ERRNO": str(number)}
    was = content(lab)
    failed = run(lab, *commands[place], **env)
    told = f"{commands[place]} with call {point} failing: {failed.returncode} {failed.stderr}"
    assert "Traceback" not in failed.stderr, told
    assert failed.returncode in (0, 1, 3), told
    assert bool(failed.returncode) == bool(
        [line for line in failed.stderr.splitlines() if line.startswith("penstock:")]
    ), told
    assert damage(lab) == [], told
    now = content(lab)
    assert now == NEW if failed.returncode == 0 and commands[place] == PUT and place != 1 else now in (was, NEW), told
    # With room again, everything works: what was refused is repeated, and the rest follows.
    for again in commands[place if failed.returncode else place + 1 :]:
        done = run(lab, *again)
        assert done.returncode == 0, f"{told}\nthen {again}: {done.stderr}"
    assert content(lab) == NEW, told
    assert damage(lab) == [], told
    shutil.rmtree(where)
