"""What earlier versions wrote is read, found whole, and worked on."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from penstock import Project
from penstock.service.answers.fsck import fsck
from penstock.service.answers.logs import logs
from penstock.service.data import commits

KEPT = sorted(Path(__file__).parent.glob("*.tar.gz"))


@pytest.fixture(params=KEPT, ids=lambda path: path.name.split(".")[0])
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    with tarfile.open(request.param) as kept:
        kept.extractall(tmp_path, filter="data")
    return tmp_path / "lab"


def test_something_is_kept() -> None:
    assert KEPT


def test_it_is_whole_and_readable(lab: Path) -> None:
    with Project.open(lab) as project:
        assert list(fsck(project.parts, data=True)) == []
        assert project.read("total:/total.txt") == b"1\n2\n3\n".replace(b"1\n2", b"2\n2")
        assert project.read("total@main^:/total.txt") == b"1\n2\n3\n"
        assert project.log("notes")[0].message == "a note"
        assert [run.state for run in project.runs()] == ["failure", "failure"]
        assert b"no\n" in [chunk.data for chunk in logs(project.parts, "fails")]


def test_it_is_worked_on(lab: Path) -> None:
    with Project.open(lab) as project:
        same = {job.step: job.tasks for job in project.run().jobs}
        assert (same["count"].reused, same["total"].reused, same["fails"].failed) == (3, 1, 1)
        (lab / "texts" / "new.txt").write_text("a b c d e\n")
        changed = {job.step: job.tasks for job in project.run().jobs}
        assert (changed["count"].processed, changed["count"].reused, changed["total"].processed) == (1, 3, 1)
        assert list(fsck(project.parts, data=True)) == []


def test_what_was_done_before_counts_all_code_as_opened(lab: Path) -> None:
    """Nobody watched what it opened: after an edit of anything in the project it is done once more."""
    with Project.open(lab) as project:
        (lab / "beside.cfg").write_text("new")
        same = {job.step: job.tasks for job in project.run().jobs}
        assert (same["count"].processed, same["total"].processed) == (0, 0)
        with (lab / "count.py").open("a") as file:
            file.write("\n")
        again = {job.step: job.tasks for job in project.run().jobs}
        assert (again["count"].processed, again["total"].processed) == (3, 1)
        assert list(fsck(project.parts, data=True)) == []


def test_an_open_commit_and_a_trigger_go_on(lab: Path) -> None:
    with Project.open(lab) as project:
        if not any(found["branch"] == "stable" for found in project.parts.store.fetch("triggers", repo="notes")):
            pytest.skip("kept before there were open commits and triggers")
        commits.finish(project.parts, "notes@draft")
        assert [item.path for item in project.ls("notes@draft")] == ["pipeline.yaml"]
        project.put("notes", lab / "pipeline.yaml")
        assert project.log("notes@stable")[0].commit == project.log("notes")[0].commit
        assert list(fsck(project.parts, data=True)) == []
