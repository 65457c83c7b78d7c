"""What people type to keep user data, and see: commands and their output, with keys, revisions and times made equal."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Torc = Callable[..., Any]

#: Each as typed, then all that is printed; J is the key of the job, A, B, C... are keys of documents, R revisions.
TRANSCRIPTS = [
    (
        ("jobs", "add-user-data", "J", "{key1: 'val1', key2: 'val2'}", "{key3: 'val3'}"),
        "TIME - INFO [torc.cli.jobs jobs.py:103] : Added user_data key=A to job key=J\n"
        "TIME - INFO [torc.cli.jobs jobs.py:103] : Added user_data key=B to job key=J\n",
    ),
    (
        ("jobs", "list-user-data", "J"),
        """[
  {
    "_key": "A",
    "_rev": "R",
    "key1": "val1",
    "key2": "val2"
  },
  {
    "_key": "B",
    "_rev": "R",
    "key3": "val3"
  }
]
""",
    ),
    (
        ("user-data", "add", "{key1: 'val1', key2: 'val2'}", "{key3: 'val3'}"),
        "TIME - INFO [torc.cli.user_data user_data.py:41] : Added user_data key=C\n"
        "TIME - INFO [torc.cli.user_data user_data.py:41] : Added user_data key=D\n",
    ),
    (
        ("user-data", "get", "C"),
        """{
  '_key': 'C',
  '_rev': 'R',
  'key1': 'val1',
  'key2': 'val2'
}
""",
    ),
    (
        ("user-data", "delete", "C", "D"),
        "TIME - INFO [torc.cli.user_data user_data.py:54] : Deleted user_data=C\n"
        "TIME - INFO [torc.cli.user_data user_data.py:54] : Deleted user_data=D\n",
    ),
    (("-F", "json", "user-data", "delete-all"), '{\n  "keys": [\n    "A",\n    "B"\n  ]\n}\n'),
    (("user-data", "list"), "[]\n"),
]
KEYS = {"J": "2", "A": "1", "B": "2", "C": "3", "D": "4"}
TIME = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ", re.MULTILINE)
REVISION = re.compile(r"_[A-Za-z0-9]{6}----")


@pytest.fixture
def flow(torc: Torc, tmp_path: Path) -> Torc:
    """A workflow of one job, whose key is 2."""
    (tmp_path / "w.json5").write_text(json.dumps({"jobs": [{"name": "work", "command": "true"}]}))
    assert torc("workflows", "create-from-json-file", "w.json5").code == 0
    return torc


def test_user_data_as_its_users_know_it(flow: Torc) -> None:
    for typed, printed in TRANSCRIPTS:
        done = flow(*(KEYS.get(word, word) for word in typed))
        assert done.code == 0, done.err
        wanted = re.sub(r"\b[JABCD]\b", lambda match: KEYS[match[0]], printed)
        assert REVISION.sub("R", TIME.sub("TIME ", done.err + done.out)) == wanted


def test_a_revision_is_of_one_value_of_one_document(flow: Torc) -> None:
    flow("user-data", "add", "{a: 1}", "{a: 1}")
    listed = flow("user-data", "list").json
    assert len({item["_rev"] for item in listed}) == 2
    assert flow("user-data", "list").json == listed
    assert f"'_rev': '{listed[0]['_rev']}'" in flow("user-data", "get", "1").out


@pytest.mark.parametrize("text", ["[1]", "val", "{a: }", "{a: NaN}", "7"])
def test_what_is_no_json5_object_is_refused(flow: Torc, text: str) -> None:
    assert flow("user-data", "add", "{good: 1}", text).code == 2
    assert flow("user-data", "list").json == [], "all or none"


def test_in_a_task_files_are_read_and_written(flow: Torc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given, left = tmp_path / "given", tmp_path / "left"
    given.mkdir()
    (given / "7.json").write_text('{"key1": "val1"}')
    monkeypatch.setenv("PENSTOCK_DATA", str(given))
    monkeypatch.setenv("PENSTOCK_DATA_OUT", str(left))
    monkeypatch.setenv("TORC_JOB_KEY", "2")
    monkeypatch.setenv("TORC_WORKFLOW_KEY", "1")
    (tmp_path / ".penstock/state.db").rename(tmp_path / "away")  # no project is needed

    assert "'key1': 'val1'" in flow("user-data", "get", "7").out
    assert flow("jobs", "add-user-data", "2", "{found: 3}").err.endswith("Added user_data key=_1 to job key=2\n")
    assert json.loads((left / "_1.json").read_text()) == {"found": 3}
    listed = flow("jobs", "list-user-data", "2").json
    assert [(item["_key"], item.get("found")) for item in listed] == [("7", None), ("_1", 3)]
    assert flow("jobs", "add-user-data", "3", "{}").code == 3, "the data of another job"
    assert flow("user-data", "delete", "7").code == 3
