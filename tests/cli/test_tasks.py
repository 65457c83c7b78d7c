"""Engines that stay, single tasks, waves, verification and what was made of a file: as people see them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Penstock = Callable[..., Any]


@pytest.fixture(autouse=True)
def found(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a background engine imports is what the tests import."""
    import sys

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))


def test_left_to_the_background(penstock: Penstock, letters: Path) -> None:
    left = penstock("run", "--detach")
    run = left.out.strip()
    assert left.code == 0 and len(run) == 32
    assert "its log is " in left.err and left.err.startswith("engine is ")
    waited = penstock("wait", run, "--json")
    assert waited.json["state"] == "success"
    assert penstock("cat", "all:/all").out == "ONE\nTWO\n!"
    again = penstock("run", "--detach", "--json").json
    assert set(again) == {"run", "engine"}
    assert penstock("wait", again["run"]).code == 0


def test_ending_an_engine(penstock: Penstock, letters: Path) -> None:
    nobody = penstock("stop", "--engine")
    assert (nobody.code, nobody.err) == (3, "penstock: nobody drives the project; there is no engine to end\n")
    for words in (["stop"], ["stop", "last", "--engine"]):
        assert penstock(*words).code == 2
    assert penstock("run", "--detach", "--watch").code == 0
    assert "(watching)" in penstock("status").out
    ended = penstock("stop", "--engine", "--json")
    assert ended.code == 0 and "has left" in ended.json["message"]
    assert "watching" not in penstock("status").out


def test_a_wave(penstock: Penstock, letters: Path) -> None:
    run = penstock("run", "--json").json["run"]
    table = penstock("commit", "list", "--run", "last").out.splitlines()
    assert [line.split()[0] for line in table] == ["REPO", "upper", "all"]
    commits = penstock("commit", "list", "--run", run, "--json").json["commits"]
    assert [commit["commit"] for commit in commits] == [run, run]
    assert "upper" in penstock("run", "show", "last").out.partition("\n\n")[0]
    assert penstock("commit", "list").code == penstock("commit", "list", "upper", "--run", run).code == 2
    waited = penstock("wait", "all@main", "--json").json
    assert waited["job"] == f"all@{run}"
    assert penstock("wait", "words@main").out.startswith("words@")
    assert penstock("wait", "words@nothing").code == 3


def test_what_was_made_of_a_file(penstock: Penstock, letters: Path) -> None:
    penstock("run")
    lines = [line.strip() for line in penstock("trace", "words:/a", "--down").out.splitlines()]
    shown = [line.split("@")[0] + ":" + line.partition(":")[2].strip() for line in lines]
    assert shown[0] == "words:/a" and "upper:/a" in shown and "all:/all" in shown
    tree = penstock("trace", "words:/a", "--down", "--json").json
    assert {use["name"].partition("@")[0] for use in tree["used"]} == {"upper", "all"}


def test_running_again_to_compare(penstock: Penstock, letters: Path) -> None:
    penstock("run")
    same = penstock("verify", "upper", "--sample", "9")
    assert same.code == 0 and same.out.count(" same") == 2
    assert "2 of 2 bindings of upper@" in same.err and ", 0 differ" in same.err
    view = penstock("verify", "all", "--json").json
    assert (view["bindings"], [check["same"] for check in view["checked"]]) == (1, [True])
    assert penstock("verify", "upper", "--sample", "0").code == 2
    assert penstock("verify", "nothing").code == 3


def test_a_task_and_its_job_in_detail(penstock: Penstock, letters: Path) -> None:
    penstock("run")
    task = penstock("task", "list", "upper", "--json").json["tasks"][0]
    assert task["attempts"][0]["printed"] == len("did a\n")
    shown = penstock("task", "show", task["task"]).out
    assert f"penstock logs {task['task'][:12]}" in shown and "reason" not in shown
    assert " at most" in penstock("job", "show", "upper").out
    for verb in ("stop", "hold", "release", "retry"):
        assert penstock(verb, task["task"]).code == 3
