"""kill -9 of the engine or of a worker, at any point of a run: nothing is lost, nothing is done twice.

A victim dies at one of N points spread evenly, with a seeded jitter, over the time the run takes undisturbed; then
`penstock run` again until it is done. `make storm` tries 50 points, a normal run 5.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from penstock import Project
from penstock.model.run import Attempt, Job, Task
from penstock.service.answers.fsck import fsck

from .victims import alive, kill, points, start

FILES = 300
SEED = 20_011
#: Every 20th output is too large for a pack; every 7th leaves a process behind for its worker to end.
PIPELINE = """
pipeline: storm
steps:
  upper:
    input: in:/*
    run: [sh, work.sh]
  count:
    input: upper:/
    run: ls "$PENSTOCK_IN/upper" | wc -l > "$PENSTOCK_OUT/count"
"""
WORK = """
name=$(ls "$PENSTOCK_IN/in")
tr a-z A-Z < "$PENSTOCK_IN/in/$name" > "$PENSTOCK_OUT/$name"
case $name in *[05]0) head -c 100000 /dev/zero >> "$PENSTOCK_OUT/$name";; esac
case $name in *7) sleep 30 & ;; esac
"""


def expected(number: int) -> bytes:
    big = number % 50 == 0
    return f"CONTENT OF {number}\n".encode() + bytes(100_000 if big else 0)


def make(root: Path) -> str:
    """A project that has not run yet; its id."""
    with Project.create(root) as project:
        (root / "pipeline.yaml").write_text(PIPELINE)
        (root / "work.sh").write_text(WORK)
        source = root.with_name(f"{root.name}-files")
        source.mkdir()
        for number in range(FILES):
            (source / f"f{number:03}").write_text(f"content of {number}\n")
        project.put("in", f"{source}/")
        return project.parts.layout.id


def check(root: Path, project_id: str) -> None:
    """All is there, once, and whole."""
    with Project.open(root) as project:
        parts = project.parts
        runs = [project.run_view(run.run) for run in project.runs(100)]
        assert {run.state for run in runs} == {"success"}
        assert len(runs) <= 2, "a second one only where the first was done when its engine died"
        assert [view.commit for view in project.log("upper")] == [run.run for run in runs]
        assert len({view.tree for view in project.log("upper")}) == 1
        upper = {run.run: next(job.tasks for job in run.jobs if job.step == "upper") for run in runs}
        assert all(tasks.total == FILES == tasks.processed + tasks.reused for tasks in upper.values())
        assert sum(tasks.processed for tasks in upper.values()) == FILES
        assert parts.store.fetch("active_runs") == [] and parts.store.load(Attempt, "live_attempts") == []
        for job in parts.store.load(Job, "jobs_of_run", run=runs[-1].run):
            tasks = parts.store.load(Task, "tasks_of_job", job=job.seq, after=0, limit=10 * FILES)
            good = Counter(
                attempt.task
                for task in tasks
                for attempt in parts.store.load(Attempt, "attempts", task=task.seq)
                if attempt.outcome == "succeeded"
            )
            assert good == Counter(task.seq for task in tasks), "each task succeeded, once"
            assert {task.tries for task in tasks} == {1}, "what was lost costs no try"
        for number in range(FILES):
            assert project.read(f"upper:/f{number:03}") == expected(number)
        assert project.read("count:/count").strip() == str(FILES).encode()
        assert list(fsck(parts, data=True)) == []
        assert list((root / ".penstock/work").iterdir()) in ([], [root / ".penstock/work/code"])
    deadline = time.monotonic() + 10
    while (left := alive(project_id)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []


@pytest.fixture(scope="module")
def seconds(tmp_path_factory: pytest.TempPathFactory) -> float:
    """How long the run takes undisturbed."""
    root = tmp_path_factory.mktemp("calm") / "lab"
    project = make(root)
    began = time.monotonic()
    with start(root, subprocess.PIPE) as driver:
        assert driver.wait(120) == 0, driver.communicate()
    took = time.monotonic() - began
    check(root, project)
    return took


def strike(root: Path, seconds: float, moment: float, victim: str) -> str:
    project = make(root)
    with start(root, subprocess.PIPE) as driver:
        time.sleep(moment * seconds)
        died = kill(driver, project, victim)
        _, said = driver.communicate(timeout=120)
        if died != "engine":
            assert driver.returncode == 0, said
    for _ in range(3):
        with start(root, subprocess.PIPE) as driver:
            _, said = driver.communicate(timeout=120)
        if driver.returncode == 0:
            break
    assert driver.returncode == 0, said
    check(root, project)
    return died


def interrupt_put(root: Path, seconds: float) -> None:
    """A put that dies is there whole or not at all; the same put then succeeds."""
    source = root.with_name("source")
    if not source.exists():
        source.mkdir()
        for number in range(FILES):
            (source / str(number)).write_bytes(bytes([number % 256]) * (200_000 if number % 20 == 0 else 3000))
    Project.create(root).close()
    words = [sys.executable, "-m", "penstock", "put", "in", f"{source}/"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(words, cwd=root, env=environment, stderr=subprocess.DEVNULL) as process:
        time.sleep(seconds)
        process.kill()
    with Project.open(root) as project:
        assert list(fsck(project.parts, data=True)) == []
        log = project.log("in") if project.parts.store.fetch("repos") else []
        assert [view.files for view in log] in ([], [FILES])
        project.put("in", f"{source}/")
        assert project.log("in")[0].files == FILES
        assert project.read("in:/20") == bytes([20]) * 200_000
        assert list(fsck(project.parts, data=True)) == []


def test_a_put_at_a_few_points(tmp_path: Path) -> None:
    for number in range(5):
        interrupt_put(tmp_path / f"lab{number}", 0.05 + 0.06 * number)


@pytest.mark.storm
def test_a_put_at_many_points(tmp_path: Path) -> None:
    for number in range(50):
        interrupt_put(tmp_path / f"lab{number}", 0.05 + 0.01 * number)


@pytest.mark.parametrize(("moment", "victim"), [*points(5, SEED)])
def test_a_few_points(tmp_path: Path, seconds: float, moment: float, victim: str) -> None:
    strike(tmp_path / "lab", seconds, moment, victim)


@pytest.mark.storm
@pytest.mark.parametrize(("moment", "victim"), [*points(50, SEED)])
def test_many_points(
    tmp_path: Path,
    seconds: float,
    moment: float,
    victim: str,
    record_property: Callable[[str, object], None],
) -> None:
    record_property("died", strike(tmp_path / "lab", seconds, moment, victim))
