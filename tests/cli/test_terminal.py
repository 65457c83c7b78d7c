"""On a terminal: live progress, colours, Ctrl-C; and who follows whom."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from penstock.cli.progress import Lines, Live
from penstock.model.moves import AttemptState, JobState, Outcome
from penstock.model.run import Job
from penstock.service.driving.watch import Progress
from penstock.service.role import Holder

Penstock = Callable[..., Any]

NAP = "steps:\n  nap: {each: {i: '1..3'}, run: [sh, -c, 'until test -e go; do sleep 0.05; done']}\n"
ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Terminal:
    """A command in a pseudo-terminal of 24 x 80."""

    def __init__(self, where: Path, *words: str, **env: str) -> None:
        self.seen = ""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "penstock", *words],
            cwd=where,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "xterm", **env},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        self.master = master

    def until(self, text: str) -> None:
        """Read on until `text` was shown."""
        while text not in self.seen:
            assert self._read(), f"the command ended before it said {text!r}: {self.seen!r}"

    def _read(self) -> bool:
        assert select.select([self.master], [], [], 30)[0], f"nothing more after {self.seen!r}"
        try:
            more = os.read(self.master, 65536)
        except OSError:  # how the end of a terminal is told
            return False
        self.seen += more.decode().replace("\r\n", "\n")
        return bool(more)

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def end(self) -> int:
        while self._read():
            pass
        os.close(self.master)
        return self.process.wait()


@pytest.fixture
def nap(penstock: Penstock, tmp_path: Path) -> Path:
    """A project whose tasks last until there is a file `go`."""
    (tmp_path / "pipeline.yaml").write_text(NAP)
    penstock("init")
    return tmp_path


def test_progress_is_drawn_in_place(nap: Path) -> None:
    terminal = Terminal(nap, "run")
    terminal.until("running")
    (nap / "go").touch()
    assert terminal.end() == 0
    assert "\x1b[1F\x1b[J" in terminal.seen
    assert "\x1b[36mrunning\x1b[0m" in terminal.seen
    assert "0 + 0 / 3" in terminal.seen
    last = ESCAPES.sub("", terminal.seen.rpartition("\x1b[1F\x1b[J")[2])
    assert re.search(r"^nap +3 \+ 0 / 3 +\S+ +success", last, re.M)
    assert re.search(r"^run [0-9a-f]{32} success in ", last, re.M)


def test_ctrl_c_gives_back_and_run_goes_on(penstock: Penstock, nap: Path) -> None:
    terminal = Terminal(nap, "run", NO_COLOR="1")
    terminal.until("running")
    terminal.type(b"\x03")
    assert terminal.end() == 130
    assert terminal.seen.endswith("penstock: stopped: 0 of 3 tasks are over; `penstock run` goes on\n")
    assert "\x1b[36m" not in terminal.seen
    run = penstock("status", "--json").json["runs"][0]
    assert run["state"] == "running"
    engine = Terminal(nap, "run")
    engine.until(f"going on with run {run['run'][:12]}")
    engine.until("running")
    follower = subprocess.Popen(
        [sys.executable, "-m", "penstock", "wait", "nap"],
        cwd=nap,
        text=True,
        stderr=subprocess.PIPE,
        # Tests that were started in the background inherit that it is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert follower.stderr is not None
    assert follower.stderr.readline() == f"engine is pid {engine.process.pid}, following\n"
    follower.send_signal(signal.SIGINT)
    _, said = follower.communicate()
    assert follower.returncode == 130
    assert f"stopped waiting; engine is pid {engine.process.pid} and goes on" in said
    # A polite kill is as good as Ctrl-C.
    engine.process.terminate()
    assert engine.end() == 130
    assert penstock("stop", "last").code == 0


def test_a_task_cannot_ask_on_the_terminal(penstock: Penstock, tmp_path: Path) -> None:
    (tmp_path / "ask.sh").write_text("printf 'Password: ' > /dev/tty && read x < /dev/tty")
    (tmp_path / "pipeline.yaml").write_text("steps:\n  ask: {run: [sh, ask.sh]}\n")
    terminal = Terminal(tmp_path, "run")
    assert terminal.end() == 1
    assert "/dev/tty: No such device or address" in penstock("logs", "ask").out


def job(seq: int, **changes: Any) -> Job:
    made = Job(seq, "0" * 32, "p", 1, f"step{seq}", None, 0, state=JobState.OPEN, expanded=True, total=10, left=10)
    return replace(made, **{"started": 0, "reached": AttemptState.RUNNING, **changes})


def drawn(*frames: Progress) -> str:
    screen = io.StringIO()
    live = Live(screen, clock=lambda: 5.0)
    for frame in frames:
        live(frame)
    return screen.getvalue()


def test_a_line_tells_tasks_rate_time_left_and_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    working = job(1, processed=2, reused=3, left=5)
    assert drawn(Progress([working], {1: 2.5})) == "step1  2 + 3 / 10  2.5/s  2.0s left  running\n"
    assert drawn(Progress([working])) == "step1  2 + 3 / 10    5.0s  running\n"
    waiting = job(2, state=JobState.WAITING, expanded=False, started=None)
    assert drawn(Progress([waiting])) == "step2        created\n"


def test_more_jobs_than_rows_are_counted() -> None:
    jobs = [job(seq, state=JobState.WAITING, started=None) for seq in range(1, 100)]
    busy = job(100)
    text = drawn(Progress([*jobs, busy]))
    assert text.count("\n") == 22
    assert "step100" in text
    assert text.endswith("0 of 100 jobs are over\n")


def test_elsewhere_each_job_is_told_once() -> None:
    stream = io.StringIO()
    lines = Lines(stream)
    over = job(1, state=JobState.DONE, outcome=Outcome.FAILED, processed=9, failed=1, left=0, message="1 of 10 failed")
    other = job(2, run="1" * 32)
    lines(Progress([over, other], following=Holder(7, "far")))
    lines(Progress([over, other], following=Holder(7, "far")))
    assert stream.getvalue() == (
        "engine is pid 7 on far, following\nstep1@000000000000  9 + 0 / 10 tasks  failure  1 of 10 failed\n"
    )


def test_elsewhere_many_jobs_are_counted_and_the_first_bad_ones_told() -> None:
    stream = io.StringIO()
    lines = Lines(stream, clock=lambda: 30.0)
    waiting = [job(seq, state=JobState.WAITING, started=None) for seq in range(1, 1001)]
    over = {"state": JobState.DONE, "left": 0}
    good = [job(seq, outcome=Outcome.SUCCEEDED, processed=10, **over) for seq in range(1, 1001)]
    bad = job(2, outcome=Outcome.FAILED, processed=9, failed=1, message="1 of 10 failed", **over)
    lines(Progress(waiting))
    lines(Progress([good[0], bad, *waiting[2:]]))
    assert stream.getvalue() == "step2  9 + 0 / 10 tasks  failure  1 of 10 failed\n"
    lines(Progress([good[0], bad, *good[2:15], *waiting[15:]]))
    lines(Progress([good[0], bad, *good[2:16], *waiting[16:]]))
    lines(Progress([good[0], bad, *good[2:]]))
    assert stream.getvalue().splitlines()[1:] == [
        "15 of 1000 jobs are over, 1 not well, about 32m50s left",
        "1000 of 1000 jobs are over, 1 not well",
    ]


def test_elsewhere_not_every_bad_one_of_many_is_told() -> None:
    stream = io.StringIO()
    Lines(stream)(Progress([job(seq, state=JobState.DONE, outcome=Outcome.FAILED, left=0) for seq in range(1, 1001)]))
    told = stream.getvalue().splitlines()
    assert len(told) == 101 and told[-1] == "1000 of 1000 jobs are over, 1000 not well"
