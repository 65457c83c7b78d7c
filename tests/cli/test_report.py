"""`report`: sorted, summed up, and what it leaves to earlier runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Penstock = Callable[..., Any]

#: `busy` takes the processor, `long` the time, `many` has the tasks.
PIPELINE = """
steps:
  quick: {run: "true", resources: {memory: 1GB, time: 1h}}
  busy: {run: "end=$(($(date +%s%N) + 300000000)); while [ $(date +%s%N) -lt $end ]; do :; done"}
  long: {run: sleep 0.7}
  many: {run: "true", each: {n: "1..5"}}
"""


@pytest.fixture
def ran(penstock: Penstock, tmp_path: Path) -> Penstock:
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    assert penstock("init").code == 0 and penstock("run").code == 0
    return penstock


def steps(ran: Penstock, *words: str) -> list[str]:
    return [line.split()[0] for line in ran("report", *words).out.splitlines()[1:]]


def test_the_largest_comes_first(ran: Penstock) -> None:
    assert sorted(steps(ran)) == ["busy", "long", "many", "quick"]
    assert steps(ran, "--sort", "processor")[0] == "busy"
    assert steps(ran, "--sort", "time")[0] == "long"
    assert steps(ran, "--sort", "tasks")[0] == "many"
    memory = [step["memory_used"] for step in ran("report", "--sort", "memory", "--json").json["steps"]]
    assert memory == sorted(memory, reverse=True)
    assert ran("report", "--sort", "colour").code == 2


def test_it_sums_up(ran: Penstock) -> None:
    said = ran("report", "--json").json
    total = said["total"]
    assert total["tasks"] == 8
    for key in ("cpu_seconds", "process_seconds"):
        assert total[key] == pytest.approx(sum(step[key] for step in said["steps"]), abs=0.01)
    assert total["cpu_seconds"] > 0.05 and total["process_seconds"] > 0.9
    assert "in all 8 tasks: " in ran("report").err and "CPU hours" in ran("report").err


def test_what_was_asked_for_stands_behind_what_was_used(ran: Penstock) -> None:
    head, *lines = ran("report").out.splitlines()
    quick = next(line for line in lines if line.startswith("quick"))
    assert head.split() == ["STEP", "TASKS", "PROCESSOR", "CPUS", "MEMORY", "TIME", "ENOUGH", "ASKED"]
    assert " / 1 " in quick and " / 1.0 GB" in quick and " / 1h" in quick and "too much memory, too much time" in quick
    assert max(map(len, ran("report").out.splitlines())) < 140


def test_what_earlier_runs_did_is_said_to_be_there(ran: Penstock, tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").write_text(PIPELINE.replace("sleep 0.7", "sleep 0.1"))
    assert ran("restart").code == 0
    said = ran("report")
    assert [line.split()[0] for line in said.out.splitlines()[1:]] == ["long"]
    assert "and 3 jobs kept from earlier runs; `penstock report PIPELINE` has all runs" in said.err
