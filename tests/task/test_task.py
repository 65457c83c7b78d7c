"""The kit inside a task."""

from __future__ import annotations

import json
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


@pytest.mark.parametrize("name", [name for name in task.__all__ if name not in ("batch", "files", "should_stop")])
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


PROGRAM = """
import os, subprocess, sys
from penstock import task

loaded = os.getpid()

@task.batch
def work(inputs, out, params):
    print("task", task.id, sorted(inputs), params["n"], task.attempt)
    if params["n"] == 2:
        raise ValueError("two")
    assert (task.out, task.params) == (out, params) and "PENSTOCK_PARAM_N" not in os.environ
    assert sys.stdin.read() == "", "tasks are not for programs it starts"
    assert subprocess.run(["sh", "-c", "cat; test ! -e /proc/self/fd/3 && test -z $PENSTOCK_BATCH"]).returncode == 0
    (out / "n").write_text(f"{params['n']} {loaded}")

work()
"""


def test_one_process_for_many(tmp_path: Path) -> None:
    """The other side of the conversation, by hand."""
    theirs, ours = os.pipe()
    answers, say = os.pipe()
    os.set_inheritable(say, True)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PENSTOCK_BATCH": str(say), "PENSTOCK_PARAM_N": "0"}
    program = PROGRAM.replace("/fd/3", f"/fd/{say}")
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env,
        pass_fds=[say],
        text=True,
    ) as process:
        os.close(theirs)
        os.close(say)
        told = os.fdopen(answers)
        replies = []
        for n in (1, 2, 3):
            place = tmp_path / str(n)
            (place / "in" / "images").mkdir(parents=True)
            (place / "out").mkdir()
            (place / "params.json").write_text(json.dumps({"n": n}))
            paths = {"in": str(place / "in"), "out": str(place / "out"), "params": str(place / "params.json")}
            os.write(ours, json.dumps({"task": f"t{n}", "attempt": f"t{n}-1", **paths}).encode() + b"\n")
            replies.append(json.loads(told.readline()))
        os.close(ours)
        out, errors = process.communicate(timeout=30)
        told.close()
    assert process.returncode == 0, errors
    assert replies == [{"attempt": "t1-1"}, {"attempt": "t2-1", "failed": "ValueError: two"}, {"attempt": "t3-1"}]
    assert out == "".join(f"task t{n} ['images'] {n} t{n}-1\n" for n in (1, 2, 3))
    assert "ValueError: two" in errors
    first, third = ((tmp_path / n / "out" / "n").read_text().split() for n in "13")
    assert first[1] == third[1]


def test_the_same_program_without_a_batch(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "params.json").write_text('{"n": 7}')
    program = (
        "from penstock import task\n@task.batch\ndef f(inputs, out, params): (out / 'n').write_text(str(params))\nf()"
    )
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PENSTOCK_IN": str(tmp_path / "in"),
        "PENSTOCK_OUT": str(tmp_path),
        "PENSTOCK_PARAMS": str(tmp_path / "params.json"),
    }
    subprocess.run([sys.executable, "-c", program], env=env, check=True, timeout=30)
    assert (tmp_path / "n").read_text() == "{'n': 7}"


def test_a_batch_outside_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [variable for variable in os.environ if variable.startswith("PENSTOCK_")]:
        monkeypatch.delenv(variable)

    @task.batch
    def work(inputs: object, out: object, params: object) -> None:
        """Never called."""

    assert (work.__name__, work.__doc__) == ("work", "Never called.")
    with pytest.raises(RuntimeError, match="only works inside a task"):
        work()
