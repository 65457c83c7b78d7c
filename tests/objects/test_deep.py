"""Directories deeper than any path can say, and what tasks do to them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from penstock.objects.deep import empty, make, remove


def dig(place: Path, levels: int, name: str) -> None:
    """Directories within each other, with a file in each hundredth."""
    here = os.open(place, os.O_RDONLY)
    for level in range(levels):
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
        if level % 100 == 0:
            os.close(os.open("file", os.O_CREAT | os.O_WRONLY, 0o444, dir_fd=here))
            os.symlink("/", "link", dir_fd=here)
            os.mkdir("beside", 0o500, dir_fd=here)
    os.close(here)


@pytest.mark.parametrize(("levels", "name"), [(1500, "d"), (400, "x" * 255), (2500, "deep")])
def test_deep_ones_are_removed(tmp_path: Path, levels: int, name: str) -> None:
    dig(tmp_path, levels, name)
    remove(tmp_path / name)
    assert not list(tmp_path.iterdir())
    remove(tmp_path / name)


def test_emptying_leaves_the_directory(tmp_path: Path) -> None:
    dig(tmp_path, 3, "a")
    (tmp_path / "b/c").mkdir(parents=True)
    (tmp_path / "b/c/d").write_text("x")
    for place in (tmp_path / "b/c", tmp_path / "b"):
        place.chmod(0o100)
    empty(tmp_path)
    assert tmp_path.is_dir() and not list(tmp_path.iterdir())


def test_what_a_link_leads_to_stays(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").write_text("kept")
    (tmp_path / "gone").mkdir()
    (tmp_path / "gone/link").symlink_to("../kept")
    (tmp_path / "link").symlink_to("kept")
    remove(tmp_path / "gone")
    with pytest.raises(OSError):
        empty(tmp_path / "link")
    remove(tmp_path / "link")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["file"]
    (tmp_path / "file").write_text("x")
    remove(tmp_path / "file")
    assert not (tmp_path / "file").exists()


def test_deep_ones_are_made(tmp_path: Path) -> None:
    deep = tmp_path / "/".join("d" * 1500)
    make(deep)
    make(deep)
    assert deep.is_dir()
    remove(tmp_path / "d")
    (tmp_path / "file").write_text("x")
    for wrong in ("file", "file/below"):
        with pytest.raises(OSError):
            make(tmp_path / wrong)
