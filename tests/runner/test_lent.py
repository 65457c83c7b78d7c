"""Commands on a node that is lent, as one of Dask's workers has them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from penstock.runner import lent
from penstock.runner.lent import children, end, run

Begin = Callable[..., threading.Thread]


@pytest.fixture
def begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Begin]:
    """Begin a command in a thread, as Dask does."""
    monkeypatch.setattr(lent, "_ended", {})
    threads = []

    def start(id: str, *argv: str, output: str = "out") -> threading.Thread:
        words = (id, argv, str(tmp_path), str(tmp_path / output), 3, 1000)
        thread = threading.Thread(target=partial(run, *words))
        thread.start()
        threads.append(thread)
        return thread

    yield start
    end([id for id in children() if children()[id] == ""])
    for thread in threads:
        thread.join(20)


def until(there: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_it_runs_and_tells_how_it_ended(begin: Begin, tmp_path: Path) -> None:
    begin("a-1", "sh", "-c", 'echo "$PENSTOCK_ELEMENT $PWD"').join(20)
    begin("b-1", "sh", "-c", "exit 9").join(20)
    begin("c-1", "true", output="none/out").join(20)
    assert (tmp_path / "out").read_text() == f"3 {tmp_path}\n"
    told = children()
    assert (told["a-1"], told["b-1"]) == ("COMPLETED", "FAILED (9)")
    assert told["c-1"].startswith("FAILED ([Errno 2] No such file")


def test_what_runs_is_ended_by_its_id_or_that_of_all(begin: Begin) -> None:
    threads = [begin(f"{name}_{number}", "sleep", "1000") for name in ("d", "e") for number in (0, 1)]
    until(lambda: len(children()) == 4)
    assert set(children().values()) == {""}
    end(["d", "e_1"])
    until(lambda: list(children().values()).count("") == 1)
    assert children()["e_0"] == ""
    end(["e"])
    for thread in threads:
        thread.join(20)
    assert set(children().values()) == {"FAILED (143)"}


def test_what_was_ended_before_it_began_does_not_begin(begin: Begin, tmp_path: Path) -> None:
    end(["f-1"])
    begin("f-1_7", "touch", "there").join(20)
    assert children() == {"f-1_7": "CANCELLED"}
    assert not (tmp_path / "there").exists()


def test_what_runs_is_not_begun_again(begin: Begin, tmp_path: Path) -> None:
    first = begin("h-1", "sleep", "1000")
    until(lambda: children() == {"h-1": ""})
    begin("h-1", "touch", "there").join(20)
    assert children() == {"h-1": ""}
    assert first.is_alive() and not (tmp_path / "there").exists()


def test_only_the_last_are_remembered(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lent, "KEPT", 2)
    end(["g"])
    for number in range(4):
        begin(f"g_{number}", "true").join(20)
    assert list(children()) == ["g_2", "g_3"]
