"""Layouts of frozen code: whose they are, what was opened and changed in them, what becomes of them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from penstock.runner import inotify
from penstock.runner.inotify import Inotify
from penstock.worker import code as code_module
from penstock.worker.code import Code

ROOT, NEXT = b"\x1e" + b"r" * 32, b"\x1e" + b"n" * 32
TREES = {
    ROOT: {"main.py": "main", "lib/a.py": "a", "lib/b.json": "b"},
    NEXT: {"main.py": "new", "lib/a.py": "a", "lib/b.json": "b"},
}


class Trees:
    """Writes small trees and notes what was asked of it."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def lay_out(self, root: bytes, folder: str) -> None:
        self.done.append("lay out")
        for path, text in TREES[root].items():
            place = Path(folder, path)
            place.parent.mkdir(exist_ok=True)
            place.write_text(text)

    def move(self, old: bytes, new: bytes, folder: str) -> None:
        self.done.append("move")
        for path, text in TREES[new].items():
            if TREES[old].get(path) != text:
                Path(folder, path).write_text(text)

    def differing(self, root: bytes, folder: str, paths: Collection[str] | None) -> list[str]:
        there = {path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file()}
        there = {path for path in there if "__pycache__" not in path}
        looked_at = there | TREES[root].keys() if paths is None else paths
        found = {path: Path(folder, path).read_text() for path in there}
        return sorted(path for path in looked_at if found.get(path) != TREES[root].get(path))


@pytest.fixture
def trees() -> Trees:
    return Trees()


@pytest.fixture
def code(tmp_path: Path, trees: Trees) -> Iterator[Code]:
    made = Code(str(tmp_path), str(tmp_path / "w"), trees)
    yield made
    made.close()


def idle(tmp_path: Path) -> list[str]:
    return [path.name for path in tmp_path.glob("code/*/*")]


def test_a_layout_is_the_slots_own_and_stays_for_its_next_attempt(code: Code, trees: Trees) -> None:
    places = [code.place(ROOT, slot) for slot in (0, 1, 0)]
    assert places[0] == places[2] != places[1]
    assert trees.done == ["lay out", "lay out"]
    assert code.strays(places[0]) == []


def test_what_is_opened_is_told_of_the_slot_that_did_it(code: Code) -> None:
    place, other = code.place(ROOT, 0), code.place(ROOT, 1)
    Path(place, "lib/b.json").read_text()
    assert code.strays(place) == []
    assert set(code.opened(place) or ()) == {"lib/b.json"}
    assert set(code.opened(other) or ()) == set()
    code.place(ROOT, 0)
    assert set(code.opened(place) or ()) == set()


def test_a_compiled_module_is_its_source(code: Code) -> None:
    place = code.place(ROOT, 0)
    cache = Path(place, "lib/__pycache__")
    cache.mkdir()
    assert code.strays(place) == []
    (cache / "a.cpython-312.pyc").write_text("compiled")
    assert code.strays(place) == []
    code.place(ROOT, 0)
    (cache / "a.cpython-312.pyc").read_text()
    assert code.strays(place) == []
    assert set(code.opened(place) or ()) == {"lib/a.py"}


@pytest.mark.parametrize("stray", ["stray", "lib/stray", "lib/a.py"])
def test_a_stray_is_named_and_the_layout_made_again(code: Code, trees: Trees, stray: str) -> None:
    place, other = code.place(ROOT, 0), code.place(ROOT, 1)
    Path(place, stray).write_text("x")
    assert code.strays(other) == []
    assert code.strays(place) == [stray]
    assert not os.path.exists(place)
    assert code.place(ROOT, 0) == place
    assert Path(place, "lib/a.py").read_text() == "a"
    assert code.strays(place) == []
    assert trees.done == ["lay out"] * 3


def test_what_was_removed_is_named_and_what_was_there_for_a_moment_is_not(code: Code) -> None:
    place = code.place(ROOT, 0)
    Path(place, "moment").write_text("x")
    Path(place, "moment").unlink()
    assert code.strays(place) == []
    Path(place, "main.py").unlink()
    assert code.strays(place) == ["main.py"]


def test_what_is_changed_between_two_attempts_is_of_neither(code: Code, trees: Trees) -> None:
    place = code.place(ROOT, 0)
    Path(place, "late").write_text("x")
    assert code.place(ROOT, 0) == place
    assert not Path(place, "late").exists()
    assert code.strays(place) == []


def test_a_slot_moves_its_layout_to_the_next_code(code: Code, trees: Trees) -> None:
    first = code.place(ROOT, 0)
    Path(first, "lib/__pycache__").mkdir()
    second = code.place(NEXT, 0)
    assert trees.done == ["lay out", "move"]
    assert not os.path.exists(first)
    assert Path(second, "main.py").read_text() == "new"
    assert not Path(second, "lib/__pycache__").exists()
    assert code.strays(second) == []
    Path(second, "main.py").read_text()
    assert code.strays(second) == []
    assert set(code.opened(second) or ()) == {"main.py"}


def test_a_layout_outlives_its_worker_unless_it_was_changed(tmp_path: Path, trees: Trees) -> None:
    first = Code(str(tmp_path), str(tmp_path / "w"), trees)
    first.place(ROOT, 0)
    Path(first.place(ROOT, 1), "late").write_text("x")
    first.close()
    assert idle(tmp_path) == [f"{ROOT.hex()}.w-0"]
    second = Code(str(tmp_path), str(tmp_path / "v"), trees)
    assert Path(second.place(ROOT, 0), "main.py").read_text() == "main"
    assert trees.done == ["lay out"] * 2
    assert idle(tmp_path) == []
    second.leave(second.place(ROOT, 0))
    assert idle(tmp_path) == [f"{ROOT.hex()}.v-0"]
    second.close()


def test_a_layout_that_fails_leaves_nothing(tmp_path: Path, code: Code, trees: Trees) -> None:
    def fail(root: bytes, folder: str) -> None:
        Path(folder, "half").touch()
        raise OSError(28, "No space left on device")

    trees.lay_out = fail  # type: ignore[method-assign]
    with pytest.raises(OSError, match="No space"):
        code.place(ROOT, 0)
    assert [path for path in tmp_path.rglob("*") if path.name.startswith(ROOT.hex())] == []


def test_a_layout_that_cannot_be_moved_is_made(code: Code, trees: Trees, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(old: bytes, new: bytes, folder: str) -> None:
        shutil.rmtree(folder)
        raise OSError("gone")

    monkeypatch.setattr(trees, "move", fail)
    code.place(ROOT, 0)
    assert Path(code.place(NEXT, 0), "main.py").read_text() == "new"


def no_watch() -> Inotify:
    raise OSError(24, "Too many open files")


def test_where_nothing_can_be_watched_nobody_knows_what_was_opened(tmp_path: Path, trees: Trees) -> None:
    code = Code(str(tmp_path), str(tmp_path / "w"), trees, no_watch)
    place = code.place(ROOT, 0)
    assert code.strays(place) == []
    assert code.opened(place) is None
    Path(place, "lib/a.py").write_text("x")
    assert code.strays(place) == ["lib/a.py"]
    assert code.place(ROOT, 0) == place
    assert code.strays(place) == []
    code.close()
    assert idle(tmp_path) == []


def test_too_much_at_once_is_known_not_to_be_known(code: Code, monkeypatch: pytest.MonkeyPatch) -> None:
    place = code.place(ROOT, 0)
    told = [[(-1, inotify.OVERFLOW, "")], []]
    monkeypatch.setattr(Inotify, "events", lambda self: iter(told.pop(0) if told else ()))
    assert code.strays(place) == []
    assert code.opened(place) is None
    code.place(ROOT, 0)
    assert code.opened(place) is not None


def test_links_are_told_with_where_they_lead(code: Code, trees: Trees, monkeypatch: pytest.MonkeyPatch) -> None:
    def with_links(root: bytes, folder: str) -> None:
        Trees.lay_out(trees, root, folder)
        for name, target in (("conf", "lib"), ("again", "conf"), ("out", "/etc"), ("ring", "ring")):
            os.symlink(target, f"{folder}/{name}")

    monkeypatch.setattr(trees, "lay_out", with_links)
    place = code.place(ROOT, 0)
    assert code.links(place) == {"conf": "lib", "again": "lib", "ring": "ring"}
    assert code_module.boot()


def test_a_layout_that_cannot_be_removed_makes_room(code: Code, trees: Trees, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(folder: str) -> None:
        raise PermissionError(1, "Operation not permitted")

    place = code.place(ROOT, 0)
    Path(place, "stray").write_text("x")
    with monkeypatch.context() as patch:
        patch.setattr(code_module, "remove", fail)
        assert code.strays(place) == ["stray"]
    assert code.place(ROOT, 0) == place
    assert not Path(place, "stray").exists()
