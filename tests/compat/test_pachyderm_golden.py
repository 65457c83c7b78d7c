"""The answers that Pachyderm's own pages show, out of core rows that say the same."""

from __future__ import annotations

import datetime
import json
import re

import pytest

from penstock.compat.pachyderm.infos import JOB_HEADS, Described, job_cells, job_json, job_text
from penstock.compat.pachyderm.show import table
from penstock.model.moves import AttemptState, JobState, Outcome, Reason
from penstock.model.run import Job, JobInput
from penstock.model.spec import Env, InputSpec, Retry, Step

TABLE = """\
ID                               PIPELINE STARTED      DURATION           RESTART PROGRESS  DL       UL       STATE
fd9454d06d8e4fa38a75c8cd20b39538 edges    20 hours ago 5 seconds          0       2 + 1 / 3 181.1KiB 111.4KiB success
5a78358d4b53494cbba4550428f2fe98 edges    20 hours ago 2 seconds          0       1 + 0 / 1 57.27KiB 22.22KiB success
7dcd77a2f7f34ff384a6096d1139e922 edges    20 hours ago Less than a second 0       0 + 0 / 0 0B       0B       success
"""

RAW = """
{
    "job": {
        "pipeline": {
        "name": "edges"
        },
        "id": "fd9454d06d8e4fa38a75c8cd20b39538"
    },
    "pipeline_version": "1",
    "output_commit": {
        "branch": {
        "repo": {
            "name": "edges",
            "type": "user"
        },
        "name": "master"
        },
        "id": "fd9454d06d8e4fa38a75c8cd20b39538"
    },
    "data_processed": "2",
    "data_skipped": "1",
    "data_total": "3",
    "stats": {
        "download_time": "0.113263653s",
        "process_time": "1.020472976s",
        "upload_time": "0.010323995s",
        "download_bytes": "185424",
        "upload_bytes": "114041"
    },
    "state": "JOB_SUCCESS",
    "created": "2021-08-02T20:13:10.461841493Z",
    "started": "2021-08-02T20:13:32.870023561Z",
    "finished": "2021-08-02T20:13:38.691891860Z",
    "details": {
        "transform": {
        "image": "pachyderm/opencv",
        "cmd": [
            "python3",
            "/edges.py"
        ]
        },
        "input": {
        "pfs": {
            "name": "images",
            "repo": "images",
            "repo_type": "user",
            "branch": "master",
            "commit": "fd9454d06d8e4fa38a75c8cd20b39538",
            "glob": "/*"
        }
        },
        "salt": "27bbe39ccae54cc2976e3f960a2e1f94",
        "datum_tries": "3"
    }
}
"""
STEP = Step(
    "edges",
    ("python3", "/edges.py"),
    InputSpec("glob", "images", "master", "/*", "images"),
    env=Env(inherit=False, image="pachyderm/opencv"),
    output="edges",
    retry=Retry(3),
    pfs=True,
)


def micros(text: str) -> int:
    """Of an RFC 3339 time; nanoseconds are cut off."""
    moment = datetime.datetime.fromisoformat(re.sub(r"(\.\d{6})\d*Z", r"\1+00:00", text))
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond


def done(id: str, processed: int, skipped: int, down: int, up: int, seconds: float) -> Job:
    started = micros("2021-08-02T20:13:32.870023561Z")
    return Job(
        seq=1,
        run=id,
        pipeline="edges",
        version=1,
        step="edges",
        repo="edges",
        created=micros("2021-08-02T20:13:10.461841493Z"),
        state=JobState.DONE,
        outcome=Outcome.SUCCEEDED,
        inputs=(JobInput("images", "master", id),),
        total=processed + skipped,
        processed=processed,
        reused=skipped,
        download_bytes=down,
        upload_bytes=up,
        download_seconds=0.113263653,
        process_seconds=1.020472976,
        upload_seconds=0.010323995,
        started=started,
        finished=started + int(seconds * 1e6),
    )


FIRST = done("fd9454d06d8e4fa38a75c8cd20b39538", 2, 1, 185424, 114041, 5.821868)


def test_the_table_of_the_page() -> None:
    jobs = [
        FIRST,
        done("5a78358d4b53494cbba4550428f2fe98", 1, 0, 58644, 22753, 2.4),
        done("7dcd77a2f7f34ff384a6096d1139e922", 0, 0, 0, 0, 0.3),
    ]
    assert jobs[0].started is not None
    now = jobs[0].started + 20 * 3_600_000_000 + 5
    assert table(JOB_HEADS, [job_cells(job, now) for job in jobs]) == TABLE


def test_the_json_of_the_page() -> None:
    """Keys in their order, every value, every type; times have microseconds here."""
    shown = job_json(Described(FIRST, STEP, "27bbe39ccae54cc2976e3f960a2e1f94", "master"))
    wanted = re.sub(r"(\.\d{6})\d{3}Z", r"\1Z", RAW)
    assert shown == json.loads(wanted)
    assert json.dumps(shown) == json.dumps(json.loads(wanted)), "in the same order"


def test_the_text_says_the_same() -> None:
    assert FIRST.started is not None
    text = job_text(Described(FIRST, STEP, "", "master"), FIRST.started + 7_200_000_000)
    for line in ("ID: fd9454d06d8e4fa38a75c8cd20b39538", "Started: 2 hours ago", "Duration: 5 seconds", "Skipped: 1"):
        assert line in text.splitlines()


@pytest.mark.parametrize(
    ("change", "cell", "shown"),
    [
        ({"recovered": 1, "total": 4}, 5, "2 + 1 + 1 / 4"),
        ({"state": JobState.WAITING, "started": None, "finished": None}, 2, "-"),
        ({"state": JobState.WAITING, "started": None, "finished": None}, 3, "-"),
        ({"state": JobState.WAITING}, 8, "created"),
        ({"state": JobState.OPEN, "reached": AttemptState.RUNNING}, 8, "running"),
        ({"state": JobState.EXPORTING}, 8, "egress"),
        ({"outcome": Outcome.FAILED, "reason": Reason.TASKS, "message": ""}, 8, "failure: tasks"),
        ({"outcome": Outcome.FAILED, "message": "x" * 30}, 8, f"failure: {'x' * 25}..."),
        ({"restarts": 2}, 4, "2"),
    ],
)
def test_other_jobs(change: dict[str, object], cell: int, shown: str) -> None:
    from msgspec.structs import replace

    assert job_cells(replace(FIRST, **change), micros("2021-08-03T20:13:32.000000Z"))[cell] == shown
