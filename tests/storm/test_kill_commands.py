"""kill -9 of the engine or of a worker, at any point of a run of plain commands: none is forgotten, none is believed
that did not run, nothing stays behind.

The commands hang together at random, some in long chains that workers go on with by themselves. `make storm` tries 100
points of 2,000 commands, a normal run 4 of 300.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from penstock import Project
from penstock.model.run import Attempt, Job
from penstock.service.answers.fsck import fsck

from .victims import alive, kill, points, start

SEED = 30_011
#: Tells that a command ran. Every 50th leaves a process behind for its worker to end.
COMMAND = 'echo "$1" >> story; case $1 in *49) sleep 30 & ;; esac'


def make(root: Path, count: int) -> str:
    """A project of so many commands; its id."""
    chance = random.Random(count)
    steps = {}
    for number in range(count):
        after = [f"s{number - 1}"] if number % 100 not in (0, 1, 2) else []
        if number > 10 and chance.random() < 0.1:
            after = [f"s{other}" for other in chance.sample(range(number), 2)]
        steps[f"s{number}"] = {"run": ["sh", "-c", COMMAND, "sh", str(number)], "after": sorted(set(after))}
    with Project.create(root) as project:
        (root / "pipeline.json").write_text(json.dumps({"pipeline": "storm", "steps": steps}))
        return project.parts.layout.id


def over(root: Path) -> bool:
    """Whether its run is done."""
    with Project.open(root) as project:
        return [project.run_view(run.run).state for run in project.runs(1)] == ["success"]


def check(root: Path, project_id: str, count: int, deaths: int) -> None:
    """Every command ran, in an order that its edges allow, and every job says so."""
    ran = Counter(int(line) for line in (root / "story").read_text().split())
    assert set(ran) == set(range(count))
    # What was in flight when somebody died, or done in the last moment, ran again; what had been told did not.
    assert sum(ran.values()) <= count + deaths * 1000
    with Project.open(root) as project:
        parts = project.parts
        assert parts.store.fetch("active_runs") == [] and parts.store.load(Attempt, "live_attempts") == []
        views = [project.run_view(run.run) for run in project.runs(10)]
        assert {view.state for view in views} == {"success"} and len(views) == 1
        jobs = parts.store.load(Job, "jobs_of_run", run=views[-1].run)
        assert [(job.total, job.processed, job.left) for job in jobs] == [(1, 1, 0)] * count
        steps = json.loads((root / "pipeline.json").read_text())["steps"]
        ended = {job.step: job.finished or 0 for job in jobs}
        began = {job.step: job.started or 0 for job in jobs}
        assert all(ended[before] <= began[name] for name, step in steps.items() for before in step["after"])
        assert list(fsck(parts, data=True)) == []
    deadline = time.monotonic() + 10
    while (left := alive(project_id)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []
    assert [path for path in (root / ".penstock/work").iterdir() if path.name not in ("code", "warm")] == []


def strike(root: Path, count: int, seconds: float, victim: str) -> str:
    project = make(root, count)
    with start(root) as driver:
        time.sleep(seconds)
        died = kill(driver, project, victim)
        driver.wait(300)
        assert died == "engine" or driver.returncode == 0
    if died == "engine" and not over(root):  # else it died on its way out
        with start(root) as driver:
            driver.wait(300)
        assert driver.returncode == 0
    check(root, project, count, deaths=1)
    return died


def undisturbed(root: Path, count: int) -> float:
    """How long a run takes, in seconds."""
    project = make(root, count)
    began = time.monotonic()
    with start(root) as driver:
        assert driver.wait(300) == 0
    took = time.monotonic() - began
    check(root, project, count, deaths=0)
    return took


def test_a_few_points(tmp_path: Path) -> None:
    seconds = undisturbed(tmp_path / "calm", 300)
    for number, (moment, victim) in enumerate(points(4, SEED)):
        strike(tmp_path / str(number), 300, moment * seconds, victim)


@pytest.mark.storm
def test_many_points(tmp_path: Path) -> None:
    seconds = undisturbed(tmp_path / "calm", 2000)
    died = Counter(
        strike(tmp_path / str(number), 2000, moment * seconds, victim)
        for number, (moment, victim) in enumerate(points(100, SEED))
    )
    print(f"kill -9 at 100 points of a run of 2,000 commands of {seconds:.1f} s: {dict(died)}")
