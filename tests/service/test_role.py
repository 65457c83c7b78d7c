"""Who may wait for the engine of a project, and who would wait for itself."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from penstock import Project
from penstock.model.errors import Refused

API = "import penstock; p = penstock.Project.open(); p.{call}"
CALLS = {
    "run": f"{sys.executable} -m penstock run",
    "run-without-variables": f"env -i {sys.executable} -m penstock run",
    "detach": f"{sys.executable} -m penstock run --detach",
    "watch": f"{sys.executable} -m penstock run --watch",
    "wait": f"{sys.executable} -m penstock wait",
    "restart": f"{sys.executable} -m penstock restart",
    "pachctl": f'{sys.executable} -m penstock pachctl wait commit "$PENSTOCK_RUN"',
    "torc": f"{sys.executable} -m penstock torc jobs run",
    "api-run": f"{sys.executable} -c '{API.format(call='run()')}'",
    "api-wait": f"""{sys.executable} -c 'import os; {API.format(call='wait(os.environ["PENSTOCK_RUN"])')}'""",
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each call said in a task, its exit code at the end."""
    root = tmp_path_factory.mktemp("lab")
    lines = ["pipeline: p\n"]
    with Project.create(root) as project:
        for name, call in CALLS.items():
            (root / f"{name}.sh").write_text(f'{call} 2>&1; echo "exit code $?"\n')
            lines.append(f"  {name}: {{run: [sh, {name}.sh], retry: {{timeout: 60s}}}}\n")
        (root / "pipeline.yaml").write_text("".join([lines[0], "steps:\n", *lines[1:]]))
        project.run()
        runs = len(list(project.parts.store.fetch("active_runs")))
        assert runs == 0
        return {name: "".join(chunk.data.decode() for chunk in project.logs(name)) for name in CALLS}


@pytest.mark.parametrize("name", CALLS)
def test_a_task_may_not_wait_for_its_own_project(said: dict[str, str], name: str) -> None:
    assert "of this project would wait for itself; " in said[name]
    assert said[name].endswith("exit code 1\n" if name.startswith("api") else "exit code 3\n")
    assert "Traceback" not in said[name] or name.startswith("api")


def test_another_project_may_be_run(tmp_path: Path) -> None:
    for name, command in (("other", "echo hi"), ("lab", f"{sys.executable} -m penstock -C ../other run")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pipeline.yaml").write_text(f"steps:\n  s: {{run: '{command}'}}\n")
        Project.create(tmp_path / name).close()
    with Project.open(tmp_path / "lab") as project:
        assert project.run().state == "success"


def test_through_another_project_it_still_waits_for_itself(tmp_path: Path) -> None:
    calls = {
        "lab": f"{sys.executable} -m penstock -C ../other run",
        "other": f"{sys.executable} -m penstock -C ../lab run",
    }
    for name, command in calls.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "pipeline.yaml").write_text(f"steps:\n  s: {{run: '{command}', retry: {{timeout: 60s}}}}\n")
        Project.create(tmp_path / name).close()
    with Project.open(tmp_path / "lab") as project:
        assert project.run().state == "failure"
    with Project.open(tmp_path / "other") as project:
        assert "of this project would wait for itself" in "".join(chunk.data.decode() for chunk in project.logs("s"))


def test_elsewhere_nobody_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pipeline.yaml").write_text("steps: {s: {run: 'true'}}\n")
    with Project.create(tmp_path) as project:
        assert project.run().state == "success"
        monkeypatch.setenv("PENSTOCK_PROJECT", f"{project.parts.layout.id}@node-0")
        monkeypatch.setenv("PENSTOCK_ATTEMPT", "a-1")
        with pytest.raises(Refused, match="attempt a-1 of this project would wait for itself"):
            project.run()
        monkeypatch.setenv("PENSTOCK_PROJECT", "0" * 32)
        assert project.run().state == "success"
