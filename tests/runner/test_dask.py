"""A real Dask cluster as a batch system."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from penstock.model.errors import Doubt, Refused
from penstock.runner.dask import OURS, Cluster, Dask
from penstock.runner.queue import Ask, Kind, Queue
from penstock.testing.queue import Later, QueueSuite

from .test_processes import await_gone, await_text


class TestDask(QueueSuite):
    """A scheduler and three workers of two threads, as processes of their own."""

    IMPOSSIBLE = (
        ({"partition": "there-is-none"}, "no partitions"),
        ({"gpus": 9}, "has 1 threads and 9 GPUs"),
        ({"cpus": 3}, "has 3 threads and 0 GPUs"),
        ({"options": (("nodelist", "there-is-none"),)}, "no options"),
    )

    @pytest.fixture
    def queue(self, dask: str) -> Iterator[Dask]:
        queue = Dask(dask)
        yield queue
        queue.close()

    @pytest.fixture
    def later(self) -> Later:
        return lambda: time.sleep(0.05)

    def blocked(self, queue: Queue, later: Later, ask: Ask) -> Ask:
        queue.submit(replace(ask, name=f"{ask.name}-before", count=3, argv=("sleep", "3")))
        self.until(queue, later, f"{ask.name}-before", "running", 3)
        return ask

    def test_the_workers_of_the_cluster(self, queue: Dask) -> None:
        assert queue.kinds() == [Kind("dask", True, 3, 2, 10**9, 0, None)]

    def test_another_engine_finds_what_runs_and_ends_it(self, queue: Dask, dask: str, later: Later, ask: Ask) -> None:
        native = queue.submit(replace(ask, count=2))
        self.until(queue, later, ask.name, "running", 2)
        queue.close()
        other = Dask(dask)
        found = self.until(other, later, ask.name, "running", 2)
        assert [item.id for item in found] == [f"{native}_0", f"{native}_1"]
        other.remove([native])
        self.until(other, later, ask.name, "ended", 2)
        other.close()

    def test_what_a_command_is_given(self, queue: Dask, later: Later, ask: Ask, tmp_path: Path) -> None:
        queue.submit(replace(ask, argv=("sh", "-c", 'pwd; echo "$PENSTOCK_ELEMENT" "$0"', "a b'$x"), count=2))
        self.until(queue, later, ask.name, "ended", 2)
        lines = (tmp_path / "out").read_text().splitlines()
        assert sorted(lines) == sorted([str(tmp_path)] * 2 + ["0 a b'$x", "1 a b'$x"])

    def test_its_time_is_over(self, queue: Dask, later: Later, ask: Ask) -> None:
        queue.submit(replace(ask, seconds=1))
        (seen,) = self.until(queue, later, ask.name, "ended")
        assert seen.why == f"FAILED ({128 + signal.SIGTERM})"


class TestTrouble:
    """A worker with a GPU of its own beside those three, which stops or dies; and a conversation that ends."""

    @pytest.fixture
    def queue(self, dask: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dask]:
        monkeypatch.setattr("penstock.runner.dask.EACH", 1.0)
        queue = Dask(dask)
        yield queue
        queue.close()

    @pytest.fixture
    def worker(self, dask: str, queue: Dask, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
        words = ["--host", "127.0.0.1", "--no-nanny", "--no-dashboard", "--nthreads", "1", "--resources", "GPU=1"]
        argv = [sys.executable, "-m", "dask", "worker", dask, *words, "--local-directory", str(tmp_path)]
        env = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
        with open(tmp_path / "log", "w") as log:
            process = subprocess.Popen(argv, env=env, stdout=log, stderr=log)
        until(lambda: len(queue.kinds()) == 2)
        yield process
        process.kill()
        process.wait()
        until(lambda: len(queue.kinds()) == 1)

    @pytest.fixture
    def ask(self, tmp_path: Path) -> Ask:
        script = f"echo $$ > {tmp_path}/pid-$PENSTOCK_ELEMENT; exec sleep 1000"
        name = f"penstock-{uuid.uuid4().hex[:12]}"
        return Ask(name, ("sh", "-c", script), str(tmp_path), str(tmp_path / "out"), 60)

    def test_one_that_is_killed_takes_its_command_along(
        self, queue: Dask, worker: subprocess.Popen[bytes], ask: Ask, tmp_path: Path
    ) -> None:
        queue.submit(replace(ask, gpus=1))
        until(lambda: states(queue, ask) == ["running"])
        pid = int(await_text(tmp_path / "pid-0"))
        worker.kill()
        until(lambda: states(queue, ask) == ["ended"])
        (seen,) = queue.look([ask.name])
        assert seen.why == "FAILED (its worker is gone)"
        await_gone(pid)

        async def status(client: Any) -> Any:
            return await client.scheduler.get_task_status(keys=[OURS + ask.name])

        until(lambda: queue._asked(status) == {OURS + ask.name: None})  # it does not start again

    def test_one_that_hangs_keeps_nobody_waiting(
        self, queue: Dask, worker: subprocess.Popen[bytes], ask: Ask, tmp_path: Path
    ) -> None:
        stuck, other = replace(ask, gpus=1), replace(ask, name=f"{ask.name}-b")
        queue.submit(stuck)
        queue.submit(other)
        until(lambda: states(queue, stuck) == states(queue, other) == ["running"])
        worker.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        assert [seen.name for seen in queue.look([stuck.name, other.name])] == [other.name]
        with pytest.raises(Doubt, match=r"worker tcp://\S+ of Dask at \S+ does not answer"):
            queue.remove([stuck.name, other.name])
        until(lambda: states(queue, other) == ["ended"])
        assert time.monotonic() - began < 15
        worker.send_signal(signal.SIGCONT)
        queue.remove([stuck.name])
        until(lambda: states(queue, stuck) == ["ended"])

    def test_a_call_that_fails_ends_nothing(self, queue: Dask, ask: Ask) -> None:
        queue.submit(ask)
        until(lambda: states(queue, ask) == ["running"])

        async def fail(client: Any) -> None:
            raise ArithmeticError("so it is")

        with pytest.raises(Doubt, match="so it is"):
            queue._asked(fail)
        assert states(queue, ask) == ["running"]
        assert states(Dask(queue._address), ask) == ["running"]
        queue.remove([ask.name])
        until(lambda: states(queue, ask) == ["ended"])


def until(there: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def states(queue: Queue, ask: Ask) -> list[str]:
    return [seen.state for seen in queue.look([ask.name])]


class Told(Dask):
    """One that is told what the scheduler and the workers say. Nothing is ever sent."""

    def __init__(self) -> None:
        super().__init__("tcp://127.0.0.1:9")
        self.there: set[str] = {"w1", "w2"}
        self.sent: dict[str, set[str]] = {}
        self.answers: dict[str, Any] = {"w1": {}, "w2": {}}
        self.doubt = False

    def _cluster(self) -> Cluster:
        if self.doubt:
            raise Doubt("nobody knows")
        worker = {"nthreads": 2, "memory_limit": 0, "last_seen": 5.0}
        return Cluster(dict.fromkeys(self.there, worker), self.sent)

    def _tell(self, addresses: Collection[str], function: Callable[..., Any], *args: Any) -> dict[str, Any]:
        return {address: answer for address, answer in self.answers.items() if address in addresses}

    def _asked(self, call: Any) -> Any:
        return None


ASK = Ask("n", ("true",), "/", "/dev/null", 60)


@pytest.fixture
def told() -> Told:
    """A request has just been sent to one of its two workers."""
    queue = Told()
    queue.submit(ASK)
    assert [seen.why for seen in queue.look(["n"])] == ["PENDING (sent to a worker)"]
    return queue


def test_what_is_said_of_one_that_was_sent(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    def why() -> list[str]:
        return [seen.why for seen in told.look(["n"])]

    (seen,) = told.look(["n"])
    told.sent = {seen.node: {"n"}}
    monkeypatch.setattr("penstock.runner.dask.LOST", 0.0)
    assert why() == ["PENDING (sent to a worker)"]  # it has other things to do
    told.sent, told.answers[seen.node] = {}, {"n": ""}
    assert why() == ["RUNNING"]
    del told.answers[seen.node]
    assert why() == []
    told.there.remove(seen.node)
    assert why() == ["FAILED (its worker is gone)"]
    told.there.add(seen.node)
    told.answers[seen.node] = {"n": ""}
    assert why() == ["RUNNING"]
    told.answers[seen.node] = {}
    assert why() == ["FAILED (it never began)"]
    told.answers[seen.node] = ImportError("no penstock")
    assert why() == ["FAILED (no penstock)"]
    told.answers[seen.node] = {"n": "COMPLETED"}
    assert why() == ["COMPLETED"]
    told.there.remove(seen.node)
    assert why() == ["COMPLETED"]


def test_what_nobody_knows_of_may_be_on_its_way(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    moment = [now]
    monkeypatch.setattr(time, "monotonic", lambda: moment[0])
    for after, state in ((0.0, "pending"), (9.0, "pending"), (11.0, "ended")):
        moment[0] = now + after
        assert states(told, ASK) == [state]


def test_a_node_is_lent_once(told: Told) -> None:
    (first,) = told.look(["n"])
    told.submit(replace(ASK, name="m"))
    told.submit(replace(ASK, name="l"))
    second, waiting = told.look(["m", "l"])
    assert {first.node, second.node} == {"w1", "w2"}
    assert (waiting.node, waiting.why) == ("", "PENDING (no worker is free)")
    told.answers[first.node] = {"n": "COMPLETED"}
    told.look(["l"])
    assert {seen.name: seen.node for seen in told.look(["l"])} == {"l": first.node}


def test_what_another_engine_has_sent_is_not_disturbed() -> None:
    queue = Told()
    queue.sent = {"w1": {"other_0"}, "w2": {"yet-another"}}
    queue.submit(ASK)
    assert [seen.node for seen in queue.look(["n"])] == [""]


def test_one_that_could_not_be_sent_is_known_and_waits() -> None:
    queue = Told()
    queue.doubt = True
    with pytest.raises(Doubt):
        queue.submit(replace(ASK, count=2))
    queue.doubt = False
    assert {seen.id for seen in queue.look(["n"])} == {"n_0", "n_1"}


def test_one_that_was_refused_is_not_known() -> None:
    queue = Told()
    with pytest.raises(Refused):
        queue.submit(replace(ASK, cpus=3))
    assert queue.look(["n"]) == []


def test_of_what_is_over_only_the_last_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.runner.dask.KEPT", 2)
    queue = Told()
    queue.answers["w1"] = queue.answers["w2"] = {f"n_{number}": "COMPLETED" for number in range(9)}
    queue.submit(replace(ASK, count=9))
    for _ in range(9):
        queue.look(["n"])
    assert [seen.element for seen in queue.look(["n"])] == [7, 8]


def test_whatever_goes_wrong_is_a_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("penstock.runner.dask.Link", fail)
    with pytest.raises(Doubt, match="does not answer: ZeroDivisionError"):
        Dask("tcp://127.0.0.1:9").kinds()


def test_one_that_never_answers_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.runner.dask.PATIENCE", 0.2)
    monkeypatch.setattr("penstock.runner.dask.PARTING", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as server:  # it takes calls, and says nothing
        queue = Dask(f"tcp://127.0.0.1:{server.getsockname()[1]}")
        began = time.monotonic()
        with pytest.raises(Doubt, match="does not answer"):
            queue.kinds()
        queue.close()
        assert time.monotonic() - began < 5


def test_a_cluster_without_workers_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = Dask("tcp://127.0.0.1:9")
    monkeypatch.setattr(queue, "_cluster", lambda: Cluster({}, {}))
    assert queue.kinds() == []
    assert queue.submit(Ask("n", ("true",), "/", "/dev/null", 60, gpus=9)) == "n"
    (seen,) = queue.look(["n"])
    assert (seen.state, seen.why) == ("pending", "PENDING (no worker is free)")


def test_nobody_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.runner.dask.PATIENCE", 0.5)
    queue = Dask("tcp://127.0.0.1:9")
    with pytest.raises(Doubt, match="does not answer"):
        queue.kinds()
    with pytest.raises(Doubt):
        queue.look(["n"])
