"""What the kernel tells of directories."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.runner import inotify
from penstock.runner.inotify import Inotify


@pytest.fixture
def watch() -> Iterator[Inotify]:
    made = Inotify()
    yield made
    made.close()


def test_opening_and_changing_a_file_are_told_apart(tmp_path: Path, watch: Inotify) -> None:
    (tmp_path / "a").write_text("a")
    number = watch.add(str(tmp_path))
    assert list(watch.events()) == []
    (tmp_path / "a").read_text()
    assert list(watch.events()) == [(number, inotify.OPENED, "a")]
    (tmp_path / "a").write_text("b")
    seen = list(watch.events())
    assert {(at, name) for at, _, name in seen} == {(number, "a")}
    assert any(mask & inotify.WRITTEN for _, mask, _ in seen)


def test_what_comes_and_goes(tmp_path: Path, watch: Inotify) -> None:
    watch.add(str(tmp_path))
    (tmp_path / "d").mkdir()
    (tmp_path / "d").rename(tmp_path / "e")
    (tmp_path / "e").rmdir()
    seen = [(mask, name) for _, mask, name in watch.events()]
    assert all(mask & inotify.IS_DIRECTORY for mask, _ in seen)
    came = [name for mask, name in seen if mask & inotify.CAME]
    went = [name for mask, name in seen if mask & inotify.WENT]
    assert (came, went) == (["d", "e"], ["d", "e"])


def test_a_directory_that_is_removed_from_the_watch_tells_no_more(tmp_path: Path, watch: Inotify) -> None:
    number = watch.add(str(tmp_path))
    watch.remove(number)
    (tmp_path / "a").touch()
    assert not [name for _, mask, name in watch.events() if mask & inotify.CAME]


def test_names_of_any_bytes_and_what_is_no_directory(tmp_path: Path, watch: Inotify) -> None:
    watch.add(str(tmp_path))
    name = b"\xff\xfe"
    os.close(os.open(os.path.join(os.fsencode(tmp_path), name), os.O_CREAT))
    assert {os.fsencode(told) for _, _, told in watch.events()} == {name}
    with pytest.raises(NotADirectoryError):
        watch.add(str(next(tmp_path.iterdir())))
