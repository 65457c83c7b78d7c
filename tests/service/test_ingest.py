"""Putting directories, linked repos and checkouts: what they read, what they refuse, what they hold in memory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from penstock.model.errors import BadOutput, Refused, UsageError
from penstock.model.ids import parse_reference
from penstock.model.run import Repo
from penstock.objects import scan
from penstock.objects.writer import LARGE, Writer
from penstock.service.data import commits, repos
from penstock.service.project import Project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    # Files are old enough to be believed as soon as they are written.
    monkeypatch.setattr(scan, "TICK", -(10**12))
    monkeypatch.setattr(scan, "COARSE_TICK", -(10**12))
    (tmp_path / "project").mkdir()
    with Project.create(tmp_path / "project") as made:
        yield made


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    top = tmp_path / "photos"
    for number in range(20):
        place = top / f"d{number % 3}/{number}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(str(number))
    (top / "large").write_bytes(os.urandom(LARGE + 1))
    return top


@contextmanager
def counting(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The files whose content is read meanwhile."""
    read: list[str] = []
    real = Writer.add_file

    def add_file(self: Writer, path: str | Path, *rest: int, **more: object) -> tuple[bytes, ...]:
        read.append(os.path.basename(path))
        return real(self, path, *rest, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Writer, "add_file", add_file)
        yield read


def names(project: Project, source: str) -> set[str]:
    return {item.path for item in project.ls(source, recursive=True)}


def test_a_second_put_reads_no_file(project: Project, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with counting(monkeypatch) as read:
        first = project.put("data", f"{photos}/")
    assert len(read) == 21
    with counting(monkeypatch) as read:
        again = project.put("data", f"{photos}/")
    assert (read, again.tree) == ([], first.tree)
    (photos / "d1/4").write_text("other")
    (photos / "d2/5").unlink()
    with counting(monkeypatch) as read:
        project.put("data", f"{photos}/")
        assert project.read("data:/d2/5") == b"5", "only --mirror deletes"
        project.put("data", f"{photos}/", mirror=True)
    assert read == ["4"]
    assert project.read("data:/d1/4") == b"other"
    assert "d2/5" not in names(project, "data")


def test_a_directory_is_remembered_for_each_place(project: Project, photos: Path) -> None:
    project.put("data", f"{photos}/")
    project.put("data", photos)
    project.put("data:/deep/er", f"{photos}/")
    project.put("other:/deep/er", f"{photos}/")
    inside = {str(path.relative_to(photos)) for path in photos.rglob("*") if path.is_file()}
    assert names(project, "data") == {
        *inside,
        *(f"photos/{path}" for path in inside),
        *(f"deep/er/{path}" for path in inside),
    }
    assert names(project, "other") == {f"deep/er/{path}" for path in inside}


def test_several_sources_make_one_tree(project: Project, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "one").write_text("1")
    project.put("data", photos, f"{photos}/d0/", tmp_path / "one")
    assert {"photos/large", "0", "one"} < names(project, "data")
    with pytest.raises(UsageError, match=r"'0' is there twice.*different directories"):
        project.put("data", f"{photos}/d0/", photos / "d0/0")
    with pytest.raises(UsageError, match="'d0' is a file"):
        (tmp_path / "d0").write_text("a file")
        project.put("data", f"{photos}/", tmp_path / "d0")


def test_the_project_itself_can_be_put(project: Project) -> None:
    (project.root / "a.txt").write_text("a")
    project.put("data", f"{project.root}/")
    assert names(project, "data") == {"a.txt"}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (b"a\nb", "control character"),
        (b"\xff", "not valid UTF-8"),
        (b"x\x7f", "control character"),
        ("a\u2028b".encode(), "control character"),
        (b"n" * 255, None),
        (b"-rf *", None),
        ("ünïcödé 🙂".encode(), None),
        (b"[a]{b,c}?*", None),
        (b"..a", None),
        (b"a\\b", None),
    ],
)
def test_names(project: Project, tmp_path: Path, name: bytes, says: str | None) -> None:
    top = tmp_path / "in"
    top.mkdir()
    with open(os.path.join(os.fsencode(top), name), "wb") as file:
        file.write(b"x")
    if says is None:
        project.put("data", f"{top}/")
        assert names(project, "data") == {name.decode()}
        project.get("data", tmp_path / "out")
        assert os.listdir(os.fsencode(tmp_path / "out")) == [name]
    else:
        with pytest.raises(BadOutput, match=says):
            project.put("data", f"{top}/")
        assert project.parts.store.load(Repo, "repos") == []


def test_a_path_too_long_with_its_prefix(project: Project, photos: Path) -> None:
    with pytest.raises(BadOutput, match="at most 4096"):
        project.put("data:/" + "d/" * 2047, f"{photos}/")


def test_a_file_that_is_written_while_it_is_read(
    project: Project, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.read

    def growing(file: int, count: int) -> bytes:
        with open(photos / "d0/0", "a") as other:
            other.write("more")
        return real(file, count)

    with monkeypatch.context() as patch:
        patch.setattr(os, "read", growing)
        with pytest.raises(BadOutput, match="'d0/0' changed while it was read"):
            project.put("data", f"{photos}/d0/../")
    project.put("data", f"{photos}/")
    assert project.read("data:/d0/0") == (photos / "d0/0").read_bytes()


class TestLinked:
    """`commit create` in a repo that is linked to a directory."""

    @pytest.fixture
    def linked(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> Path:
        directory = project.root / "files"
        directory.mkdir()
        (directory / "a").write_text("1")
        monkeypatch.chdir(project.root)
        repos.create_repo(project.parts, "data", "files")
        return directory

    def commit(self, project: Project) -> tuple[str, int, int]:
        written = commits.create(project.parts, parse_reference("data"), "said")
        return written.commit.origin, written.changed, written.commit.files

    def test_what_changed_is_committed(self, project: Project, linked: Path) -> None:
        assert self.commit(project) == ("link", 1, 1)
        (linked / "b").write_text("2")
        assert self.commit(project) == ("link", 1, 2)
        (linked / "a").unlink()
        assert self.commit(project) == ("link", 1, 1)
        assert self.commit(project) == ("link", 0, 1)
        assert names(project, "data") == {"b"}
        assert [view.message for view in project.log("data")] == ["said"] * 4

    def test_a_run_opens_downstream(self, project: Project, linked: Path) -> None:
        step = "{input: 'data:/*', run: [sh, -c, 'cp $PENSTOCK_IN/data/* $PENSTOCK_OUT']}"
        spec = f"repos:\n  data: {{path: files}}\nsteps:\n  copy: {step}\n"
        (project.root / "pipeline.yaml").write_text(spec)
        assert project.run().state == "success"
        (linked / "b").write_text("2")
        written = commits.create(project.parts, parse_reference("data"))
        assert written.run is not None
        assert project.wait(written.run.id).state == "success"
        assert names(project, "copy") == {"a", "b"}

    def test_refusals(self, project: Project, linked: Path) -> None:
        with pytest.raises(Refused, match="goes to 'main' only"):
            commits.create(project.parts, parse_reference("data@dev"))
        with pytest.raises(Refused, match="is linked to files/"):
            project.put("data", linked)
        for path, says in (
            (".", "holds the project"),
            ("..", "holds the project"),
            ("files", "already"),
            ("no", "is no directory"),
            (".penstock/objects", "is its own data, and cannot be linked"),
        ):
            with pytest.raises(UsageError, match=says):
                repos.create_repo(project.parts, "other", path)


PUT = """
import resource, sys
from penstock.service.project import Project
with Project.open(sys.argv[1]) as project:
    assert project.put("data", sys.argv[2]).files == 50_000
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_follow_the_number_of_files(project: Project, tmp_path: Path) -> None:
    """As python objects 50,000 entries with stamps, paths and ids would take some 60 MB more than this allows."""
    for number in range(50_000):
        if number % 1000 == 0:
            (tmp_path / f"many/{number // 1000}").mkdir(parents=True)
        with open(tmp_path / f"many/{number // 1000}/{number}", "wb") as file:
            file.write(b"%d" % number)
    # A child starts from the size of the process that forks it, and this one may be large: so by another, small one.
    starter = "import subprocess, sys; subprocess.run(sys.argv[1:], check=True)"
    command = [sys.executable, "-c", starter, sys.executable, "-c", PUT, str(project.root), f"{tmp_path}/many/"]
    told = subprocess.run(command, check=True, capture_output=True, text=True)
    assert int(told.stdout) < 140_000
