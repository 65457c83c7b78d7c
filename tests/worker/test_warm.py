"""Warm checkouts: what a task reads is what the commit holds, whatever tasks before it did to their inputs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from penstock.model.data import Entry
from penstock.model.wire import Input
from penstock.objects import tree
from penstock.objects.store import Objects
from penstock.worker import warm
from penstock.worker.storage import Storage

STEP = ("pipeline", "step")
Files = dict[str, bytes]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkouts of any size are worth keeping."""
    monkeypatch.setattr(warm, "FEW", 0)
    monkeypatch.setattr("penstock.worker.storage.FEW", 0)


@pytest.fixture
def storage(tmp_path: Path, small: None) -> Iterator[Storage]:
    Objects.create(tmp_path / "objects").close()
    found = Storage(str(tmp_path / "objects"), str(tmp_path / "work"))
    yield found
    found.close()


@pytest.fixture
def commit(tmp_path: Path, storage: Storage) -> Callable[[Files], bytes]:
    """Store a tree; its root."""

    def write(files: Files) -> bytes:
        objects = Objects(tmp_path / "objects")
        with objects.writer() as writer:
            names = sorted(files)
            entries = [(name, Entry((writer.add(files[name]),), len(files[name]), name[-1] == "x")) for name in names]
            root = tree.build(objects.writing(writer), entries)
        objects.close()
        return root

    return write


def whole(root: bytes, name: str = "data") -> Input:
    return Input(name, "", root, True, root)


class Task:
    """One after the other gets its inputs in a slot, does something to them, and is over."""

    def __init__(self, storage: Storage, slot: Path) -> None:
        self.storage, self.slot = storage, slot

    def __call__(self, root: bytes, act: Callable[[Path], object] = lambda place: None, trusted: bool = True) -> Files:
        self.slot.mkdir(parents=True, exist_ok=True)
        self.storage.lay_out_inputs([whole(root)], str(self.slot), STEP)
        place = self.slot / "data"
        found = {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}
        self.inodes = {str(path.relative_to(place)): path.stat().st_ino for path in place.rglob("*")}
        act(place)
        self.storage.settle(str(self.slot), keep=trusted)
        warm.remove(str(self.slot))
        return found


@pytest.fixture
def task(storage: Storage, tmp_path: Path) -> Task:
    return Task(storage, tmp_path / "slot")


def kept(top: Path) -> list[Path]:
    """The checkouts that wait for their next task."""
    return list((top / "work/warm").glob("*/*/*"))


ONE: Files = {"a": b"1", "d/b": b"2", "d/e/c": b"3", "s/x": b"run"}


def test_what_did_not_change_is_the_same_file(task: Task, commit: Callable[[Files], bytes]) -> None:
    assert task(commit(ONE)) == ONE
    before = task.inodes
    two = {"a": b"new", "d/b": b"2", "f": b"4"}
    assert task(commit(two)) == two
    assert task.inodes["d/b"] == before["d/b"]
    assert set(task.inodes) == {"a", "d", "d/b", "f"}, "no empty directory stays"


def test_a_file_where_a_directory_was_and_back(task: Task, commit: Callable[[Files], bytes]) -> None:
    for files in ({"a/b": b"1", "c": b"2"}, {"a": b"1", "c/d": b"2"}, {"a/b": b"1", "c": b"2"}, {}):
        assert task(commit(files)) == files


def test_the_bit_that_says_executable(task: Task, commit: Callable[[Files], bytes], tmp_path: Path) -> None:
    modes: list[bool] = []
    task(commit(ONE))
    task(commit({**ONE, "n-x": b"run"}), lambda place: modes.append(os.access(place / "n-x", os.X_OK)))
    task(commit(ONE), lambda place: modes.append(os.access(place / "s/x", os.X_OK)))
    assert modes == [True, True]


TRICKS: dict[str, Callable[[Path], object]] = {
    "write": lambda place: (place / "d/b").write_bytes(b"X"),
    "write as long, with the old times": lambda place: _forge(place / "d/b"),
    "add": lambda place: (place / "d/e/new").touch(),
    "delete": lambda place: (place / "a").unlink(),
    "rename": lambda place: (place / "a").rename(place / "z"),
    "swap": lambda place: [(place / "a").rename(place / "z"), (place / "z").rename(place / "a")],
    "mode": lambda place: (place / "a").chmod(0o600),
    "link": lambda place: os.link(place / "a", place.parent.parent / "elsewhere"),
    "empty directory": lambda place: (place / "d/nothing").mkdir(),
    "gone": lambda place: warm.remove(str(place)),
}


def _forge(path: Path) -> None:
    times = path.stat()
    path.write_bytes(b"X" * times.st_size)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize("trick", TRICKS)
def test_what_a_task_does_to_its_inputs_ends_with_it(
    task: Task, commit: Callable[[Files], bytes], tmp_path: Path, trick: str
) -> None:
    root = commit(ONE)
    task(root)
    assert kept(tmp_path)
    assert task(root, TRICKS[trick]) == ONE
    assert not kept(tmp_path)
    assert task(root) == ONE


def test_a_task_that_failed_is_not_trusted(task: Task, commit: Callable[[Files], bytes], tmp_path: Path) -> None:
    task(commit(ONE), trusted=False)
    assert not kept(tmp_path)


def test_two_at_a_time_each_have_their_own(
    storage: Storage, task: Task, commit: Callable[[Files], bytes], tmp_path: Path
) -> None:
    root = commit(ONE)
    task(root)
    other = Task(storage, tmp_path / "other")

    def meanwhile(place: Path) -> None:
        assert other(root, TRICKS["write"]) == ONE

    assert task(root, meanwhile) == ONE
    assert task(root) == ONE


def test_a_start_of_the_machine_begins_anew(
    task: Task, commit: Callable[[Files], bytes], storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = commit(ONE)
    task(root)
    (there,) = kept(tmp_path)
    (there / "a").write_bytes(b"torn")
    monkeypatch.setattr(storage, "_warm", warm.Warm(str(tmp_path / "work"), "another boot"))
    assert task(root) == ONE


def test_a_commit_that_is_gone_is_no_help_and_no_harm(
    task: Task, commit: Callable[[Files], bytes], tmp_path: Path
) -> None:
    root = commit(ONE)
    task(root)
    (there,) = kept(tmp_path)
    there.rename(there.with_name("1e" + "00" * 32))
    assert task(root) == ONE


def test_only_so_many_are_kept(
    storage: Storage, commit: Callable[[Files], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warm, "MOST", 2)
    for number in range(4):
        storage.lay_out_inputs([whole(commit({"a": b"%d" % number}))], str(tmp_path), ("p", f"s{number}"))
        storage.settle(str(tmp_path), keep=True)
    assert len(kept(tmp_path)) == 2


def test_a_device_that_is_nearly_full_keeps_none(
    task: Task, commit: Callable[[Files], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warm, "FREE", 1.1)
    task(commit(ONE))
    assert not kept(tmp_path)
