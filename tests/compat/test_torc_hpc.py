"""`torc hpc slurm`: configurations, nodes on a real Slurm, and work inside a job of it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Torc = Callable[..., Any]

FLOW = """{name: "flow", jobs: [
    {name: "a", command: "sh -c 'echo $SLURMD_NODENAME $SLURM_CPUS_ON_NODE > a'"},
    {name: "b", command: "sh -c 'echo $SLURMD_NODENAME > b'", blocked_by: ["a"]},
]}"""


@pytest.fixture
def flow(torc: Torc, tmp_path: Path) -> Torc:
    (tmp_path / "flow.json5").write_text(FLOW)
    assert torc("workflows", "create-from-json-file", "flow.json5").code == 0
    return torc


def add(flow: Torc, *more: str) -> Any:
    return flow("hpc", "slurm", "add-config", "-n", "small", "-a", "root", "-w", "00:05:00", "-m", "400M", *more)


def states(flow: Torc) -> set[str]:
    return {row["status"] for row in flow("-F", "json", "jobs", "list").json["jobs"]}


def test_configurations_are_sites(flow: Torc, penstock: Any) -> None:
    said = add(flow, "-p", "long", "-q", "normal", "-g", "gpu:2", "-e", "--exclusive --reservation=x", "-N", "3")
    assert said.err.endswith(": Added Slurm configuration small to workflow key=1\n")
    (row,) = flow("-F", "json", "hpc", "slurm", "list-configs").json["configs"]
    assert row == {
        "index": 1,
        "name": "small",
        "account": "root",
        "nodes": 3,
        "walltime": "00:05:00",
        "partition": "long",
        "qos": "normal",
        "gres": "gpu:2",
        "mem": "400M",
        "key": "small",
    }
    assert penstock("site", "list", "--json").json["sites"][0]["max_nodes"] == 3
    assert add(flow).code == 3
    assert flow("hpc", "slurm", "list-configs").out.startswith("+---")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("-w", "soon"), "walltime"),
        (("-w", "²:00"), "'-w' / '--walltime': \"²:00\" is no duration"),
        (("-e", "--comment='x"), "`extra`: it cannot be split into words: No closing quotation"),
        (("-m", "lots"), "-m: `mem`: expected a size"),
        (("-g", "license:1"), "only GPUs are known"),
        (("-e", "exclusive"), "is no long option"),
        (("-e", "--mem=4G"), "say `memory`"),
        (("-p", "a b"), "name of a partition"),
    ],
)
def test_what_slurm_would_not_take(flow: Torc, words: tuple[str, ...], says: str) -> None:
    said = add(flow, *words)
    assert (said.code, says in said.err) == (2, True), said.err


def test_what_cannot_be_scheduled(flow: Torc) -> None:
    assert "add-config` makes one" in flow("hpc", "slurm", "schedule-nodes", "-n", "1").err
    add(flow)
    assert "no configuration 'large'" in flow("hpc", "slurm", "schedule-nodes", "-n", "1", "-c", "large").err
    said = flow("hpc", "slurm", "schedule-nodes", "-n", "1")
    assert said.code == 3 and "no run that is started" in said.err
    assert "this is no job of Slurm" in flow("hpc", "slurm", "run-jobs").err


def test_nodes_work_on_the_started_run(
    flow: Torc, tmp_path: Path, service: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_CONF", service("slurm"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    add(flow)
    flow("workflows", "start")
    said = flow("hpc", "slurm", "schedule-nodes", "-n", "2")
    assert "Asking Slurm for up to 2 nodes for workflow key=1; engine is pid" in said.err
    assert flow("hpc", "slurm", "schedule-nodes", "-n", "2").code == 3  # it is being worked on
    until = time.monotonic() + 60
    while states(flow) != {"done"} and time.monotonic() < until:
        time.sleep(0.1)
    assert states(flow) == {"done"}
    assert (tmp_path / "a").read_text().startswith("pn") and (tmp_path / "b").read_text().startswith("pn")
    while (tmp_path / ".penstock/mail").exists() and time.monotonic() < until:
        time.sleep(0.1)
    assert not (tmp_path / ".penstock/mail").exists()


def test_work_within_a_job_of_slurm(
    flow: Torc, tmp_path: Path, service: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_CONF", service("slurm"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    flow("workflows", "start")
    command = f"{sys.executable} -m penstock torc hpc slurm run-jobs"
    words = ("sbatch", "--wait", "--cpus-per-task=2", "--mem=400M", "--time=2", f"--output={tmp_path}/out", "--wrap")
    done = subprocess.run([*words, command], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, (done.stderr, (tmp_path / "out").read_text())
    assert states(flow) == {"done"}
    assert (tmp_path / "a").read_text().split()[1] == "2"
