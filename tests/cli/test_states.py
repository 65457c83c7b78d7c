"""`task list`, `job list` and `run list` of some states only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Penstock = Callable[..., Any]

#: Of nine tasks those of 3 and 6 fail, and one step waits for them.
PIPELINE = """
steps:
  sweep: {each: {n: "1..9"}, run: 'test $PENSTOCK_PARAM_N != 3 && test $PENSTOCK_PARAM_N != 6'}
  good: {run: "true"}
  behind: {run: "true", after: [sweep]}
"""


@pytest.fixture
def ran(penstock: Penstock, tmp_path: Path) -> Penstock:
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    assert penstock("init").code == 0 and penstock("run").code == 1
    return penstock


def names(ran: Penstock, noun: str, *words: str) -> list[Any]:
    key = {
        "task": lambda item: item["params"]["n"],
        "job": lambda item: item["step"],
        "run": lambda item: item["state"],
    }
    return [key[noun](item) for item in ran(noun, "list", *words, "--json").json[f"{noun}s"]]


def test_tasks_of_some_states(ran: Penstock) -> None:
    assert names(ran, "task", "sweep", "--state", "failed") == [3, 6]
    assert names(ran, "task", "sweep", "--state", "success") == [1, 2, 4, 5, 7, 8, 9]
    assert names(ran, "task", "sweep", "--state", "failure", "--state", "Succeeded") == list(range(1, 10))
    assert names(ran, "task", "sweep", "--state", "running") == []


def test_pages_of_some_states_go_on_where_the_last_one_ended(ran: Penstock) -> None:
    first = ran("task", "list", "sweep", "--state", "failed", "--limit", "1", "--json").json
    assert [item["params"]["n"] for item in first["tasks"]] == [3]
    rest = ran("task", "list", "sweep", "--state", "failed", "--after", first["next"], "--json").json
    assert ([item["params"]["n"] for item in rest["tasks"]], rest["next"]) == ([6], None)


def test_jobs_and_runs_of_some_states(ran: Penstock) -> None:
    assert names(ran, "job", "--state", "failed") == ["sweep"]
    assert names(ran, "job", "--state", "unrunnable") == ["behind"]
    assert names(ran, "job", "last", "--state", "success", "--state", "unrunnable") == ["good", "behind"]
    assert names(ran, "job", "sweep", "--state", "success") == []
    assert names(ran, "run", "--state", "failed") == ["failure"] and names(ran, "run", "--state", "success") == []


def test_a_state_that_is_none_is_told(ran: Penstock) -> None:
    for noun in ("task list sweep", "job list", "run list"):
        said = ran(*noun.split(), "--state", "faild")
        assert (said.code, f"--state faild: no {noun.split()[0]} is in such a state; did you mean" in said.err) == (
            2,
            True,
        )
    assert ran("run", "list", "--state", "unrunable").code == 2
