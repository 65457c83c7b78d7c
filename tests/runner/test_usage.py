"""What running commands use, and commands that run in a view of their own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from penstock.model.errors import BadCommand, PenstockError
from penstock.runner import namespace
from penstock.runner.base import Launch, View
from penstock.runner.process import Processes

#: Says when it has used so much, and stays until it may read on.
BUSY = "import sys; x = bytearray({size}); sum(range({work})); print(flush=True); sys.stdin.readline()"


@pytest.fixture
def runner() -> Iterator[Processes]:
    found = Processes()
    yield found
    found.close()


class Pipes:
    """Standard input and output of a command, held by the test."""

    def __init__(self) -> None:
        self.stdin, self.go = os.pipe()
        self.heard, self.stdout = os.pipe()

    def close(self) -> None:
        for descriptor in (self.stdin, self.go, self.heard, self.stdout):
            os.close(descriptor)


@pytest.fixture
def pipes() -> Iterator[Pipes]:
    found = Pipes()
    yield found
    found.close()


@pytest.fixture
def start(runner: Processes, pipes: Pipes) -> Callable[..., int]:
    def begin(*argv: str, view: View | None = None, answers: int | None = None, cwd: str | None = None) -> int:
        out = pipes.stdout
        return runner.start(Launch(argv, dict(os.environ), cwd, pipes.stdin, out, out, answers=answers, view=view))

    return begin


def test_of_a_command_and_its_children(runner: Processes, pipes: Pipes, start: Callable[..., int]) -> None:
    child = BUSY.format(size=60_000_000, work=3_000_000)
    parent = f"import subprocess, sys; x = bytearray(60_000_000); subprocess.run([sys.executable, '-c', {child!r}])"
    handle = start(sys.executable, "-c", parent)
    assert os.read(pipes.heard, 10) == b"\n"
    usage = runner.measure(handle, afresh=True)
    assert 120e6 < usage.memory < 250e6
    assert 60e6 < usage.peak < 110e6, "the peak is of the command alone"
    assert usage.cpu_seconds > 0.03
    os.write(pipes.go, b"\n")
    ((end,), _) = runner.poll(20.0)
    assert end.exit_code == 0


def test_a_peak_that_is_forgotten(runner: Processes, pipes: Pipes, start: Callable[..., int]) -> None:
    step = "x = bytearray(size); del x; print(flush=True); sys.stdin.readline()"
    program = f"import sys\nfor size in (90_000_000, 10): {step}"
    handle = start(sys.executable, "-u", "-c", program)
    assert os.read(pipes.heard, 1) == b"\n"
    assert runner.measure(handle, afresh=True).peak > 90e6
    os.write(pipes.go, b"\n")
    assert os.read(pipes.heard, 1) == b"\n"
    assert runner.measure(handle).peak < 60e6


def test_the_third_descriptor_is_for_answers(pipes: Pipes, start: Callable[..., int], runner: Processes) -> None:
    heard, say = os.pipe()
    start("sh", "-c", "echo yes >&3", answers=say)
    os.close(say)
    assert os.read(heard, 10) == b"yes\n"
    os.close(heard)
    start("sh", "-c", "test ! -e /proc/self/fd/3")
    assert [end.exit_code for _ in range(2) for end in runner.poll(10.0)[0]][-1] == 0


def made(folder: Path) -> View:
    for name in ("root", "in", "out"):
        (folder / name).mkdir()
    (folder / "in" / "a").write_text("1")
    try:
        view = namespace.Namespace(str(folder / "root"))
    except PenstockError as error:
        pytest.skip(str(error))
    return View(view, {"in": str(folder / "in"), "out": str(folder / "out")})


def test_a_view_is_entered_with_everything_else_as_always(
    runner: Processes, start: Callable[..., int], tmp_path: Path
) -> None:
    view = made(tmp_path)
    script = 'cp /pfs/in/a /pfs/out/b && test "$(pwd)" = "$0" && kill -TERM $$'
    handle = start("sh", "-c", script, str(tmp_path), view=view, cwd=str(tmp_path))
    assert os.getpgid(handle) == handle
    ((end,), _) = runner.poll(20.0)
    view.namespace.close()
    assert (end.handle, end.exit_code) == (handle, -15)
    assert (tmp_path / "out" / "b").read_text() == "1"


@pytest.mark.parametrize(
    ("argv", "places", "why"),
    [
        (("no-such-program",), {}, "no program of that name"),
        (("/etc/passwd",), {}, "is not executable"),
        (("true",), {"gone": "/no/such/place"}, "cannot mount /pfs/gone"),
        (("true", "a\0b"), {}, "cannot be started"),
    ],
)
def test_what_cannot_start_in_a_view(
    runner: Processes,
    start: Callable[..., int],
    tmp_path: Path,
    argv: tuple[str, ...],
    places: dict[str, str],
    why: str,
) -> None:
    view = made(tmp_path)
    with pytest.raises(BadCommand, match=why):
        start(*argv, view=View(view.namespace, places), cwd=str(tmp_path))
    view.namespace.close()
    assert runner.poll(0) == ([], [])
