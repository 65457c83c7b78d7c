"""A command on a leash: it ends with whoever holds that, and nothing of it is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .test_processes import alive, await_gone, await_text

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a shell on a leash, which may wait so long between asking and killing."""
    started: list[subprocess.Popen[str]] = []

    def begin(script: str, seconds: float = 1000, wait: float = 30.0) -> subprocess.Popen[str]:
        code = f"import sys; from penstock.runner import leash; sys.exit(leash.main(sys.argv[1:], {wait}))"
        words = [sys.executable, "-c", code, str(seconds), "sh", "-c", script]
        env = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
        started.append(subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env))
        return started[-1]

    yield begin
    for process in started:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(20)


def let_go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.close()


def test_it_says_what_the_command_says(start: Start) -> None:
    process = start("read line || echo none; exit 7")
    assert process.stdout is not None
    assert process.stdout.read() == "none\n"
    assert process.wait(20) == 7
    assert start("kill -KILL $$").wait(20) == 128 + signal.SIGKILL


def test_a_command_that_cannot_be_started() -> None:
    words = [sys.executable, "-m", "penstock.runner.leash", "9", "penstock-no-such"]
    done = subprocess.run(words, input="", capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 127
    assert "no program of that name" in done.stderr


def test_who_lets_go_asks_it_to_leave(start: Start, tmp_path: Path) -> None:
    process = start(f"trap 'exit 9' TERM; echo > {tmp_path / 'there'}; while :; do sleep 0.02; done")
    await_text(tmp_path / "there")
    let_go(process)
    assert process.wait(20) == 9


def test_who_is_killed_lets_go(start: Start, tmp_path: Path) -> None:
    holder = (
        "import subprocess, sys; subprocess.Popen([sys.executable, '-m', 'penstock.runner.leash', '1000', 'sh', '-c',"
        f" 'echo $$ $PPID > {tmp_path / 'pids'}; exec sleep 1000'], stdin=subprocess.PIPE).wait()"
    )
    process = subprocess.Popen([sys.executable, "-c", holder], env={**os.environ, "PYTHONPATH": ":".join(sys.path)})
    pids = await_text(tmp_path / "pids").split()
    process.kill()
    process.wait()
    await_gone(*map(int, pids))


def test_who_does_not_leave_is_killed_with_all_that_it_started(start: Start, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    daemon = f"trap '' TERM; setsid sh -c 'echo $$ >> {pids}; exec sleep 1000' &"
    process = start(f"{daemon} echo $$ >> {pids}; while :; do sleep 0.02; done", wait=0.1)
    there = await_text(pids, 2).split()
    let_go(process)
    assert process.wait(20) == 128 + signal.SIGKILL
    assert not any(alive(int(pid)) for pid in there)


def test_what_it_started_ends_although_it_was_killed_itself(start: Start, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    process = start(f"setsid sleep 1000 & echo $! > {pids}; echo $$ >> {pids}; wait")
    daemon, shell = map(int, await_text(pids, 2).split())
    os.kill(shell, signal.SIGKILL)
    assert process.wait(20) == 128 + signal.SIGKILL
    assert not alive(daemon)


def test_its_time_is_over(start: Start) -> None:
    assert start("exec sleep 1000", seconds=0.1).wait(20) == 128 + signal.SIGTERM


def test_signals_are_not_for_it(start: Start, tmp_path: Path) -> None:
    process = start(f"echo > {tmp_path / 'there'}; while ! [ -e {tmp_path / 'go'} ]; do sleep 0.02; done; exit 5")
    await_text(tmp_path / "there")
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    (tmp_path / "go").touch()
    assert process.wait(20) == 5
