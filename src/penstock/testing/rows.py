"""One row of everything a store holds, and how each is read again: what `penstock.testing.store` works on."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from penstock.model.data import BLAKE3
from penstock.model.run import (
    Allocation,
    Attempt,
    Branch,
    Clock,
    Commit,
    Document,
    Edge,
    Event,
    Job,
    JobInput,
    Repo,
    Run,
    Success,
    Task,
    Trigger,
    Trouble,
    Version,
)
from penstock.store.base import Store

#: Texts and bytes that a careless back end loses.
ODD = "é\U0001f600 'quoted' \"twice\" %s :name ?\n"
ROOT = BLAKE3 + bytes(range(1, 33))
BIG = 2**62

RUN = Run(1, "1" * 32, "default", "me", "p", 1, {"k": [1, None, {"x": 0.5}], ODD: ODD}, "run", BIG, left=2)
JOBS = [
    Job(1, RUN.id, "p", 1, "edges", "edges", BIG),
    Job(
        seq=2,
        run=RUN.id,
        pipeline="p",
        version=1,
        step="report",
        repo=None,
        created=3,
        state="done",
        outcome="failed",
        reason="tasks",
        message=ODD,
        hold="user",
        stop="user",
        waits=1,
        failed_upstream="edges@1",
        reached="running",
        inputs=(JobInput("a", "main", "2" * 32), JobInput("b", "main", None, True)),
        base=1,
        recipe=bytes(range(256)),
        parts={"command": ["a", "b"], "salt": ""},
        ledger=ROOT,
        owners=ROOT,
        tree=ROOT,
        expanded=True,
        total=15,
        processed=1,
        reused=2,
        recovered=3,
        failed=4,
        cancelled=5,
        left=0,
        files=BIG,
        size=BIG,
        download_bytes=1,
        upload_bytes=2,
        process_seconds=0.125,
        started=4,
        finished=5,
    ),
]
TASKS = [
    Task(1, 1, "a1" * 20, ("",), b"f1", {}, b"", True, 1),
    Task(2, 1, "b2" * 20, ("x/y", ODD.strip()), b"f2", {"k": 1}, b"\0", False, 1, state="active", attempts=1),
    Task(
        seq=3,
        job=1,
        id="c3" * 20,
        key=("x", "n=1"),
        fingerprint=b"f3",
        params={"k": None},
        inputs=b"\xff",
        reuse=True,
        created=2,
        state="done",
        outcome="succeeded",
        reason="exit",
        message=ODD,
        reused=True,
        tries=1,
        attempts=2,
        output=ROOT,
        files=7,
        finished=3,
    ),
]
ATTEMPTS = [
    Attempt(2, 1, 11, "w1", created=1),
    Attempt(
        task=3,
        number=1,
        token=9,
        worker="w2",
        state="ended",
        outcome="failed",
        reason="signal",
        exit_code=-9,
        message=ODD,
        created=1,
        started=2,
        ended=3,
        log_file="w2/0.log",
        log_offset=BIG,
        log_length=4,
        download_bytes=5,
        upload_bytes=6,
        download_seconds=0.5,
        process_seconds=0.25,
        upload_seconds=1e-9,
        cpu_seconds=1e9,
        peak_memory=BIG,
    ),
]
VERSION = Version("p", 1, '{"name":"p"}', ROOT, "inherited", "", "p.yaml", 2)
COMMIT = Commit(1, "1" * 32, "edges", "main", None, RUN.id, "job", ROOT, 1, BIG, 2, ODD, "it failed", 3, 4)

#: In an order in which each row finds what it refers to.
ROWS: list[Any] = [
    Repo(1, "default", "me", "edges", None, "main", 1),
    Repo(2, "default", "me", "images", "data/images", "master", 1),
    COMMIT,
    replace(COMMIT, seq=2, id="2" * 32, parent="1" * 32, run=None, origin="put", message="", error=None),
    replace(COMMIT, seq=3, id="3" * 32, parent="2" * 32, run=None, origin="put", error=None, finished=None),
    Branch("edges", "main", "2" * 32, 1),
    Branch("edges", "empty", None, 1),
    Trigger("edges", "stable", "main", BIG, 3, 60_000_000, "0 0 * * *", "all", 1),
    Clock("edges", "p", "0 2 * * *", "Europe/Berlin", True, "latest", BIG),
    VERSION,
    RUN,
    *JOBS,
    Edge(2, 1, "end"),
    *TASKS,
    *ATTEMPTS,
    Success(b"f3", b"", 2, 3),
    Event(1, "run.active", RUN.id, RUN.id, {"jobs": 2, "why": ODD}, 1),
    Event(2, "run.done", RUN.id, "edges", {}, 2),
    Document(1, "p", None, "", False, "", 1, None, 1, 1, 1),
    Document(2, "p", "edges", ODD, True, '{"x": 1}', 7, 3, 6, 2, BIG),
    Allocation(1, '{"name": "far"}', "n", 1, 4, BIG, 2, 8, 3600, 1),
    Allocation(2, ODD, "n", 0, 4, 0, 0, 1, 60, 1, "running", "17_3", 5, None, ODD),
    Trouble("site far", ODD, BIG),
]

#: How all rows of a noun above can be read again, oldest first.
READ: dict[type, tuple[str, dict[str, Any]]] = {
    Repo: ("repos", {}),
    Branch: ("branches", {"repo": "edges"}),
    Commit: ("commits_of_repo", {"repo": "edges", "before": BIG, "limit": 9}),
    Trigger: ("triggers", {"repo": "edges"}),
    Clock: ("clocks", {}),
    Version: ("versions", {"pipeline": "p"}),
    Run: ("run", {"id": RUN.id}),
    Job: ("jobs_of_run", {"run": RUN.id}),
    Edge: ("edges_to", {"job": 2}),
    Task: ("tasks_of_job", {"job": 1, "after": 0, "limit": 9}),
    Success: ("old_results", {"before": BIG, "after": b"", "limit": 9}),
    Event: ("events_of_run", {"run": RUN.id}),
    Allocation: ("live_allocations", {}),
    Trouble: ("troubles", {}),
    Document: ("documents", {"pipeline": "p", "step": None, "after": 0, "limit": 9}),
}

#: A value for every argument of every query.
ARGUMENTS: dict[str, Any] = {
    "attempt": 1,
    "after": 0,
    "among": "[]",
    "before": BIG,
    "branch": "main",
    "commit": "1" * 32,
    "commits": 2,
    "created": 1,
    "fingerprint": b"f2",
    "first": 900,
    "head": "1" * 32,
    "hold": "user",
    "id": RUN.id,
    "job": 1,
    "jobs": "[]",
    "limit": 5,
    "marks": bytes(64),
    "micros": 9,
    "message": "no",
    "moment": 9,
    "name": "p",
    "most": 9,
    "now": 5,
    "names": '["edges"]',
    "nth": 1,
    "number": 1,
    "ours": "2" * 32,
    "owner": "me",
    "parent": None,
    "path": "d",
    "pattern": "1*",
    "pipeline": "p",
    "place": "p.yaml:1:1",
    "project": "default",
    "reason": "user",
    "repo": "edges",
    "run": RUN.id,
    "seq": 2,
    "since": None,
    "skip": 1,
    "step": "edges",
    "subject": "site far",
    "steps": '[null, "edges"]',
    "task": 2,
    "theirs": "1" * 32,
    "version": 1,
}

#: What forgets a run, in the order in which its rows refer to each other.
FORGETTING = (
    "forget_successes",
    "forget_attempts",
    "forget_tasks",
    "forget_edges",
    "forget_bases",
    "forget_jobs",
    "forget_events",
    "forget_opener",
    "forget_run",
)

#: Rows that break the law: sums, states, outcomes, or what they refer to.
IMPOSSIBLE: list[Any] = [
    replace(JOBS[1], seq=9, step="x", total=99),
    replace(JOBS[1], seq=9, step="x", left=-1, total=14),
    replace(JOBS[1], seq=9, step="x", state="open"),
    replace(JOBS[0], seq=9, step="x", state="done"),
    replace(JOBS[0], seq=9, step="x", state="sleeping"),
    replace(JOBS[0], seq=9, run="9" * 32),
    Allocation(9, "{}", "n", 1, 4, 0, 0, 1, 60, 1),
    Allocation(9, "{}", "m", 0, 4, 0, 0, 1, 60, 1, "sleeping"),
    Allocation(9, "{}", "m", 0, 4, 0, 0, 1, 60, 1, "ended"),
    Allocation(9, "{}", "m", 0, 4, 0, 0, 1, 60, 1, "queued"),
    replace(RUN, seq=0, id="9" * 32, state="done"),
    replace(RUN, seq=0, id="9" * 32, outcome="failed"),
    replace(RUN, seq=0, id="9" * 32, state="paused"),
    replace(RUN, seq=0, id="9" * 32, origin="magic"),
    replace(RUN, seq=0, id="short"),
    replace(TASKS[0], seq=0, state="done"),
    replace(TASKS[0], seq=0, outcome="failed"),
    replace(TASKS[0], seq=0, state="asleep"),
    replace(TASKS[0], seq=0, job=99),
    replace(ATTEMPTS[0], task=99),
    replace(ATTEMPTS[0], number=5, state="ended"),
    replace(ATTEMPTS[0], number=5, outcome="failed"),
    Edge(1, 99, "success"),
    Edge(1, 2, "maybe"),
    Branch("edges", "x", "9" * 32, 1),
    Branch("none", "main", None, 1),
    replace(COMMIT, seq=0, id="9" * 32, repo="none"),
    replace(COMMIT, seq=0, id="9" * 32, origin="magic"),
    replace(COMMIT, seq=0, id="short"),
    replace(COMMIT, seq=0, id="8" * 32, finished=None),
    Trigger("none", "stable", "main", 1, None, None, None, "any", 1),
    Trigger("edges", "x", "main", 1, None, None, None, "some", 1),
    Clock("none", "p", "0 2 * * *", "UTC", False, "all", 1),
    Clock("images", "none", "0 2 * * *", "UTC", False, "all", 1),
    Clock("images", "p", "0 2 * * *", "UTC", False, "some", 1),
    replace(VERSION, pipeline="none"),
]


def fill(store: Store) -> None:
    """Rows of every noun."""
    with store.transaction():
        store.execute("set_pipeline", name="p", project="default", owner="me", version=1, created=1)
        store.insert(ROWS)
