"""A real Dask cluster as a batch system."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from penstock.model.errors import Doubt
from penstock.runner.dask import Dask
from penstock.runner.queue import Ask, Kind, Queue
from penstock.testing.queue import Later, QueueSuite


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
        while len(queue._running()) < 2:
            later()
        queue.close()
        other = Dask(dask)
        found = self.until(other, later, ask.name, "running", 2)
        assert [item.id for item in found] == [f"{native}_0", f"{native}_1"]
        other.remove([native])
        while other.look([ask.name]):
            later()
        other.close()

    def test_what_a_command_is_given(self, queue: Dask, later: Later, ask: Ask, tmp_path: Path) -> None:
        queue.submit(replace(ask, argv=("sh", "-c", 'pwd; echo "$PENSTOCK_ELEMENT" "$0"', "a b'$x"), count=2))
        self.until(queue, later, ask.name, "ended", 2)
        lines = (tmp_path / "out").read_text().splitlines()
        assert sorted(lines) == sorted([str(tmp_path)] * 2 + ["0 a b'$x", "1 a b'$x"])

    def test_its_time_is_over(self, queue: Dask, later: Later, ask: Ask) -> None:
        queue.submit(replace(ask, seconds=1))
        (seen,) = self.until(queue, later, ask.name, "ended")
        assert seen.why == "FAILED (-9)"


def test_a_cluster_without_workers_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = Dask("tcp://127.0.0.1:9")
    monkeypatch.setattr(queue, "_workers", dict)
    monkeypatch.setattr(queue, "_running", dict)
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
