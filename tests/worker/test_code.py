"""Layouts of frozen code."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from penstock.worker.code import Code

ROOT = b"\x1e" + b"r" * 32


class Layouts:
    """Writes a small tree and counts how often."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, root: bytes, folder: str) -> None:
        self.count += 1
        assert root == ROOT
        Path(folder, "lib").mkdir()
        for name in ("main.py", "lib/a.py"):
            Path(folder, name).write_text(name)
            Path(folder, name).chmod(0o444)
        for place in (f"{folder}/lib", folder):
            os.chmod(place, 0o555)


@pytest.fixture
def lay_out() -> Layouts:
    return Layouts()


def make(tmp_path: Path, lay_out: Layouts, private: bool, name: str = "w") -> Code:
    return Code(str(tmp_path), str(tmp_path / name), lay_out, private)


def test_a_shared_layout_serves_all_slots_and_workers(tmp_path: Path, lay_out: Layouts) -> None:
    code = make(tmp_path, lay_out, private=False)
    place = code.place(ROOT, 0)
    assert Path(place, "lib/a.py").read_text() == "lib/a.py"
    assert code.place(ROOT, 1) == place
    assert make(tmp_path, lay_out, private=False, name="v").place(ROOT, 0) == place
    assert lay_out.count == 1
    assert code.strays(place) == []


def test_a_private_layout_is_the_slots_own(tmp_path: Path, lay_out: Layouts) -> None:
    code = make(tmp_path, lay_out, private=True)
    places = [code.place(ROOT, slot) for slot in (0, 1, 0)]
    assert places[0] == places[2] != places[1]
    assert lay_out.count == 2
    assert code.strays(places[0]) == []


@pytest.mark.parametrize("stray", ["stray", "lib/stray"])
def test_a_stray_is_named_and_the_layout_made_again(tmp_path: Path, lay_out: Layouts, stray: str) -> None:
    code = make(tmp_path, lay_out, private=True)
    place, other = code.place(ROOT, 0), code.place(ROOT, 1)
    os.chmod(Path(place, stray).parent, 0o755)
    Path(place, stray).touch()
    assert code.strays(other) == []
    assert code.strays(place) == [stray]
    assert not os.path.exists(place)
    assert code.place(ROOT, 0) == place
    assert sorted(os.listdir(place)) == ["lib", "main.py"]
    assert code.strays(place) == []


def test_what_was_removed_is_named_too(tmp_path: Path, lay_out: Layouts) -> None:
    code = make(tmp_path, lay_out, private=True)
    place = code.place(ROOT, 0)
    os.chmod(place, 0o755)
    os.unlink(f"{place}/main.py")
    assert code.strays(place) == ["main.py"]


def test_what_python_caches_is_no_stray(tmp_path: Path, lay_out: Layouts) -> None:
    code = make(tmp_path, lay_out, private=True)
    place = code.place(ROOT, 0)
    os.chmod(place, 0o755)
    Path(place, "__pycache__").mkdir()
    assert code.strays(place) == []
    assert Path(place, "__pycache__").exists()


def test_a_layout_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail(root: bytes, folder: str) -> None:
        Path(folder, "half").touch()
        raise OSError(28, "No space left on device")

    for private in (False, True):
        code = Code(str(tmp_path), str(tmp_path / "w"), fail, private)
        with pytest.raises(OSError, match="No space"):
            code.place(ROOT, 0)
    assert [path for path in tmp_path.rglob("*") if path.name.startswith(ROOT.hex())] == []
