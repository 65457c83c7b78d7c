"""`penstock data add|list|get|set|delete`, in a project and in a task; `report`; `pipeline disable|enable`."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from penstock.engine.demand import demand
from penstock.engine.pack import Needs, Room, Wish
from penstock.model.spec import Resources
from penstock.service.answers.report import compared

if TYPE_CHECKING:
    from conftest import Penstock

PLAIN = "pipeline: plain\nsteps:\n  a: {run: 'true'}\n  b: {run: 'false', resources: {cpus: 2, time: 1h}}\n"


@pytest.fixture
def plain(penstock: Penstock, tmp_path: Path) -> Penstock:
    (tmp_path / "pipeline.yaml").write_text(PLAIN)
    assert penstock("pipeline", "create").code == 0
    return penstock


def test_data_from_first_to_last(plain: Penstock, monkeypatch: pytest.MonkeyPatch) -> None:
    assert plain("data", "add", "{a: 1, /* JSON5 */}", "--name", "first").err == "added user data 1 (first)\n"
    assert plain("data", "add", "1", "2", "--step", "a").code == 0
    assert plain("data", "get", "first").json == {"a": 1}
    assert plain("data", "set", "first", "[1, 2]").err == "user data first is at revision 2\n"
    known = plain("data", "get", "1", "--json").json
    assert (known["value"], known["revision"], known["run"], known["step"]) == ([1, 2], 2, None, None)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"'said'")))
    assert plain("data", "set", "3", "-", "--json").json["value"] == "said"

    listed = plain("data", "list", "--json").json
    assert [item["key"] for item in listed["documents"]] == ["1", "2", "3"]
    page = plain("data", "list", "--limit", "2", "--json").json
    assert [item["key"] for item in plain("data", "list", "--after", page["next"], "--json").json["documents"]] == ["3"]
    assert [line.split()[0] for line in plain("data", "list", "--step", "a").out.splitlines()] == ["KEY", "2", "3"]

    assert plain("data", "delete", "first", "nothing").code == 3
    assert plain("data", "get", "first").code == 0, "all or none"
    assert plain("data", "delete", "first", "3", "--json").json == {"deleted": ["1", "3"]}
    refused = plain("data", "set", "2", "{a: ]}")
    assert (refused.code, refused.err.startswith("penstock: VALUE:1:")) == (2, True)


def test_data_in_a_task(plain: Penstock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given, left = tmp_path / "data", tmp_path / "out"
    given.mkdir()
    (given / "rate.json").write_text("0.5")
    (given / "12.json").write_text("[]")
    monkeypatch.setenv("PENSTOCK_DATA", str(given))
    monkeypatch.setenv("PENSTOCK_DATA_OUT", str(left))
    (tmp_path / ".penstock/state.db").rename(tmp_path / "away")  # no project is needed
    assert plain("data", "get", "rate").json == 0.5
    assert plain("data", "set", "best", "{x: 1}").code == 0
    assert json.loads((left / "best.json").read_text()) == {"x": 1}
    assert plain("data", "set", "rate", "2").code == 0
    assert plain("data", "get", "rate").json == 2, "as this task wrote it"
    names = [item["name"] for item in plain("data", "list", "--json").json["documents"]]
    assert names == ["12", "best", "rate"]
    assert plain("data", "set", "../up", "1").code == 2
    assert plain("data", "get", "rat").code == 3
    assert plain("data", "delete", "rate").code == 3
    assert plain("data", "add", "1", "--name", "x").code == 2
    assert plain("data", "add", "1").json == ["_1"]


def test_report(plain: Penstock) -> None:
    plain("run")
    steps = {step["step"]: step for step in plain("report", "--json").json["steps"]}
    assert [steps["a"]["tasks"], steps["b"]["tasks"], steps["b"]["tries"]] == [1, 1, 1]
    assert set(steps["b"]["under"]) == {"cpus", "time"} and steps["b"]["cpus_enough"] == 1
    assert steps["a"]["memory_used"] > 0
    plain("run")
    assert [step["tasks"] for step in plain("report", "plain", "--json").json["steps"]] == [2, 2]
    assert "too much cpus, too much time" in plain("report", "last").out
    assert plain("report", "nothing").code == 3


def test_what_was_asked_beside_what_was_used() -> None:
    row = {"pipeline": "p", "step": "s", "tasks": 2, "tries": 3, "cpu_seconds": 30.0, "process_seconds": 10.0}
    row |= {"peak_memory": 1_500_000_000, "longest": 61_000_000, "starved": None, "fed": 1_500_000_000}
    view = compared(Resources(2, 1_000_000_000, 0, 60.0), row)
    assert (view.cpus_used, view.cpus_enough) == (3.0, 3)
    assert (view.memory_enough, view.time_enough) == (1_800_000_000, 74.0)
    assert (view.over, view.under) == (("cpus", "memory", "time"), ())


@pytest.mark.parametrize(
    ("starved", "fed", "enough", "over"),
    [(None, 50, 60, ()), (100, 80, None, ("memory",)), (100, None, None, ("memory",)), (100, 150, 180, ("memory",))],
)
def test_what_was_too_little_is_not_nearly_enough(
    starved: int | None, fed: int | None, enough: int | None, over: tuple[str, ...]
) -> None:
    row = {"pipeline": "p", "step": "s", "tasks": 2, "tries": 3, "cpu_seconds": 1.0, "process_seconds": 1.0}
    sizes = {name: size and size * 1_000_000 for name, size in (("starved", starved), ("fed", fed))}
    peak = max(size for size in sizes.values() if size)
    view = compared(Resources(1, 100_000_000, 0, None), {**row, **sizes, "peak_memory": peak, "longest": 0})
    assert (view.memory_enough, view.over) == (enough and enough * 1_000_000, over)


def test_disabled_steps(plain: Penstock) -> None:
    assert plain("pipeline", "disable", "b").err == "runs of pipeline plain pass by step b\n"
    done = plain("run", "--json")
    assert (done.code, [job["step"] for job in done.json["jobs"]]) == (0, ["a"])
    assert [step["step"] for step in plain("plan", "--json").json["steps"]] == ["a"]
    assert plain("pipeline", "enable", "b", "--json").json == {"pipeline": "plain", "step": "b", "disabled": False}
    assert plain("run").code == 1
    assert plain("pipeline", "disable", "c").code == 3


def test_nodes_are_filled_before_there_are_more() -> None:
    node = Room(10, 100, 2, 3600.0, 10, 100, 2)
    wishes = [Wish(0, Needs(cpus=6), 4), Wish(1, Needs(cpus=4, memory=10), 4), Wish(2, Needs(gpus=1), 2)]
    found = demand(wishes, node, 3600.0)
    assert (found.nodes, found.limiter, found.rounds) == (5, "cpus", 1)
    assert demand([Wish(0, Needs(memory=60, seconds=600.0), 12)], node, 3600.0).nodes == 2
    assert demand([], node, 3600.0).nodes == 0
    assert demand([Wish(0, Needs(), 1_000_000)], node, 3600.0).nodes == 100_000
