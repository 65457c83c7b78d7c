"""Steps on the workers of a real Dask cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from penstock.model.run import Allocation
from penstock.service.project import Project


def write(root: Path, address: str, steps: dict[str, Any], **site: Any) -> None:
    far = {"kind": "dask", "address": address, "nodes": 3, **site}
    for step in steps.values():
        step["site"] = "far"
    (root / "pipeline.json").write_text(json.dumps({"pipeline": "p", "sites": {"far": far}, "steps": steps}))


def run(root: Path, code: int = 0) -> str:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    argv = [sys.executable, "-m", "penstock", "run"]
    done = subprocess.run(argv, cwd=root, env=env, capture_output=True, text=True, check=False, timeout=240)
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    return said


def rows(root: Path) -> list[Allocation]:
    with Project.open(root) as project:
        return project.parts.store.load(Allocation, "allocations", limit=100)


def test_tasks_run_on_its_workers_and_data_comes_back(dask: str, tmp_path: Path) -> None:
    steps = {
        "up": {
            "run": [
                "sh",
                "-c",
                'tr a-z A-Z < "$PENSTOCK_IN/words/$(ls $PENSTOCK_IN/words)" > $PENSTOCK_OUT/x$PPID'
                '; mv $PENSTOCK_OUT/x$PPID "$PENSTOCK_OUT/$(ls $PENSTOCK_IN/words)"',
            ],
            "input": "words:/*",
        },
        "wide": {"run": ["sh", "-c", "sleep 0.2"], "each": {"n": "1..12"}, "resources": {"cpus": 2}},
    }
    write(tmp_path, dask, steps)
    with Project.open(tmp_path, create=True) as project:
        (tmp_path / "in").mkdir()
        for word in ("one", "two", "three"):
            (tmp_path / "in" / word).write_text(word)
        project.put("words", f"{tmp_path / 'in'}/")
    run(tmp_path)
    with Project.open(tmp_path) as project:
        assert [project.read(f"up:/{word}") for word in ("one", "two", "three")] == [b"ONE", b"TWO", b"THREE"]
    found = rows(tmp_path)
    assert 1 <= len(found) <= 3
    assert {(row.cpus, row.memory, row.state) for row in found} == {(2, 10**9, "ended")}
    assert not (tmp_path / ".penstock/mail").exists()


def test_what_it_can_never_have_is_told(dask: str, tmp_path: Path) -> None:
    write(tmp_path, dask, {"a": {"run": "true", "resources": {"cpus": 3}}})
    assert "step 'a' asks for 3 CPUs, the largest node has 2" in run(tmp_path, 1)


def test_a_cluster_that_is_not_there_is_waited_for(tmp_path: Path) -> None:
    write(tmp_path, "tcp://127.0.0.1:9", {"a": {"run": "true"}})
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    argv = [sys.executable, "-m", "penstock", "run", "--time-limit", "14"]
    began = time.monotonic()
    done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 124
    assert "site far is waited for: Dask at tcp://127.0.0.1:9 does not answer" in done.stderr
    assert time.monotonic() - began < 60
    assert rows(tmp_path) == []


@pytest.mark.parametrize(
    ("site", "words"),
    [
        ("{kind: dask}", "`address` is missing"),
        ("{kind: dask, address: a, partition: b}", "partition: a site of kind dask has none"),
        ("{kind: slurm, address: a}", "address: a site of kind slurm has none"),
    ],
)
def test_words_of_one_kind_are_not_those_of_another(tmp_path: Path, site: str, words: str) -> None:
    (tmp_path / "pipeline.yaml").write_text(f"sites: {{far: {site}}}\nsteps: {{a: {{run: x}}}}\n")
    assert words in run(tmp_path, 2)
