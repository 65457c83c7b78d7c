"""What `penstock worker` takes for its name, its size and its time: who tells, and who counts."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from penstock.cli.verbs.worker import worker
from penstock.service.layout import create
from penstock.worker.capacity import Capacity

SLURM = {"SLURM_JOB_ID": "77", "SLURM_CPUS_ON_NODE": "64", "SLURM_MEM_PER_NODE": "256000", "SLURM_GPUS_ON_NODE": "8"}
Begin = Callable[..., tuple[str, Capacity, Mapping[str, str]]]


@pytest.fixture
def begin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Begin:
    """Start one; its name, what it may give to tasks, and what these find in their environment."""

    def start(*words: str, left: int | None = None, **env: str) -> tuple[str, Capacity, Mapping[str, str]]:
        found: list[tuple[str, Capacity, Mapping[str, str]]] = []

        def work(home: Path, name: str, capacity: Callable[[], Capacity], env: Mapping[str, str], *_: Any) -> None:
            found.append((name, capacity(), env))

        monkeypatch.setattr("penstock.worker.remote.work", work)
        monkeypatch.setattr("penstock.worker.loop.Notices", dict)
        monkeypatch.setattr("penstock.runner.slurm.time_left", lambda env: left)
        done = CliRunner().invoke(worker, ["w", *words], env=env, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return found[0]

    create(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("SLURM_", "PENSTOCK_"))]:
        monkeypatch.delenv(name)
    return start


SIZE = ("--cpus", "2", "--memory", "1000000000", "--gpus", "1", "--seconds", "500")


def test_slurm_counts_where_it_lends_the_node(begin: Begin) -> None:
    name, capacity, _ = begin(*SIZE, **SLURM, SLURM_ARRAY_TASK_ID="5")
    assert (name, capacity.cpus, capacity.memory, capacity.gpus) == ("w-5", 64, 256000 << 20, 8)
    assert capacity.left is not None and 480 < capacity.left <= 500
    _, capacity, _ = begin(*SIZE, left=900, **SLURM)
    assert capacity.left is not None and 880 < capacity.left <= 900


@pytest.mark.parametrize(("left", "seconds"), [(None, 500), (900, 500), (90, 90)])
def test_inside_a_job_of_slurm_options_count_and_the_shorter_time(begin: Begin, left: int | None, seconds: int) -> None:
    name, capacity, env = begin(*SIZE, left=left, **SLURM, SLURM_ARRAY_TASK_ID="5", PENSTOCK_ELEMENT="3")
    assert (name, capacity.cpus, capacity.memory, capacity.gpus) == ("w-3", 2, 10**9, 1)
    assert capacity.left is not None and seconds - 20 < capacity.left <= seconds
    assert "PENSTOCK_ELEMENT" not in env  # an engine that a task starts may ask Slurm itself


def test_without_a_batch_system_options_count(begin: Begin) -> None:
    name, capacity, _ = begin(*SIZE)
    assert (name, capacity.cpus, capacity.gpus) == ("w-0", 2, 1)
