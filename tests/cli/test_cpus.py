"""`-j N`: work on this machine has at most so many of its processors."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.service.driving.local import this_machine

Penstock = Callable[..., Any]

#: Each task says so if another one runs beside it.
PIPELINE = """
steps:
  alone: {each: {n: "1..4"}, run: "mkdir busy || touch beside; sleep 0.2; rmdir busy; true"}
"""


@pytest.fixture
def lone(penstock: Penstock, tmp_path: Path) -> Penstock:
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    assert penstock("init").code == 0
    return penstock


@pytest.mark.parametrize("words", ["run -j 1", "run -j1", "run --cpus 1"])
def test_tasks_run_one_by_one(lone: Penstock, tmp_path: Path, words: str) -> None:
    assert lone(*words.split()).code == 0
    assert not (tmp_path / "beside").exists()


def test_an_engine_in_the_background_keeps_to_it(lone: Penstock, tmp_path: Path) -> None:
    assert lone("run", "--detach", "-j", "1").code == 0
    followed = lone("wait", "-j", "1")
    assert followed.code == 0 and not (tmp_path / "beside").exists()


def test_restart_and_torc_keep_to_it(lone: Penstock, tmp_path: Path) -> None:
    assert lone("run", "-j", "1").code == 0
    (tmp_path / "pipeline.yaml").write_text(PIPELINE.replace("0.2", "0.1"))
    assert lone("restart", "-j", "1").code == 0
    assert lone("torc", "workflows", "reset-status", "-r").code == 0
    assert lone("torc", "jobs", "run", "-c", "1").code == 0
    assert not (tmp_path / "beside").exists()


def test_it_is_a_bound(lone: Penstock) -> None:
    there = len(os.sched_getaffinity(0))
    assert [this_machine(most=most).cpus for most in (1, 10**6, None)] == [1, there, there]
    for wrong in ("0", "-1", "x"):
        assert lone("run", "-j", wrong).code == 2
    said = lone("run", "--cores", "2")
    assert said.code == 2 and "`-j N`" in said.err


def test_what_needs_more_is_told(lone: Penstock, tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").write_text('steps: {wide: {run: "true", resources: {cpus: 2}}}')
    said = lone("run", "-j", "1")
    assert said.code == 1 and "2 CPUs" in said.err
