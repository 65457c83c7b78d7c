"""A worker at the other end of a shared directory, without a batch system around it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from penstock.model.wire import Assignment, Batch, Hello, Recall, Report, Result, Stop
from penstock.runner.mailbox import Mailbox
from penstock.service.layout import create

from .conftest import RECIPE

NAME = "w"


class Far:
    """A project, a worker's mailbox in it, and the engines that talk to it."""

    def __init__(self, root: Path) -> None:
        self.layout = create(root)
        self.place = self.layout.home / "mail" / f"{NAME}-0"
        self.processes: list[subprocess.Popen[str]] = []
        self.results: list[Result] = []
        self.back: list[str] = []
        self.hellos: list[Hello] = []

    def begin(self, session: str, silence: float = 60.0) -> None:
        """An engine takes the mailbox over."""
        self.place.mkdir(parents=True, exist_ok=True)
        (self.place / "session.new").write_text(f"{session}\n")
        (self.place / "session.new").rename(self.place / "session")
        self.box = Mailbox(self.place, f"{session}-engine", f"{session}-worker", silence)

    def start(self, *words: str) -> subprocess.Popen[str]:
        env = {name: value for name, value in os.environ.items() if not name.startswith(("PENSTOCK_", "SLURM_"))}
        process = subprocess.Popen(
            [sys.executable, "-m", "penstock", "worker", NAME, *words],
            cwd=self.layout.root,
            env={**env, "PYTHONPATH": ":".join(sys.path)},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.processes.append(process)
        return process

    def give(self, *argv: str, **recipe: Any) -> None:
        self.box.send(Batch(1, replace(RECIPE, argv=argv, **recipe), (Assignment("t", "a", 1, {}),)))

    def until(self, there: Callable[[], Any], seconds: float = 20.0) -> None:
        """Take in what comes until something is so."""
        until = time.monotonic() + seconds
        while not there() and time.monotonic() < until:
            self.box.beat()
            for message in self.box.receive():
                if isinstance(message, Report):
                    self.results += message.results
                    self.back += message.recalled
                else:
                    assert isinstance(message, Hello)
                    self.hellos.append(message)
            time.sleep(0.01)
        assert there()

    def left(self, process: subprocess.Popen[str], seconds: float) -> str:
        """What a worker had to say, which leaves by itself."""
        try:
            return process.communicate(timeout=seconds)[1]
        finally:
            process.kill()


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Far]:
    made = Far(tmp_path / "p")
    yield made
    for process in made.processes:
        process.kill()
        process.wait()


def pids(path: Path) -> int:
    return int(path.read_text())


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_it_says_what_it_has_works_and_leaves_with_its_engine(far: Far) -> None:
    far.begin("one")
    process = far.start("--seconds", "500")
    far.until(lambda: far.hellos)
    (hello,) = far.hellos
    assert hello.slots == len(os.sched_getaffinity(0)) and hello.memory > 0
    assert hello.seconds is not None and 480 < hello.seconds <= 500
    far.give("sh", "-c", 'printf "%s" "$PENSTOCK_WORKER" > said; exit 3', workdir=str(far.layout.root))
    far.until(lambda: far.results)
    assert far.results[0].exit_code == 3
    assert (far.layout.root / "said").read_text() == f"{NAME}-0"
    far.box.close()
    assert far.left(process, 5) == ""
    assert process.returncode == 0
    assert sorted(path.name for path in far.place.iterdir()) == [
        "claimed",
        "one-engine.post",
        "one-worker.post",
        "session",
    ]


def test_one_that_is_not_wanted_any_more_leaves(far: Far) -> None:
    process = far.start()
    assert "worker w-0 is not wanted any more" in far.left(process, 20)
    assert process.returncode == 3


def test_the_second_of_its_name_leaves(far: Far) -> None:
    far.begin("one")
    far.start()
    far.until(lambda: far.hellos)
    second = far.start()
    assert "has been started before" in far.left(second, 20)
    far.give("true")
    far.until(lambda: far.results)


def test_a_mailbox_that_is_taken_away_ends_it(far: Far) -> None:
    far.begin("one")
    process = far.start()
    far.until(lambda: far.hellos)
    far.give("sh", "-c", "echo $$ > pid; sleep 60", workdir=str(far.layout.root))
    far.until(lambda: (far.layout.root / "pid").exists() and (far.layout.root / "pid").read_text())
    shutil.rmtree(far.place)
    far.left(process, 10)
    assert gone(pids(far.layout.root / "pid"))


def test_an_engine_that_is_silent_ends_it(far: Far) -> None:
    far.begin("one")
    process = far.start("--silence", "3")
    far.until(lambda: far.hellos)
    far.give("sh", "-c", "echo $$ > pid; sleep 60", workdir=str(far.layout.root))
    began = time.monotonic()
    far.left(process, 30)  # nobody beats
    assert process.returncode == 0
    assert time.monotonic() - began >= 3
    assert gone(pids(far.layout.root / "pid"))


def test_another_engine_gets_it_when_what_it_ran_is_over(far: Far) -> None:
    far.begin("one")
    far.start()
    far.until(lambda: far.hellos)
    far.give("sh", "-c", "echo $$ > pid; sleep 60", workdir=str(far.layout.root))
    far.until(lambda: (far.layout.root / "pid").exists() and (far.layout.root / "pid").read_text())
    far.hellos.clear()
    far.begin("two")
    far.until(lambda: far.hellos)
    assert gone(pids(far.layout.root / "pid"))
    far.give("true")
    far.until(lambda: far.results)
    assert [result.outcome for result in far.results] == ["succeeded"]


def test_sigterm_gives_back_what_waits_and_tells_who_supports_it(far: Far) -> None:
    far.begin("one")
    process = far.start()
    far.until(lambda: far.hellos)
    slots = far.hellos[0].slots
    trap = "trap 'exit 7' TERM; touch ready; while :; do sleep 0.05; done"
    recipe = replace(
        RECIPE, argv=("sh", "-c", trap), terminates=True, grace=20.0, cpus=slots, workdir=str(far.layout.root)
    )
    far.box.send(Batch(1, recipe, tuple(Assignment(f"t{n}", f"a{n}", 1, {}) for n in range(2))))
    far.until(lambda: (far.layout.root / "ready").exists())
    process.send_signal(signal.SIGTERM)
    far.until(lambda: far.results and far.back)
    assert [(result.outcome, result.reason, result.exit_code) for result in far.results] == [
        ("terminated", "walltime", 7)
    ]
    assert far.back == ["a1"]
    assert far.hellos[-1].slots == 0
    process.send_signal(signal.SIGTERM)
    far.left(process, 5)
    assert process.returncode == 0


@pytest.mark.parametrize("first", ["task", "worker"])
def test_a_sigterm_that_reaches_all_is_no_fault_of_the_task(far: Far, first: str) -> None:
    far.begin("one")
    process = far.start()
    far.until(lambda: far.hellos)
    far.give("sh", "-c", "echo $$ > pid; exec sleep 60", workdir=str(far.layout.root))
    far.until(lambda: (far.layout.root / "pid").exists() and (far.layout.root / "pid").read_text())
    both = [pids(far.layout.root / "pid"), process.pid]
    for pid in both if first == "task" else reversed(both):
        os.kill(pid, signal.SIGTERM)
    far.until(lambda: far.results)
    assert [(result.outcome, result.reason) for result in far.results] == [("failed", "walltime")]


def test_a_task_that_ends_itself_so_is_one_that_failed(far: Far) -> None:
    far.begin("one")
    far.start()
    far.until(lambda: far.hellos)
    far.give("sh", "-c", "kill -TERM $$", workdir=str(far.layout.root))
    far.until(lambda: far.results)
    assert [(result.outcome, result.reason) for result in far.results] == [("failed", "signal")]


def test_stops_and_recalls_arrive(far: Far) -> None:
    far.begin("one")
    far.start()
    far.until(lambda: far.hellos)
    slots = far.hellos[0].slots
    recipe = replace(RECIPE, argv=("sh", "-c", "touch ready; sleep 60"), cpus=slots, workdir=str(far.layout.root))
    far.box.send(Batch(1, recipe, tuple(Assignment(f"t{n}", f"a{n}", 1, {}) for n in range(2))))
    far.until(lambda: (far.layout.root / "ready").exists())
    far.box.send(Recall(1))
    far.until(lambda: far.back)
    assert far.back == ["a1"]
    far.box.send(Stop(True))
    far.until(lambda: far.results)
    assert [result.outcome for result in far.results] == ["cancelled"]
