"""Slot directories: what an attempt finds in them and what it may not leave."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from penstock.worker.log import Log
from penstock.worker.slot import Slot


@pytest.fixture
def slot(tmp_path: Path) -> Iterator[Slot]:
    found = Slot(0, str(tmp_path / "work/0"), Log(str(tmp_path), "log"))
    found.prepare({})
    yield found
    found.close()


def test_what_an_attempt_finds(slot: Slot) -> None:
    assert sorted(os.listdir(slot.path)) == ["in", "out", "params.json"]
    assert Path(slot.variables["PENSTOCK_PARAMS"]).read_text() == "{}"
    assert slot.strays([]) == []
    assert not slot.wrote()


def test_parameters_are_written_when_they_differ(slot: Slot) -> None:
    file = Path(slot.variables["PENSTOCK_PARAMS"])
    before = file.stat().st_mtime_ns
    slot.prepare({})
    assert file.stat().st_mtime_ns == before
    slot.prepare({"a": "é"})
    assert json.loads(file.read_text()) == {"a": "é"}
    assert slot.strays([]) == []


def touch(name: str) -> Callable[[Slot], object]:
    return lambda slot: Path(slot.path, name).write_text("x")


@pytest.mark.parametrize(
    ("act", "names"),
    [
        (touch("stray"), ["stray"]),
        (touch("in/stray"), ["in/stray"]),
        (touch("params.json"), ["params.json"]),
        (lambda slot: os.unlink(f"{slot.path}/params.json"), ["params.json"]),
        (lambda slot: os.rmdir(slot.output), ["out"]),
        (lambda slot: (os.rmdir(slot.output), os.symlink("/etc", slot.output)), ["out"]),
        (lambda slot: os.rmdir(slot.input), ["in"]),
        (lambda slot: (touch("a")(slot), os.unlink(f"{slot.path}/a")), []),
        (touch("out/fine"), []),
    ],
)
def test_strays(slot: Slot, act: Callable[[Slot], object], names: list[str]) -> None:
    act(slot)
    assert slot.strays([]) == names
    slot.recycle(inputs=False, wrote=True, fresh=bool(names))
    slot.prepare({})
    assert slot.strays([]) == []
    assert not slot.wrote()
    assert os.listdir(slot.input) == os.listdir(slot.output) == []


def test_inputs_are_no_strays(slot: Slot) -> None:
    os.mkdir(f"{slot.input}/images")
    slot.seal_input()
    assert slot.strays(["images"]) == []
    Path(slot.input, "more").touch()
    assert slot.strays(["images"]) == ["in/more"]
    slot.recycle(inputs=True, wrote=False, fresh=False)
    assert os.listdir(slot.input) == []
    assert slot.strays([]) == []


def test_recycling_removes_read_only_directories(slot: Slot) -> None:
    deep = Path(slot.output, "a/b")
    deep.mkdir(parents=True)
    (deep / "file").touch()
    deep.chmod(0)
    (deep.parent).chmod(0o555)
    slot.recycle(inputs=False, wrote=True, fresh=False)
    assert os.listdir(slot.output) == []


def test_what_cannot_be_removed_is_left_behind(slot: Slot, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(slot.output, "stuck").touch()
    before = slot.path

    def refuse(path: str, *, dir_fd: int | None = None) -> None:
        raise PermissionError(1, "not permitted", path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", refuse)
        slot.recycle(inputs=False, wrote=True, fresh=False)
    slot.prepare({})
    assert slot.path != before
    assert os.listdir(slot.output) == []
    assert slot.variables["PENSTOCK_OUT"] == slot.output
