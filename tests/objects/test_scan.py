"""The stat cache: cheap when nothing changed, never fooled."""

from __future__ import annotations

import os
import random
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from penstock.model.data import EMPTY, Entry
from penstock.model.errors import BadOutput
from penstock.objects import checkout, scan, tree
from penstock.objects.scan import Scan
from penstock.objects.store import Objects


def take_all(path: str, is_directory: bool) -> bool:
    return False


def changed(found: Scan) -> list[str]:
    return sorted(within + name for within, name, _ in found.changed())


class World:
    """A linked directory, its cache and a store; the clock of scans stands in the future unless told otherwise."""

    def __init__(self, top: Path) -> None:
        self.store = top / "objects"
        self.objects = Objects.create(self.store)
        self.directory = top / "linked"
        self.directory.mkdir()
        self.cache = top / "stat.cache"
        self.later = 10 * scan.SECOND

    def write(self, path: str, text: str) -> None:
        target = self.directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def scan(self, skip: Callable[[str, bool], bool] = take_all) -> Scan:
        real = time.time_ns
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(time, "time_ns", lambda: real() + self.later)
            return scan.scan(self.directory, self.cache, skip)

    def changed(self) -> list[str]:
        return changed(self.scan())

    def commit(self) -> bytes:
        return self.scan().commit(self.objects.blobs)

    def truth(self) -> bytes:
        """The root, with no help of a cache."""
        with self.objects.writer() as writer:
            return tree.build(self.objects.writing(writer), checkout.collect(writer, self.directory))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.write("a.txt", "a")
    made.write("sub/b.txt", "b")
    made.write("sub/deep/c.txt", "c")
    (made.directory / "sub/link").symlink_to("../a.txt")
    yield made
    made.objects.close()


def test_the_first_scan_finds_all(world: World) -> None:
    found = world.scan()
    assert changed(found) == ["a.txt", "sub/b.txt", "sub/deep/c.txt", "sub/link"]
    assert list(found.removed()) == []
    root = found.commit(world.objects.blobs)
    assert root == world.truth()
    assert tree.lookup(world.objects.pages, root, "sub/link") == Entry(target="../a.txt")


def test_no_change_writes_nothing(world: World, tmp_path: Path) -> None:
    root = world.commit()

    def look() -> dict[Path, tuple[int, int]]:
        paths = (path for path in tmp_path.rglob("*") if not path.name.startswith("index.db"))
        # The cache shows when it was last of use.
        return {path: (path.stat().st_ino, path != world.cache and path.stat().st_mtime_ns) for path in paths}

    before = look()
    found = world.scan()
    assert (changed(found), list(found.removed())) == ([], [])
    assert found.commit(world.objects.blobs) == root
    assert look() == before


def test_changes_are_named(world: World) -> None:
    world.commit()
    world.write("a.txt", "changed")
    world.write("new/d.txt", "d")
    (world.directory / "sub/deep/c.txt").unlink()
    (world.directory / "sub/link").unlink()
    (world.directory / "sub/link").symlink_to("b.txt")
    (world.directory / "sub/b.txt").chmod(0o755)
    found = world.scan()
    assert changed(found) == ["a.txt", "new/d.txt", "sub/b.txt", "sub/link"]
    assert list(found.removed()) == ["sub/deep/c.txt"]
    assert found.commit(world.objects.blobs) == world.truth()
    assert world.changed() == []


def test_same_size_and_time_is_not_the_same_file(world: World) -> None:
    world.commit()
    told = (world.directory / "a.txt").stat()
    world.write("a.txt", "A")
    os.utime(world.directory / "a.txt", ns=(told.st_atime_ns, told.st_mtime_ns))
    assert world.changed() == ["a.txt"]
    world.commit()
    (world.directory / "twin").write_text("Z")
    os.utime(world.directory / "twin", ns=(told.st_atime_ns, told.st_mtime_ns))
    os.rename(world.directory / "twin", world.directory / "a.txt")
    assert world.changed() == ["a.txt"]
    assert world.commit() == world.truth()


def test_a_touch_changes_no_tree(world: World) -> None:
    root = world.commit()
    os.utime(world.directory / "a.txt")
    found = world.scan()
    assert changed(found) == ["a.txt"]
    assert found.commit(world.objects.blobs) == root
    assert world.changed() == []


def test_a_file_as_young_as_the_scan_is_read_again(world: World) -> None:
    world.later = -10 * scan.SECOND
    root = world.commit()
    assert len(world.changed()) == 4, "their time stamps prove nothing"
    world.later = 10 * scan.SECOND
    assert world.commit() == root
    assert world.changed() == []


def test_files_and_directories_change_places(world: World) -> None:
    world.commit()
    (world.directory / "a.txt").unlink()
    world.write("a.txt/inside", "x")
    (world.directory / "sub/deep/c.txt").unlink()
    (world.directory / "sub/deep").rmdir()
    world.write("sub/deep", "now a file")
    (world.directory / "sub/link").unlink()
    assert world.commit() == world.truth()


def test_skip(world: World) -> None:
    asked: list[tuple[str, bool]] = []

    def skip(path: str, is_directory: bool) -> bool:
        asked.append((path, is_directory))
        return path in ("a.txt", "sub/deep")

    found = world.scan(skip)
    assert changed(found) == ["sub/b.txt", "sub/link"]
    assert set(asked) == {
        ("a.txt", False),
        ("sub", True),
        ("sub/b.txt", False),
        ("sub/deep", True),
        ("sub/link", False),
    }
    found.commit(world.objects.blobs)
    assert world.changed() == ["a.txt", "sub/deep/c.txt"]


@pytest.mark.parametrize("damage", [b"", b"\xff" * 100, None, b"half"])
def test_a_lost_cache(world: World, damage: bytes | None) -> None:
    root = world.commit()
    if damage is None:
        world.cache.unlink()
    else:
        data = world.cache.read_bytes()
        world.cache.write_bytes(data[: len(data) // 2] if damage == b"half" else damage)
    found = world.scan()
    assert len(changed(found)) == 4
    assert found.commit(world.objects.blobs) == root
    assert world.changed() == []


def test_a_lost_store(world: World, tmp_path: Path) -> None:
    root = world.commit()
    world.objects.close()
    world.objects = Objects.create(tmp_path / "other")
    found = world.scan()
    assert changed(found) == []
    assert found.commit(world.objects.blobs) == root
    assert dict(tree.files(world.objects.pages, root)).keys() == {"a.txt", "sub/b.txt", "sub/deep/c.txt", "sub/link"}
    assert list(world.objects.blobs.check(data=True)) == []


def test_an_empty_directory(tmp_path: Path) -> None:
    world = World(tmp_path)
    assert world.commit() == EMPTY
    assert world.commit() == EMPTY
    world.write("x", "x")
    world.commit()
    (world.directory / "x").unlink()
    assert list(world.scan().removed()) == ["x"]
    assert world.commit() == EMPTY
    world.objects.close()


def test_what_cannot_be_kept_is_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    root = world.commit()
    monkeypatch.chdir(world.directory)

    def refused(path: str, match: str) -> None:
        with pytest.raises(BadOutput, match=match):
            world.commit()
        os.unlink(path)

    os.symlink("/etc/passwd", "sub/out")
    refused("sub/out", "'sub/out' leads out")
    os.mkfifo("sub/pipe")
    refused("sub/pipe", "'sub/pipe' is neither")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("sub/socket")
        refused("sub/socket", "'sub/socket' is neither")
    world.write("bad\nname", "x")
    refused("bad\nname", "control character")
    with open(b"\xff", "wb"):
        pass
    refused(os.fsdecode(b"\xff"), "UTF-8")
    # nothing half-done: the cache still stands for the old tree
    assert world.changed() == []
    assert world.commit() == root


def test_a_file_that_changes_after_the_scan(world: World) -> None:
    world.commit()
    world.write("a.txt", "one")
    found = world.scan()
    world.write("a.txt", "other")
    assert found.commit(world.objects.blobs) == world.truth()
    assert world.commit() == world.truth()

    world.write("a.txt", "three")
    found = world.scan()
    (world.directory / "a.txt").unlink()
    with pytest.raises(BadOutput, match="'a.txt' went away"):
        found.commit(world.objects.blobs)
    assert world.commit() == world.truth()


def test_a_directory_that_is_not_there(world: World, tmp_path: Path) -> None:
    with pytest.raises(BadOutput, match="nowhere/ cannot be read"):
        scan.scan(tmp_path / "nowhere", world.cache, take_all)


def test_a_full_disk_keeps_the_old_cache(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.commit()
    data = world.cache.read_bytes()
    for number in range(20):  # so much that the cache is made anew
        world.write(f"{number:0200}.txt", "changed")

    def full(*_: object) -> None:
        raise OSError("full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(OSError, match="full"):
            world.commit()
    assert world.cache.read_bytes() == data
    assert [path.name for path in world.cache.parent.glob("stat*")] == [world.cache.name]
    assert world.commit() == world.truth()


def test_a_change_writes_its_directory_alone(world: World) -> None:
    for number in range(100):
        world.write(f"{number}/a.txt", "as it was")
    world.commit()
    before = world.cache.read_bytes()
    world.write("7/a.txt", "changed")
    (world.directory / "8/a.txt").unlink()
    assert world.commit() == world.truth()
    after = world.cache.read_bytes()
    assert after.startswith(before)
    assert len(after) - len(before) < 250
    assert world.commit() == world.truth()


def test_a_cache_does_not_grow_for_ever(world: World) -> None:
    world.write("a.txt", "as it was")
    world.commit()
    once = world.cache.stat().st_size
    for number in range(50):
        world.write("a.txt", f"changed {number}")
        assert world.commit() == world.truth()
        assert world.cache.stat().st_size <= 2 * once + 100  # what stands around the last record


def test_a_torn_frame_does_not_count(world: World) -> None:
    for number in range(30):
        world.write(f"{number}/a.txt", "as it was")
    world.commit()
    first = world.cache.stat().st_size
    world.write("1/a.txt", "changed")
    root = world.commit()
    whole = world.cache.read_bytes()
    for size in range(first, len(whole)):
        world.cache.write_bytes(whole[:size])
        assert world.commit() == root
        assert world.cache.read_bytes()[:first] == whole[:first]


def test_a_frame_counts_after_its_own_alone(world: World) -> None:
    """Two scans began at the same time, and the second one saves on top of what the first has made anew."""
    for number in range(30):
        world.write(f"{number}/a.txt", "as it was")
    world.commit()
    world.write("1/a.txt", "seen by both")
    late = world.scan()
    world.write("2/a.txt", "seen by one")
    world.commit()
    late.commit(world.objects.blobs)
    assert world.commit() == world.truth()


def test_any_history(tmp_path: Path) -> None:
    """Random writing, removing and renaming, with a scan now and then."""
    world = World(tmp_path)
    chance = random.Random(7)
    names = [f"{top}/{name}" for top in ("d", "e/f", "g") for name in "abcde"]
    for step in range(150):
        path = world.directory / chance.choice(names)
        match chance.randrange(5):
            case 0 | 1 | 2:
                world.write(str(path.relative_to(world.directory)), str(chance.randrange(4)))
            case 3:
                path.unlink(missing_ok=True)
            case 4 if path.exists():
                other = world.directory / chance.choice(names)
                other.parent.mkdir(parents=True, exist_ok=True)
                os.rename(path, other)
        if step % 5 == 0:
            # now and then the clock proves nothing
            world.later = chance.choice([10, -10]) * scan.SECOND
            assert world.commit() == world.truth()
    world.objects.close()
