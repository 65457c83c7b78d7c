"""`torc results list`: what ended badly never shows as 0, and what ran has a row however it ended."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Torc = Callable[..., Any]


def results(torc: Torc) -> dict[str, tuple[int, str]]:
    """Return code and status of each job that has a row."""
    found = torc("-F", "json", "results", "list").json["results"]
    return {row["job_name"]: (row["return_code"], row["status"]) for row in found}


def flow(torc: Torc, tmp_path: Path, jobs: list[dict[str, Any]], **more: Any) -> None:
    """Make a workflow of some jobs, and work on it."""
    (tmp_path / "w.json5").write_text(json.dumps({"jobs": jobs, **more}))
    for words in (("workflows", "create-from-json-file", "w.json5"), ("workflows", "start"), ("jobs", "run")):
        assert torc(*words).code == 0


def test_a_job_that_left_its_output_out_did_not_return_0(torc: Torc, tmp_path: Path) -> None:
    half = {"name": "half", "command": "true", "output_files": ["f"]}
    behind = {"name": "next", "command": "true", "blocked_by": ["half"]}
    flow(torc, tmp_path, [half, behind], files=[{"name": "f", "path": "never.txt"}])
    assert results(torc) == {"half": (1, "done")}


def test_what_was_cancelled_while_it_ran_has_a_row(torc: Torc, tmp_path: Path) -> None:
    cancel = f"{sys.executable} -m penstock torc workflows cancel"
    ends_all = {"name": "runs", "command": f"sh -c '{cancel}; sleep 600'"}
    flow(torc, tmp_path, [ends_all, {"name": "waits", "command": "true", "blocked_by": ["runs"]}])
    assert {row["status"] for row in torc("-F", "json", "jobs", "list").json["jobs"]} == {"canceled"}
    (row,) = results(torc).items()
    assert row[0] == "runs" and row[1][0] != 0 and row[1][1] == "canceled"


@pytest.mark.parametrize("limit", ["timeout: 0.5", "retry: {timeout: 0.5}"])
def test_what_took_too_long_has_a_row(torc: Torc, penstock: Torc, tmp_path: Path, limit: str) -> None:
    (tmp_path / "pipeline.yaml").write_text(
        f"steps: {{slow: {{run: sleep 600, {limit}}}, next: {{run: 'true', after: [slow]}}}}"
    )
    assert penstock("run").code == 1
    (row,) = results(torc).items()
    assert row[0] == "slow" and row[1][0] != 0 and row[1][1] == "canceled"
