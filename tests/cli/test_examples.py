"""`new --example`: what it writes, what it refuses, and that the example works."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest

from penstock.cli import examples

Penstock = Callable[..., Any]


def installed(monkeypatch: pytest.MonkeyPatch, found: Callable[[str], ModuleSpec | None]) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", found)


def test_names_are_told(penstock: Penstock) -> None:
    for words in (["new", "demo"], ["new", "demo", "--example", "image"]):
        done = penstock(*words)
        assert done.code == 2
        assert "--example images (" in done.err


def test_a_missing_package_is_named(penstock: Penstock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    installed(monkeypatch, lambda name: None)
    done = penstock("new", "demo", "--example", "images")
    assert done.code == 3
    assert "needs cv2, numpy, skimage: `pip install 'penstock[examples]'`" in done.err
    assert not (tmp_path / "demo").exists()


def test_files_are_copied_and_borrowed(penstock: Penstock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "skimage"
    (package / "data").mkdir(parents=True)
    for _, name in examples.find("images").borrows.values():
        (package / name).write_bytes(name.encode())
    spec = ModuleSpec("skimage", None, is_package=True)
    spec.submodule_search_locations = [str(package)]
    installed(monkeypatch, lambda name: spec)
    done = penstock("new", "demo", "--example", "images", "--json")
    assert done.code == 0
    assert set(done.json["files"]) == {
        str(path.relative_to(tmp_path / "demo")) for path in (tmp_path / "demo").rglob("*") if path.is_file()
    } - {f".penstock/{path.name}" for path in (tmp_path / "demo/.penstock").iterdir()}
    assert (tmp_path / "demo/photos/cat.png").read_bytes() == b"data/chelsea.png"
    assert not (tmp_path / "demo/example.json").exists()
    assert penstock("new", "demo", "--example", "images").code == 3
    shutil.rmtree(package)
    assert "has no data/" in penstock("new", "other", "--example", "images").err
    assert not (tmp_path / "other").exists()


@pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("cv2", "skimage")), reason="the examples' packages are missing"
)
def test_images_works_on_what_changed(penstock: Penstock, tmp_path: Path) -> None:
    def counts(*words: str) -> dict[str, tuple[int, int, int]]:
        run = penstock("-C", "demo", "run", "--json", *words).json
        assert run["state"] == "success"
        tasks = {job["step"]: job["tasks"] for job in run["jobs"]}
        return {step: (task["processed"], task["reused"], task["total"]) for step, task in tasks.items()}

    assert penstock("new", "demo", "--example", "images").code == 0
    demo = tmp_path / "demo"
    assert counts() == {"edges": (3, 0, 3), "montage": (1, 0, 1)}
    shutil.copy(demo / "more/astronaut.png", demo / "photos")
    assert counts() == {"edges": (1, 3, 4), "montage": (1, 0, 1)}
    assert counts() == {"edges": (0, 4, 4), "montage": (0, 1, 1)}
    with open(demo / "picture.py", "a") as file:
        file.write("# changed\n")
    assert counts() == {"edges": (4, 0, 4), "montage": (1, 0, 1)}
    assert penstock("-C", "demo", "ls", "edges").out.split() == ["astronaut.png", "cat.png", "coffee.png", "rocket.png"]
