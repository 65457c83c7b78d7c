"""Local processes: the suite, what a command gets, and that nothing outlives it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from penstock.model.errors import BadCommand
from penstock.runner.base import Runner
from penstock.runner.process import Processes
from penstock.testing.runner import RunnerSuite


@pytest.fixture(params=[False, True], ids=["plain", "reaper"])
def runner(request: pytest.FixtureRequest) -> Iterator[Processes]:
    found = Processes(reaper=request.param)
    yield found
    found.close()


@pytest.fixture
def reaper() -> Iterator[Processes]:
    found = Processes(reaper=True)
    yield found
    found.close()


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def await_text(path: Path, lines: int = 1) -> str:
    """The content of a file once it has so many lines."""
    deadline = time.monotonic() + 20
    while not path.exists() or path.read_text().count("\n") < lines:
        assert time.monotonic() < deadline, f"{path} never came"
        os.sched_yield()
    return path.read_text()


class TestProcesses(RunnerSuite):
    @pytest.fixture
    def runner(self, runner: Runner) -> Runner:
        return runner

    def test_a_signal_is_a_negative_code(self, runner: Runner, null: int) -> None:
        handle = runner.start(self.launch(null, "sh", "-c", "kill -SEGV $$"))
        assert self.await_all(runner, 1)[handle].exit_code == -signal.SIGSEGV

    def test_what_a_command_gets(self, runner: Runner, null: int, tmp_path: Path) -> None:
        (tmp_path / "in").write_text("given")
        with (tmp_path / "in").open() as source, (tmp_path / "out").open("w") as sink:
            before = os.getcwd()
            launch = self.launch(null, "sh", "-c", "cat; pwd; echo $X; ls /proc/self/fd", cwd=str(tmp_path), X="a b")
            launch = type(launch)(launch.argv, launch.env, launch.cwd, source.fileno(), sink.fileno(), null)
            runner.start(launch)
            os.chdir(before)
            self.await_all(runner, 1)
        place, words, *descriptors = (tmp_path / "out").read_text().splitlines()
        assert (place, words) == (f"given{tmp_path}", "a b")
        assert {"0", "1", "2"} < set(descriptors)
        assert str(null) not in descriptors

    def test_ignored_signals_are_not_inherited(self, runner: Runner, null: int, tmp_path: Path) -> None:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            handle = runner.start(self.launch(null, "sh", "-c", "kill -INT $$"))
        finally:
            signal.signal(signal.SIGINT, before)
        assert self.await_all(runner, 1)[handle].exit_code == -signal.SIGINT

    def test_without_a_directory_ours_stays(self, runner: Runner, null: int) -> None:
        before = os.getcwd()
        runner.start(self.launch(null, "true"))
        assert os.getcwd() == before
        self.await_all(runner, 1)

    def test_time_and_memory_are_told(self, runner: Runner, null: int) -> None:
        code = "data = bytearray(200 << 20); sum(range(2_000_000))"
        handle = runner.start(self.launch(null, sys.executable, "-I", "-S", "-c", code))
        end = self.await_all(runner, 1)[handle]
        assert end.cpu_seconds > 0.01
        assert end.peak_memory > 200 << 20

    def test_stop_reaches_the_whole_group(self, runner: Runner, null: int, tmp_path: Path) -> None:
        pids = tmp_path / "pids"
        script = f"sleep 1000 & echo $! >> {pids}; sleep 1000 & echo $! >> {pids}; wait"
        handle = runner.start(self.launch(null, "sh", "-c", script))
        others = [int(pid) for pid in await_text(pids, 2).split()]
        runner.stop(handle, kill=False)
        assert self.await_all(runner, 1)[handle].exit_code == -signal.SIGTERM
        await_gone(*others)

    def test_kill_cannot_be_refused(self, runner: Runner, null: int, tmp_path: Path) -> None:
        ready = tmp_path / "ready"
        handle = runner.start(
            self.launch(null, "sh", "-c", f"trap '' TERM; echo x > {ready}; while :; do sleep 1; done")
        )
        await_text(ready)
        runner.stop(handle, kill=False)
        assert runner.poll(0.05) == ([], [])
        runner.stop(handle, kill=True)
        assert self.await_all(runner, 1)[handle].exit_code == -signal.SIGKILL

    def test_the_group_ends_with_its_leader(self, runner: Runner, null: int, tmp_path: Path) -> None:
        pids = tmp_path / "pids"
        runner.start(self.launch(null, "sh", "-c", f"sleep 1000 & echo $! > {pids}"))
        self.await_all(runner, 1)
        await_gone(int(pids.read_text()))

    def test_each_has_a_session_and_a_group_that_it_cannot_leave(self, runner: Runner, null: int) -> None:
        leave = (
            "import os; assert os.getsid(0) == os.getpgid(0) == os.getpid(); os.setpgid(0, os.getpgid(os.getppid()))"
        )
        try_it = f"try:\n exec({leave!r})\nexcept PermissionError:\n raise SystemExit(7)"
        handle = runner.start(self.launch(null, sys.executable, "-c", try_it))
        assert self.await_all(runner, 1)[handle].exit_code == 7

    def test_closing_ends_what_runs(self, runner: Runner, null: int, tmp_path: Path) -> None:
        handles = [runner.start(self.launch(null, "sleep", "1000")) for _ in range(3)]
        runner.close()
        assert not any(alive(handle) for handle in handles)

    def test_a_closed_descriptor_number_that_comes_back(self, runner: Runner, null: int) -> None:
        source, sink = os.pipe()
        assert runner.poll(0, [source]) == ([], [])
        os.close(source)
        handle = runner.start(self.launch(null, "true"))  # its pidfd takes the number
        assert list(self.await_all(runner, 1)) == [handle]
        os.close(sink)


class TestReaper:
    launch = staticmethod(RunnerSuite.launch)
    await_all = staticmethod(RunnerSuite.await_all)
    null = RunnerSuite.null

    def test_a_daemon_ends_with_its_task(self, reaper: Processes, null: int, tmp_path: Path) -> None:
        pids = tmp_path / "pids"
        script = f"setsid sh -c 'echo $$ > {pids}; exec sleep 1000' & while ! [ -s {pids} ]; do :; done"
        handle = reaper.start(self.launch(null, "sh", "-c", script, PENSTOCK_ATTEMPT="a"))
        end = self.await_all(reaper, 1)[handle]
        assert end.survivors == 1
        assert end.exit_code == 0
        assert not Path(f"/proc/{int(pids.read_text())}").exists()  # not even as a zombie

    def test_what_a_daemon_started_ends_too(self, reaper: Processes, null: int, tmp_path: Path) -> None:
        pids = tmp_path / "pids"
        inner = f"setsid sleep 1000 & echo $! >> {pids}; echo $$ >> {pids}; exec sleep 1000"
        script = f'setsid sh -c "{inner.replace("$", chr(92) + "$")}" & while ! [ -s {pids} ]; do :; done'
        handle = reaper.start(self.launch(null, "sh", "-c", script, PENSTOCK_ATTEMPT="a"))
        end = self.await_all(reaper, 1)[handle]
        assert end.survivors >= 1
        for pid in pids.read_text().split():
            assert not alive(int(pid))

    def test_a_daemon_of_a_task_that_still_runs_lives(self, reaper: Processes, null: int, tmp_path: Path) -> None:
        pids, go = tmp_path / "pids", tmp_path / "go"
        daemon = f"(setsid sleep 1000 & echo $! > {pids}) && while ! [ -e {go} ]; do sleep 0.01; done"
        first = reaper.start(self.launch(null, "sh", "-c", daemon, PENSTOCK_ATTEMPT="a"))
        pid = int(await_text(pids))
        second = reaper.start(self.launch(null, "true", PENSTOCK_ATTEMPT="b"))
        assert self.await_all(reaper, 1)[second].survivors == 0
        assert alive(pid)
        go.touch()
        assert self.await_all(reaper, 1)[first].survivors == 1
        assert not alive(pid)

    def test_one_without_a_name_lives_as_long_as_anyone_it_may_belong_to(
        self, reaper: Processes, null: int, tmp_path: Path
    ) -> None:
        pids, go = tmp_path / "pids", tmp_path / "go"
        daemon = f"(env -i setsid sleep 1000 & echo $! > {pids}) && while ! [ -e {go} ]; do sleep 0.01; done"
        first = reaper.start(self.launch(null, "sh", "-c", daemon, PENSTOCK_ATTEMPT="a"))
        pid = int(await_text(pids))
        deadline = time.monotonic() + 20
        while Path(f"/proc/{pid}/comm").read_text() != "sleep\n":
            assert time.monotonic() < deadline
        second = reaper.start(self.launch(null, "true", PENSTOCK_ATTEMPT="b"))
        assert self.await_all(reaper, 1)[second].survivors == 0
        assert alive(pid)
        go.touch()
        assert self.await_all(reaper, 1)[first].survivors == 1
        assert not alive(pid)

    def test_a_name_that_is_no_text_is_nobodys(self, reaper: Processes, null: int, tmp_path: Path) -> None:
        pids = tmp_path / "pids"
        script = f"PENSTOCK_ATTEMPT=$(printf '\\377') setsid sleep 1000 & echo $! > {pids}; exec true"
        handle = reaper.start(self.launch(null, "sh", "-c", script, PENSTOCK_ATTEMPT="a"))
        assert self.await_all(reaper, 1)[handle].exit_code == 0
        await_gone(int(pids.read_text()))

    def test_orphans_that_end_by_themselves_leave_no_zombie(self, reaper: Processes, null: int, tmp_path: Path) -> None:
        script = "for i in 1 2 3 4 5; do (sh -c 'exit 0' &) ; done"
        handle = reaper.start(self.launch(null, "sh", "-c", script, PENSTOCK_ATTEMPT="a"))
        assert self.await_all(reaper, 1)[handle].exit_code == 0
        with contextlib.suppress(ChildProcessError):
            raise AssertionError(f"still there: {os.waitpid(-1, os.WNOHANG)}")


BAD = [
    ("", {}, "name is empty"),
    ("penstock-no-such", {"PATH": "/bin"}, r"no program of that name in PATH \(/bin\); install it"),
    ("./absent", {}, "no such file"),
    ("./folder", {}, "is a directory"),
    ("./plain", {}, "not executable; use `chmod \\+x`"),
    ("plain", {"PATH": "."}, "not executable"),
    ("./headless", {}, "no '#!' line"),
    ("./lost", {}, "asks for '/no/such/interpreter', which is not there; install it"),
    ("./windows", {}, "carriage return"),
    ("./tr\0ue", {}, "NUL"),
]


@pytest.mark.parametrize(("name", "env", "message"), BAD)
def test_why_a_command_cannot_start(
    runner: Processes, tmp_path: Path, name: str, env: dict[str, str], message: str
) -> None:
    (tmp_path / "folder").mkdir()
    for file, text, mode in [
        ("plain", "echo", 0o644),
        ("headless", "echo", 0o755),
        ("lost", "#!/no/such/interpreter -x\n", 0o755),
        ("windows", "#!/bin/sh\r\necho\r\n", 0o755),
    ]:
        (tmp_path / file).write_text(text, newline="")
        (tmp_path / file).chmod(mode)
    before = os.getcwd()
    try:
        with pytest.raises(BadCommand, match=message) as caught:
            runner.start(RunnerSuite.launch(0, name, cwd=str(tmp_path), **env))
    finally:
        os.chdir(before)
    assert str(caught.value).startswith(f"command {name!r} cannot be started: ")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("true", "x" * 200_000), "200001 bytes, at most 131072"),
        (("true", *["x" * 100_000] * 60), "have 60.* bytes, more"),
        ((), "empty"),
    ],
)
def test_absurd_arguments(runner: Processes, argv: tuple[str, ...], message: str) -> None:
    with pytest.raises(BadCommand, match=message):
        runner.start(RunnerSuite.launch(0, *argv))


def test_one_that_cannot_be_watched_leaves_nothing(runner: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    class Noted:
        added, closed = 0, False

        def add(self, pid: int) -> None:
            self.added = pid

        def close(self) -> None:
            self.closed = not alive(self.added)

    def refuse(pid: int) -> int:
        raise OSError(24, "Too many open files")

    group = Noted()
    monkeypatch.setattr(runner, "_group", lambda memory: group)
    monkeypatch.setattr(os, "pidfd_open", refuse)
    with pytest.raises(BadCommand, match="cannot be watched: Too many"):
        runner.start(replace(RunnerSuite.launch(0, "sleep", "1000"), memory=1 << 20))
    assert group.closed
    assert not runner._group_of


def test_a_directory_that_is_not_there(runner: Processes, tmp_path: Path) -> None:
    with pytest.raises(BadCommand, match=r"the directory it should run in, .*/gone, is not there"):
        runner.start(RunnerSuite.launch(0, "true", cwd=str(tmp_path / "gone")))


def test_the_path_of_the_task_counts(runner: Processes, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("#!/bin/sh\nexit 9\n")
    (tmp_path / "mine").chmod(0o755)
    with open(os.devnull, "r+") as null:
        handle = runner.start(RunnerSuite.launch(null.fileno(), "mine", PATH=f"/nowhere:{tmp_path}"))
        assert RunnerSuite.await_all(runner, 1)[handle].exit_code == 9


def await_gone(*pids: int) -> None:
    deadline = time.monotonic() + 20
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < deadline, "it outlived its group"
        os.sched_yield()
