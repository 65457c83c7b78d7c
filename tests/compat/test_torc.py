"""`penstock torc` in projects of its own: workflows from definition to results, over several runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.compat.torc.words import STATUSES

Torc = Callable[..., Any]

#: Every way to end: well, badly, for want of what it needs; and one that is disabled before it starts.
STORY = """{
  name: "story",
  description: "a few jobs",
  // a comment, as JSON5 has them
  jobs: [
    {name: "first", command: "true", resource_requirements: "large"},
    {name: "bad", command: "sh -c 'exit 3'", blocked_by: ["first"]},
    {name: "behind", command: "true", blocked_by: ["bad"]},
    {name: "beyond", command: "true", blocked_by: ["behind"]},
    {name: "anyway", command: "true", blocked_by: ["bad"], cancel_on_blocking_job_failure: false},
    {name: "off", command: "false"},
  ],
  resource_requirements: [
    {name: "large", num_cpus: 1, num_gpus: 0, num_nodes: 1, memory: "80m", runtime: "P0DT12H"},
  ],
}"""


@pytest.fixture
def story(torc: Torc, tmp_path: Path) -> Torc:
    """`torc` in a project with the workflow `story` (key 1, jobs 2 to 7), not started."""
    (tmp_path / "story.json5").write_text(STORY)
    assert torc("workflows", "create-from-json-file", "story.json5").code == 0
    return torc


def statuses(torc: Torc) -> dict[str, str]:
    return {row["name"]: row["status"] for row in torc("-F", "json", "jobs", "list").json["jobs"]}


def results(torc: Torc, *more: str) -> list[tuple[Any, ...]]:
    found = torc("-F", "json", "results", "list", *more).json["results"]
    return [(row["job_name"], row["run_id"], row["return_code"], row["status"]) for row in found]


def test_from_definition_to_results(story: Torc) -> None:
    assert set(statuses(story).values()) == {"uninitialized"}
    assert story("-F", "json", "workflows", "show-status").json["run_id"] == 0
    said = story("jobs", "disable", "7")
    assert said.err.endswith(": Disabled job key=7\n")
    assert statuses(story)["off"] == "disabled"

    said = story("workflows", "start")
    assert said.err.endswith(": Started workflow key=1 run_id=1\n")
    waiting = {"first": "ready", "off": "disabled"}
    assert statuses(story) == {**dict.fromkeys(("bad", "behind", "beyond", "anyway"), "blocked"), **waiting}

    assert story("jobs", "run").code == 0
    canceled = {"behind": "canceled", "beyond": "canceled"}
    done = {"first": "done", "bad": "done", "anyway": "done", "off": "disabled"}
    assert statuses(story) == {**done, **canceled}
    assert results(story) == [("first", 1, 0, "done"), ("bad", 1, 3, "done"), ("anyway", 1, 0, "done")]
    shown = story("-F", "json", "workflows", "show-status").json
    assert shown == {
        "key": "1",
        "name": "story",
        "run_id": 1,
        "is_canceled": False,
        "is_complete": True,
        "jobs": {"done": 3, "canceled": 2, "disabled": 1},
    }


def test_a_restart_counts_up_once_and_runs_what_did_not_succeed(story: Torc) -> None:
    story("jobs", "disable", "off")
    story("workflows", "start")
    story("jobs", "run")
    would = story("-F", "json", "workflows", "restart", "--dry-run").json["jobs"]
    reasons = {row["name"]: row["reason"] for row in would}
    assert set(reasons) == {"bad", "behind", "beyond", "anyway"}
    assert reasons["bad"] == "it did not succeed: failure, sh ended with exit code 3"
    assert reasons["anyway"] == "it waits for bad, which runs again"
    assert statuses(story)["bad"] == "done", "a dry run changes nothing"

    said = story("workflows", "reset-status", "--failed-only")
    assert said.err.endswith(": Reset 4 jobs of workflow key=1 to uninitialized\n")
    reset = dict.fromkeys(("bad", "behind", "beyond", "anyway"), "uninitialized")
    assert statuses(story) == {**reset, "first": "done", "off": "disabled"}
    would = story("-F", "csv", "workflows", "restart", "-d").out.splitlines()
    assert would[:2] == ["index,name,reason", "1,bad,it was reset"] and len(would) == 5
    story("jobs", "enable", "off")

    assert story("workflows", "restart").err.endswith("run_id=2\n")
    story("jobs", "run")
    assert [row for row in results(story) if row[1] == 2] == [
        ("bad", 2, 3, "done"),
        ("anyway", 2, 0, "done"),
        ("off", 2, 1, "done"),
    ], "it is on again, and has not succeeded"
    assert {row[0]: row[1] for row in results(story, "-L")} == {"first": 1, "bad": 2, "anyway": 2, "off": 2}

    assert story("workflows", "reset-status", "-r").err.endswith("run_id=3\n")
    story("jobs", "run")
    last = [row for row in results(story) if row[1] == 3]
    assert [row[0] for row in last] == ["first", "bad", "anyway", "off"], "a whole reset runs all jobs again"


def test_cancel(story: Torc) -> None:
    assert story("workflows", "cancel").code == 3, "nothing is started yet"
    story("workflows", "start")
    assert story("workflows", "cancel", "1").err.endswith(": Canceled workflow key=1\n")
    assert set(statuses(story).values()) == {"canceled"}
    assert story("-F", "json", "workflows", "show-status").json["is_canceled"]
    refused = story("jobs", "run")
    assert (refused.code, "workflows start" in refused.err) == (3, True)


def test_every_status_is_met_in_a_real_run(torc: Torc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of jobs on their way are seen by one of them that looks at the others."""
    from penstock.compat.torc import keys
    from penstock.service.driving import watch

    met: set[str] = set()

    def look(parts: Any) -> None:
        met.update(keys.standing(parts, keys.workflow(parts, None)).statuses.values())

    jobs = [
        {"name": "work", "command": "sleep 1"},
        {"name": "next", "command": "true", "blocked_by": ["work"]},
        {"name": "bad", "command": "false"},
        {"name": "never", "command": "true", "blocked_by": ["bad"]},
        {"name": "off", "command": "true"},
        {"name": "long", "command": "sleep 600", "supports_termination": True},
    ]
    (tmp_path / "w.json5").write_text(json.dumps({"jobs": jobs, "compute_node_expiration_buffer_seconds": 3}))
    torc("workflows", "create-from-json-file", "w.json5")
    torc("jobs", "disable", "off")
    driving = watch.drive

    def drive(parts: Any, until: Any, seen: Any, *more: Any) -> None:
        def see(*told: Any) -> None:
            look(parts)
            seen(*told)

        driving(parts, until, see, *more)

    monkeypatch.setattr(watch, "drive", drive)
    for words in (("workflows", "list"), ("workflows", "start")):
        met.update(statuses(torc).values())
        assert torc(*words).code == 0
    assert torc("jobs", "run", "-t", "12").code == 0
    assert statuses(torc)["long"] == "terminated", "it was told to leave before the time limit"
    met.update(statuses(torc).values())
    assert met == set(STATUSES)


def test_a_task_knows_its_keys(torc: Torc, tmp_path: Path) -> None:
    jobs = [{"name": name, "command": "sh -c 'echo $TORC_WORKFLOW_KEY $TORC_JOB_KEY >> keys'"} for name in "ab"]
    (tmp_path / "w.json5").write_text(json.dumps({"jobs": jobs}))
    torc("workflows", "create-from-json-file", "w.json5")
    torc("workflows", "start")
    torc("jobs", "run")
    assert sorted((tmp_path / "keys").read_text().splitlines()) == ["1 2", "1 3"]


def test_lists(story: Torc) -> None:
    story("workflows", "start")
    story("jobs", "run")
    assert story("-F", "csv", "jobs", "list", "-f", "status=done", "-l", "1").out == (
        "index,name,key,status,run_id,command\n1,first,2,done,1,true\n"
    )
    assert story("-F", "csv", "jobs", "list", "-s", "5").out.splitlines()[1] == "6,off,7,done,1,false"
    text = story("workflows", "list").out.splitlines()
    assert [cell.strip() for cell in text[1].strip("|").split("|")][:3] == ["index", "name", "key"]
    assert "| story | 1   |" in text[3]
    events = story("-F", "json", "events", "list").json["events"]
    assert {(event["category"], event["type"]) for event in events} >= {("workflow", "active"), ("job", "done")}
    failed = [event["name"] for event in events if event["data"].get("outcome") == "failed"]
    assert "bad" in {name.partition("@")[0] for name in failed}
    assert story("jobs", "list", "-f", "color=red").code == 2


def test_commands_are_shown_whole(torc: Torc, tmp_path: Path) -> None:
    jobs = [{"name": "a", "command": "sh -c 'echo $1' sh 'x y'"}, {"name": "b", "command": "sh -c 'echo $1'"}]
    (tmp_path / "w.json5").write_text(json.dumps({"jobs": jobs}))
    torc("workflows", "create-from-json-file", "w.json5")
    shown = torc("-F", "json", "jobs", "list").json["jobs"]
    assert [row["command"] for row in shown] == ["sh -c 'echo $1' sh 'x y'", "echo $1"]


def test_resource_requirements(story: Torc) -> None:
    small = ("-n", "small", "-c", "2", "-m", "2g", "-r", "P0DT5M")
    assert story("resource-requirements", "add", *small, "-a").err.endswith("key=small\n")
    assert story("resource-requirements", "add", *small).code == 3
    assert story("-F", "csv", "resource-requirements", "list").out.splitlines()[1:] == [
        "1,large,1,0,1,80m,P0DT12H,large",
        "2,small,2,0,1,2g,P0DT5M,small",
    ]
    said = story("resource-requirements", "add", "-n", "wide", "-N", "2", "-a")
    assert said.code == 3 and "job 'first' runs at local, where a task has one node" in said.err
    assert story("resource-requirements", "add", "-n", "wide", "-N", "2").code == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("-n", "bad name!"), '"bad name!" is no name'),
        (("-n", "x" * 200), "is no name; expected letters"),
        (("-n", "x", "-m", "2GB"), 'memory "2GB": expected digits'),
        (("-n", "x", "-m", "999999999999999t"), "-m: resources.x.memory: a number of more than 18 digits is more than"),
        (("-n", "x", "-m", "0"), "expected a size of more than nothing"),
        (("-n", "x", "-c", "9" * 20), "-c: resources.x.cpus: expected a number from 1 to"),
        (("-n", "x", "-g", "9" * 20), "-g: resources.x.gpus: expected a number from 0 to"),
        (("-n", "x", "-N", "9" * 20), "-N: resources.x.nodes: expected a number from 1 to"),
        (("-n", "x", "-r", "soon"), "'-r' / '--runtime': \"soon\" is no duration"),
        (("-n", "x", "-r", "0"), "longer than nothing"),
    ],
)
def test_resource_requirements_that_nothing_can_have(story: Torc, words: tuple[str, ...], says: str) -> None:
    said = story("resource-requirements", "add", *words)
    assert (said.code, says in said.err) == (2, True), said.err
    assert len(story("-F", "csv", "resource-requirements", "list").out.splitlines()) == 2


def test_nodes_are_counted_by_packing(torc: Torc, tmp_path: Path) -> None:
    jobs = [{"name": f"j{i}", "command": "true", "resource_requirements": "r"} for i in range(12)]
    needs = {"name": "r", "num_cpus": 36, "memory": "80g", "runtime": "PT1H"}
    (tmp_path / "w.json5").write_text(json.dumps({"jobs": jobs, "resource_requirements": [needs]}))
    torc("workflows", "create-from-json-file", "w.json5")
    # 104 CPUs hold two at once, three times one after the other: six a node.
    found = torc("-F", "json", "hpc", "slurm", "recommend-nodes", "-w", "03:00:00").json
    assert found == {"jobs": 12, "tasks": 12, "nodes": 2, "limiter": "cpus", "rounds": 3}
    for walltime in ("0-03:00:00", "0-03", "180", "PT3H"):
        assert torc("-F", "json", "hpc", "slurm", "recommend-nodes", "-w", walltime).json == found
    refused = torc("hpc", "slurm", "recommend-nodes", "-c", "32")
    assert (refused.code, "36" in refused.err, "32" in refused.err) == (3, True, True)


def test_nodes_are_counted_for_tasks(torc: Torc, penstock: Torc, tmp_path: Path) -> None:
    steps = 'steps: {sweep: {run: "false", each: {i: "1..60", zip: {a: [1, 2], b: [3, 4]}}, resources: {time: 1h}}}'
    (tmp_path / "pipeline.yaml").write_text(f"fail: fast\n{steps}")
    torc("workflows", "list")
    assert penstock("run").code != 0
    torc("workflows", "reset-status")
    found = torc("hpc", "slurm", "recommend-nodes", "-w", "1-00:00:00", "-c", "1")
    assert found.err.endswith(": 1 jobs of 120 tasks need 5 nodes; cpus is the limit, 24 rounds\n"), found.err


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("[]", "1:1", "expected a mapping, found a list"),
        ("{jobs: []}", "1:1", "no jobs"),
        ("{jobs: [{name: 'a'}]}", "1:16", "`command` is missing"),
        ("{jobs: [{command: 'true', color: 1}]}", "1:27", 'unknown field "color"'),
        ("{jobs: [{command: 'true', blocked_by: ['b']}]}", "1:40", "no job 'b'"),
        ('{jobs: [{command: "\'"}]}', "1:19", "cannot be split"),
        ("{jobs: [{name: 'a', command: 'a'}, {name: 'a', command: 'a'}]}", "1:36", "two of `jobs`"),
        ("{jobs: [{name: 'a', command: 'a', blocked_by: ['a']}]}", "1:47", "a -> a"),
        ("{jobs: [{command: 'a'}], resource_requirements: [{name: 'r', memory: 'x'}]}", "1:70", "expected digits"),
        ("{jobs: [{command: 'a', input_user_data: ['x']}]}", "1:42", "no user data 'x'"),
    ],
)
def test_a_bad_definition_is_refused_at_its_place(
    torc: Torc, tmp_path: Path, text: str, place: str, message: str
) -> None:
    (tmp_path / "w.json5").write_text(text)
    done = torc("workflows", "create-from-json-file", "w.json5")
    assert done.code == 2
    assert f"w.json5:{place}: " in done.err and message in done.err
    assert torc("-F", "json", "workflows", "list").json == {"workflows": []}, "nothing half-done stays behind"


def test_keys_that_mean_nothing(story: Torc) -> None:
    for words in (("-k", "9", "jobs", "list"), ("-k", "2", "jobs", "list"), ("jobs", "disable", "1")):
        done = story(*words)
        assert (done.code, "key" in done.err) == (3, True)
