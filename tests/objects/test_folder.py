"""The folder back end: the suite of all back ends, and what is peculiar to files."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from penstock.objects.folder import ASIDE, DAY, Folder
from penstock.testing.backend import BackendSuite


class TestFolder(BackendSuite):
    @pytest.fixture
    def backend(self, tmp_path: Path) -> Folder:
        return Folder(tmp_path)


def aside(root: Path) -> list[str]:
    return os.listdir(root / ASIDE)


def test_a_finished_file_is_adopted(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    source = folder.aside()
    source.write_bytes(b"data")
    folder.adopt("blobs/ab/abcd", source)
    path = folder.path("blobs/ab/abcd")
    assert path == tmp_path / "blobs/ab/abcd"
    assert path.read_bytes() == b"data"
    assert path.stat().st_mode & 0o777 == 0o444
    assert not source.exists()


@pytest.mark.parametrize("call", ["write", "fsync", "rename"])
def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    folder = Folder(tmp_path)
    folder.put("name", b"old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match="No space left"):
        folder.put("name", b"new")
    with pytest.raises(OSError, match="No space left"):
        folder.put("other/name", b"new")
    monkeypatch.undo()
    assert folder.get("name") == b"old"
    assert list(folder.list()) == ["name"]
    assert aside(tmp_path) == []


def test_every_put_is_synced_before_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Folder(tmp_path)
    story: list[str] = []
    fsync, rename = os.fsync, os.rename

    def spy_fsync(file: int) -> None:
        story.append(f"sync {Path(os.readlink(f'/proc/self/fd/{file}')).relative_to(tmp_path).parts[0]}")
        fsync(file)

    def spy_rename(source: Path, target: Path) -> None:
        story.append("rename")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", lambda file: spy_fsync(file) if file_is_below(file, tmp_path) else fsync(file))
    monkeypatch.setattr(os, "rename", spy_rename)
    folder.put("d/name", b"data")
    assert story == [f"sync {ASIDE}", "rename", "sync d"]


def file_is_below(file: int, root: Path) -> bool:
    return Path(os.readlink(f"/proc/self/fd/{file}")) != root


def test_leavings_of_the_dead_are_swept(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from penstock.objects.folder import Folder\n"
        "Folder(pathlib.Path(sys.argv[1])).aside().write_bytes(b'half')"
    )
    living = Folder(tmp_path).aside()
    living.write_bytes(b"in the making")
    subprocess.run([sys.executable, "-c", code, tmp_path], check=True)
    fresh, stale = tmp_path / ASIDE / "elsewhere-1-00", tmp_path / ASIDE / "elsewhere-1-01"
    fresh.write_bytes(b"")
    stranger = tmp_path / ASIDE / "stranger"
    stranger.write_bytes(b"")
    assert len(aside(tmp_path)) == 4
    Folder(tmp_path)
    assert set(aside(tmp_path)) == {living.name, fresh.name, stranger.name}

    stale.write_bytes(b"")
    later = time.time() + DAY + 60
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: later)
        Folder(tmp_path)
    assert set(aside(tmp_path)) == {living.name}
