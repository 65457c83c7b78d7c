"""`penstock restart`: what it says, and what it ends with."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def test_restart_says_why_and_keeps_the_rest(penstock: Any, tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").write_text(
        "pipeline: p\nsteps:\n  good: {run: 'true'}\n  bad: {run: test -e there}\n  last: {after: [bad], run: 'true'}\n"
    )
    assert penstock("run").code == 1
    said = "bad: it did not succeed: failure, sh ended with exit code 1\nlast: it did not succeed: unrunnable"
    dry = penstock("restart", "--dry-run")
    assert (dry.code, dry.out.startswith(said)) == (0, True)
    assert dry.out.endswith("2 steps to run, 1 job kept\n")
    assert penstock("restart", "--failed-only", "--dry-run", "--json").json["kept"] == ["good"]
    failed = penstock("restart")
    assert failed.code == 1 and "1 job kept, 2 jobs to run" in failed.err
    (tmp_path / "there").touch()
    done = penstock("restart", "--json")
    assert done.code == 0 and done.json["state"] == "success"
    first = penstock("run", "list", "--json").json["runs"][-1]["run"]
    assert {job["step"]: job["kept"] for job in done.json["jobs"]} == {"good": first, "bad": None, "last": None}
    nothing = penstock("restart")
    assert (nothing.code, nothing.out) == (0, "0 steps to run, 3 jobs kept\n")
    assert len(penstock("run", "list", "--json").json["runs"]) == 3
