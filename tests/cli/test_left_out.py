"""Tasks that `err_run` leaves out are named wherever a run that goes on without them is told of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

Penstock = Callable[..., Any]

PIPELINE = """
steps:
  trim:
    each: {n: "1..9"}
    run: 'test $PENSTOCK_PARAM_N -gt 5'
    err_run: "test $PENSTOCK_PARAM_N != 9"
"""


def test_a_task_that_is_left_out_is_named(penstock: Penstock, tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    assert penstock("init").code == 0
    ran = penstock("run")
    assert ran.code == 0, ran.err
    assert [line for line in ran.err.splitlines() if line.startswith("note: trim: ")][:2] == [
        "note: trim: n=1 is left out by its err_run: sh ended with exit code 1",
        "note: trim: n=2 is left out by its err_run: sh ended with exit code 1",
    ]
    assert "note: trim: and 2 more: penstock task list trim@" in ran.err
    why = penstock("explain", "trim").out
    assert why.count("left out by its err_run: sh ended with exit code 1") == 5 and "(n=5)" in why
    rows = penstock("task", "list", "trim").out.splitlines()[1:]
    assert [row.endswith("left out by its err_run: sh ended with exit code 1") for row in rows] == [True] * 5 + [
        False
    ] * 4
    one = penstock("task", "list", "trim", "--json").json["tasks"][0]
    assert (one["outcome"], one["message"]) == ("recovered", "sh ended with exit code 1")
    assert "left out by its err_run" in penstock("task", "show", one["task"]).out
