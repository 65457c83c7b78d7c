"""A small project with real workers, and what every test of it must leave behind: nothing damaged, nothing running."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from penstock import Project
from penstock.model.run import Task
from penstock.model.views import JobView, RunView
from penstock.service import resolve
from penstock.service.answers import lists
from penstock.service.answers.fsck import fsck
from penstock.service.answers.plan import plan
from penstock.service.answers.why import explain
from penstock.service.parts import Parts

#: Copies each input to the output in capitals; what it is called says nothing about its input's name.
UPPER = """for f in $(cd "$PENSTOCK_IN"/*/ && find . -type f); do
    mkdir -p "$PENSTOCK_OUT/$(dirname "$f")"
    tr a-z A-Z < "$(echo "$PENSTOCK_IN"/*)/$f" > "$PENSTOCK_OUT/$f"
done
"""


def alive(project: str) -> list[int]:
    """Processes on this host that work for a project; this one and zombies do not count."""
    mark = f"PENSTOCK_PROJECT={project}".encode()
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                with open(f"/proc/{name}/environ", "rb") as file:
                    words = file.read().split(b"\0")
            except OSError:
                continue
            if mark in words:
                found.append(int(name))
    return found


class Lab:
    """A project directory, driven from this process (`run`) or from another one (`penstock`)."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.project = Project.create(root)
        self.runs: list[RunView] = []

    @property
    def parts(self) -> Parts:
        return self.project.parts

    def write(self, name: str, text: str, mode: int = 0o644) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def pipeline(self, text: str, name: str = "pipeline.yaml") -> Path:
        return self.write(name, textwrap.dedent(text))

    def put(self, target: str, files: Mapping[str, str], **more: Any) -> str:
        """Put these files in one commit; its id."""
        source = self.root / ".penstock" / "put"
        for name, text in files.items():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_text(text)
        try:
            return self.project.put(target, f"{source}/", **more).commit
        finally:
            subprocess.run(["rm", "-rf", source], check=True)

    def run(self, file: str | None = None, **params: Any) -> RunView:
        view = self.project.run(None if file is None else self.root / file, params)
        self.runs.append(view)
        return view

    def ok(self, file: str | None = None, **params: Any) -> dict[str, tuple[int, int, int]]:
        """A run that must succeed: step -> tasks in all, processed, reused."""
        view = self.run(file, **params)
        assert view.state == "success", [(job.job, job.message, self.failures(job)) for job in view.jobs]
        return counts(view)

    def failures(self, job: JobView) -> list[str]:
        return [task.message for task in lists.failed_tasks(self.parts, job, 10)]

    def files(self, target: str) -> dict[str, str]:
        return {
            item.path: self.project.read(f"{target}:/{item.path}").decode()
            for item in self.project.ls(target, recursive=True)
        }

    def tasks(self, job: JobView) -> list[Task]:
        """A job's tasks in order of their bindings."""
        row = resolve.job(self.parts, f"{job.pipeline}.{job.job}")
        found = self.parts.store.load(Task, "tasks_of_job", job=row.seq, after=0, limit=10_000)
        return sorted(found, key=lambda task: task.key)

    def explain(self, target: str) -> str:
        return "\n".join(explain(self.parts, target))

    def planned(self, **params: Any) -> dict[str, tuple[int | None, int | None]]:
        """step -> (tasks in all, tasks that would run)."""
        return {step.step: (step.total, step.tasks) for step in plan(self.parts, None, params).steps}

    def fsck(self) -> list[str]:
        return list(fsck(self.parts, data=True))

    def alive(self) -> list[int]:
        return alive(self.parts.layout.id)

    @staticmethod
    def wait_for(condition: Callable[[], Any], seconds: float = 30.0) -> None:
        """Until something is so that another process does."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it never came to it"
            time.sleep(0.01)

    def penstock(self, *words: str, **more: Any) -> subprocess.Popen[str]:
        """The command line in a process of its own."""
        return penstock(self.root, words, **more)


def penstock(root: Path, words: Sequence[str], **more: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "penstock", *words],
        cwd=root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )


def counts(view: RunView) -> dict[str, tuple[int, int, int]]:
    return {job.step: (job.tasks.total, job.tasks.processed, job.tasks.reused) for job in view.jobs}


def _leaves_order(lab: Lab) -> None:
    """Nothing damaged, nothing running, and a "because" for everything there is."""
    assert lab.fsck() == []
    assert lab.alive() == []
    for run in lists.runs(lab.parts, None, 100, None).items:
        assert lab.explain(run.run)
        for job in run.jobs:
            name = f"{job.pipeline}.{job.job}"
            assert lab.explain(name)
            tasks = job.tasks
            parts = (tasks.processed, tasks.reused, tasks.recovered, tasks.failed, tasks.cancelled, tasks.left)
            assert tasks.total == sum(parts)
            for task in lists.tasks(lab.parts, name, 20, None).items:
                assert lab.explain(task.task)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    found = Lab(tmp_path / "lab")
    yield found
    _leaves_order(found)
    found.project.close()


@pytest.fixture
def make_lab(tmp_path: Path) -> Iterator[Callable[[str], Lab]]:
    """Further projects."""
    made: list[Lab] = []

    def make(name: str) -> Lab:
        made.append(Lab(tmp_path / name))
        return made[-1]

    yield make
    for lab in made:
        _leaves_order(lab)
        lab.project.close()
