"""The executor alone, on a runner that starts nothing and storage that fails on demand."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.model.data import EMPTY
from penstock.model.wire import Assignment, Batch, Input, Recipe, Result
from penstock.runner.base import Ended, Launch
from penstock.runner.dry import Dry
from penstock.worker.execute import Executor
from penstock.worker.log import Log
from penstock.worker.servers import Servers
from penstock.worker.slot import Slot

#: Bytes that a task may use, far more than a test does.
LIMIT = 1 << 40


class Storage:
    """Keeps nothing; a full disk at will."""

    def __init__(self) -> None:
        self.full: set[str] = set()
        self.opened = 0
        self.closed = 0

    def _need_room(self, verb: str) -> None:
        if verb in self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def lay_out_inputs(self, inputs: tuple[Input, ...], folder: str, step: tuple[str, str] | None) -> int:
        self._need_room("lay_out")
        return 0

    def settle(self, folder: str, keep: bool) -> None:
        """Nothing was lent."""

    def collect(self, folder: str) -> tuple[bytes, int, int]:
        self._need_room("collect")
        return b"\x1eroot", len(os.listdir(folder)), 1

    def seal(self) -> tuple[str, ...]:
        self._need_room("seal")
        return ("pack",)

    def close(self) -> None:
        self.closed += 1


class NoCode:
    def strays(self, folder: str) -> list[str]:
        return []

    def look(self) -> None: ...

    def close(self) -> None: ...


def answer(launch: Launch) -> Ended:
    if launch.argv[0] in ("starved", "large", "small"):  # and its exit code
        peak = {"starved": LIMIT, "large": LIMIT + 1, "small": LIMIT - 1}[launch.argv[0]]
        return Ended(0, int(launch.argv[1]), peak_memory=peak, starved=launch.argv[0] == "starved")
    if launch.argv == ("write",):
        Path(launch.env["PENSTOCK_OUT"], "file").write_text("x")
    return Ended(0, 0)


@pytest.fixture
def storage() -> Storage:
    return Storage()


@pytest.fixture
def executor(tmp_path: Path, storage: Storage) -> Iterator[Executor]:
    def parts() -> Any:
        storage.opened += 1
        return storage, NoCode()

    slots = [Slot(number, str(tmp_path / f"work/{number}"), Log(str(tmp_path), f"{number}.log")) for number in range(3)]
    dry = Dry(answer)
    servers = Servers(2, dry, lambda number: Log(str(tmp_path), f"{number}.batch.log"), str(tmp_path))
    found = Executor(slots, dry, servers, parts, {"PATH": "/bin"})
    yield found
    found.close()
    assert storage.closed == storage.opened


def run(executor: Executor, *argv: str, inputs: tuple[Input, ...] = (), tasks: int = 1, **more: Any) -> list[Result]:
    """Run a batch to its end."""
    recipe = Recipe("run", "step@run", "pipe", "step", argv, EMPTY, None, {}, True, 1, None, 0.2, **more)
    executor.add(Batch(1, recipe, tuple(Assignment(f"t{n}", f"a{n}", 1, {}, inputs) for n in range(tasks))))
    results: list[Result] = []
    while len(results) < tasks:
        executor.fill()
        for report in executor.reports():
            results += report.results
        if len(results) < tasks:
            executor.wait((), 5.0)
    return results


def test_plain_commands_need_no_storage(executor: Executor, storage: Storage) -> None:
    assert [result.outcome for result in run(executor, "true", tasks=20)] == ["succeeded"] * 20
    assert storage.opened == 0


@pytest.mark.parametrize("verb", ["collect", "seal"])
def test_a_full_disk_fails_what_has_output_and_nothing_else(executor: Executor, storage: Storage, verb: str) -> None:
    storage.full = {verb}
    for result in run(executor, "write", tasks=5):
        assert (result.outcome, result.reason, result.output, result.files) == ("failed", "output", EMPTY, 0)
        assert "no space left on the device holding .penstock" in result.message
    assert run(executor, "true")[0].outcome == "succeeded"
    storage.full = set()
    assert [result.outcome for result in run(executor, "write", tasks=5)] == ["succeeded"] * 5


def test_a_full_disk_while_inputs_are_laid_out(executor: Executor, storage: Storage) -> None:
    storage.full = {"lay_out"}
    (result,) = run(executor, "true", inputs=(Input("i", "", b"", True, b""),))
    assert (result.outcome, result.reason) == ("failed", "input")
    assert "no space left on the device" in result.message


def test_slots_that_vanish_are_made_again(executor: Executor, tmp_path: Path) -> None:
    assert run(executor, "write")[0].outcome == "succeeded"
    os.rename(tmp_path / "work", tmp_path / "gone")
    outcomes = [result.outcome for result in run(executor, "write", tasks=10)]
    assert outcomes[-1] == "succeeded"
    assert "failed" in outcomes


@pytest.mark.parametrize("code", [0, 1, 7, 137, -9])
@pytest.mark.parametrize("how", ["starved", "large"])
def test_a_limit_of_memory_that_was_broken_is_the_reason(executor: Executor, how: str, code: int) -> None:
    """Whoever of its processes was killed for it, and whatever the command then said, even that this is a success."""
    (told,) = run(executor, how, str(code), memory=LIMIT, accept_exit=(0, 7))
    assert (told.outcome, told.reason, told.exit_code) == ("failed", "memory", code)
    assert told.stats.peak_memory >= LIMIT
    (free,) = run(executor, how, str(code), accept_exit=(0, 7))
    assert free.reason != "memory" and (free.outcome == "succeeded") == (code in (0, 7))


def test_what_stays_below_it_is_as_it_says(executor: Executor) -> None:
    assert [run(executor, "small", code, memory=LIMIT)[0].reason for code in ("0", "3", "-9")] == [
        None,
        "exit",
        "signal",
    ]


def test_what_recovers_a_task_may_not_break_it_either(executor: Executor) -> None:
    (told,) = run(executor, "small", "3", memory=LIMIT, err_argv=("starved", "0"))
    assert (told.outcome, told.reason) == ("failed", "exit")
    (told,) = run(executor, "small", "3", memory=LIMIT, err_argv=("small", "0"))
    assert told.outcome == "recovered"
