"""The kit inside a task."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from penstock import task


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The surroundings of a task."""
    for name in ("in/images/a/b", "in/rates", "out"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "in/images/a/b/2.png").touch()
    (tmp_path / "in/images/1.png").touch()
    (tmp_path / "params.json").write_text('{"threshold": 0.5, "name": "é"}', encoding="utf-8")
    for name, value in {
        "IN": tmp_path / "in",
        "OUT": tmp_path / "out",
        "PARAMS": tmp_path / "params.json",
        "RUN": "r",
        "JOB": "s@r",
        "TASK": "t",
        "ATTEMPT": "t.1",
        "CPUS": "2",
    }.items():
        monkeypatch.setenv(f"PENSTOCK_{name}", str(value))
    return tmp_path


def test_inputs(inside: Path) -> None:
    assert dict(task.inputs) == {"images": inside / "in/images", "rates": inside / "in/rates"}
    assert task.inputs["images"] == inside / "in/images"
    assert "images" in task.inputs
    assert "other" not in task.inputs
    with pytest.raises(KeyError, match="no input 'other'; this task has images, rates"):
        task.inputs["other"]
    with pytest.raises(KeyError):
        task.inputs["../out"]


def test_files(inside: Path) -> None:
    assert task.files("images") == [inside / "in/images/1.png", inside / "in/images/a/b/2.png"]
    assert task.files("rates") == []
    with pytest.raises(KeyError):
        task.files("other")


def test_the_rest(inside: Path) -> None:
    assert task.out == inside / "out"
    assert task.params == {"threshold": 0.5, "name": "é"}
    assert (task.cpus, task.run, task.job, task.id, task.attempt) == (2, "r", "s@r", "t", "t.1")
    assert set(dir(task)) == set(task.__all__)


@pytest.mark.parametrize("name", [name for name in task.__all__ if name not in ("files", "should_stop")])
def test_outside_a_task(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [variable for variable in os.environ if variable.startswith("PENSTOCK_")]:
        monkeypatch.delenv(variable)
    with pytest.raises(RuntimeError, match="only works inside a task; start this with `penstock run`"):
        getattr(task, name)


def test_functions_outside_a_task() -> None:
    with pytest.raises(RuntimeError, match="inside a task"):
        task.files("x")
    with pytest.raises(RuntimeError, match="inside a task"):
        task.should_stop()


def test_another_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        task.nonsense  # noqa: B018


def test_being_asked_to_stop() -> None:
    code = (
        "import os, signal; from penstock import task; before = task.should_stop();"
        f"os.kill(os.getpid(), {int(signal.SIGTERM)}); print(before, task.should_stop())"
    )
    env = {**os.environ, "PENSTOCK_TASK": "t", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "False True\n"
