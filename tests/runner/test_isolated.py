"""Processes of ours find our modules wherever they are installed, and never a file of a project."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.runner import isolated
from penstock.runner.isolated import python, search_path

HOME = str(Path(isolated.__file__).parents[2])
STANDARD = os.path.dirname(os.__file__)


def test_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    site, above, below = f"{sys.prefix}/lib/site-packages", str(tmp_path.parent), f"{tmp_path}/lib"
    entries = ["", str(tmp_path), ".", "lib", above, "/apps/module", STANDARD, f"{STANDARD}/lib-dynload", site, HOME]
    told = search_path(entries)
    assert told == [STANDARD, f"{STANDARD}/lib-dynload", HOME, "/apps/module", site, below, above]
    assert search_path(told) == told


def test_our_own_home_counts_wherever_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HOME)
    assert search_path(["", STANDARD]) == [STANDARD, HOME]


def test_without_a_current_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert search_path(["", "lib", STANDARD]) == [STANDARD, HOME]


def run(command: tuple[str, ...], place: Path, **env: str) -> str:
    done = subprocess.run(
        command, cwd=place, env={"PATH": os.environ["PATH"], **env}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_no_file_stands_in_for_a_module(tmp_path: Path) -> None:
    for name in ("json", "signal", "runpy", "click", "msgspec", "sitecustomize", "penstock"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(9)")
    assert run(python("penstock", "--version"), tmp_path, PYTHONPATH=str(tmp_path)).startswith("penstock ")


def test_the_environment_is_handed_on_as_it_was(tmp_path: Path) -> None:
    """Python itself adds LC_CTYPE where the locale is C."""
    (tmp_path / "tell.py").write_text("import os, subprocess\nsubprocess.run(['env'], check=True)\n")
    command = [*isolated.interpreter(), "tell"]
    command[3] = f"{command[3]}{os.pathsep}{tmp_path}"
    told = run(tuple(command), tmp_path, PYTHONPATH="/some/where", PYTHONWARNINGS="default")
    names = {line.partition("=")[0] for line in told.splitlines()} - {"PWD", "SHLVL", "_"}
    assert names == {"PATH", "PYTHONPATH", "PYTHONWARNINGS"}
