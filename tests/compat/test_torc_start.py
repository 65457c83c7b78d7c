"""One reader for both commands that take a definition, what `start` refuses, and the words of `torc`'s messages."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Torc = Callable[..., Any]

SHELL = "name: x\nuser: me\njobs: [{name: a.b, command: 'echo $((1 + 1)) > told'}]\n"


@pytest.mark.parametrize("name", ["w.yaml", "w.yml", "w.json5", "w.json", "w", "w.txt", "yaml.json"])
def test_both_commands_read_a_definition_alike(torc: Torc, penstock: Torc, tmp_path: Path, name: str) -> None:
    in_json = name in ("w.json5", "w.json", "w.txt")
    text = "{name: 'x', user: 'me', jobs: [{name: 'a.b', command: 'echo $((1 + 1)) > told', priority: 1}]}"
    (tmp_path / name).write_text(text if in_json else SHELL)
    shown, made = penstock("import", "torc", name), torc("workflows", "create-from-json-file", name)
    assert (shown.code, made.code) == (0, 0), made.err
    notes = [line for line in made.err.splitlines() if line.startswith("note: ")]
    assert notes == shown.err.splitlines() and len(notes) == 2
    for words in (("workflows", "start"), ("jobs", "run")):
        assert torc(*words).code == 0
    assert (tmp_path / "told").read_text() == "2\n"


def test_words_are_split_where_no_field_is_of_todays_torc(torc: Torc, tmp_path: Path) -> None:
    (tmp_path / "w.json").write_text(json.dumps({"jobs": [{"name": "a", "command": "echo 'x y' $HOME"}]}))
    torc("workflows", "create-from-json-file", "w.json")
    assert torc("-F", "json", "jobs", "list").json["jobs"][0]["command"] == "echo 'x y' '$HOME'"


@pytest.mark.parametrize("name", ["w.kdl", "W.KDL"])
def test_kdl_is_refused_by_its_name(torc: Torc, penstock: Torc, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('name "x"\njob "a" command="echo"\n')
    for said in (penstock("import", "torc", name), torc("workflows", "create-from-json-file", name)):
        says = "KDL is not read; say the same in YAML, JSON or JSON5"
        assert (said.code, said.err) == (2, f"penstock: {name}:1:1: {says}\n")


def flow(torc: Torc, tmp_path: Path, jobs: list[dict[str, Any]], data: list[dict[str, Any]]) -> None:
    (tmp_path / "w.json5").write_text(json.dumps({"name": "w", "jobs": jobs, "user_data": data}))
    assert torc("workflows", "create-from-json-file", "w.json5").code == 0


READER = {"name": "reads", "command": "true", "input_user_data": ["d"]}
WRITER = {"name": "writes", "command": "sh -c 'echo 1 > $PENSTOCK_DATA_OUT/d.json'", "output_user_data": ["d"]}


@pytest.mark.parametrize("document", [{"name": "d"}, {"name": "d", "data": {}}, {"name": "d", "is_ephemeral": True}])
def test_a_reader_of_an_empty_document_that_nobody_fills(torc: Torc, tmp_path: Path, document: dict[str, Any]) -> None:
    flow(torc, tmp_path, [READER], [document])
    for words in (("workflows", "start"), ("workflows", "restart"), ("workflows", "reset-status", "-r")):
        said = torc(*words)
        assert said.code == 3 and "job 'reads' reads user data 'd', which is empty" in said.err
    assert torc("-F", "json", "workflows", "show-status").json["run_id"] == 0
    assert torc("workflows", "start", "-i").code == 0


def test_it_is_filled_by_its_definition_somebody_or_a_job(torc: Torc, penstock: Torc, tmp_path: Path) -> None:
    flow(torc, tmp_path, [READER], [{"name": "d"}])
    assert penstock("data", "set", "d", "{a: 1}").code == 0
    assert torc("workflows", "start").code == 0
    torc("jobs", "run")


def test_a_job_that_fills_it_has_to_run(torc: Torc, tmp_path: Path) -> None:
    flow(torc, tmp_path, [WRITER, READER], [{"name": "d"}])
    assert torc("jobs", "disable", "writes").code == 0
    assert torc("workflows", "start").code == 3
    assert torc("jobs", "enable", "writes").code == 0
    assert torc("workflows", "start").code == 0
    assert torc("jobs", "run").code == 0
    torc("jobs", "disable", "writes")
    assert torc("workflows", "reset-status", "-r").code == 0, "it is filled by now"


def test_messages_are_in_torcs_words(torc: Torc, tmp_path: Path) -> None:
    assert "there is no workflow yet; `torc workflows create-from-json-file" in torc("workflows", "start").err
    flow(torc, tmp_path, [{"name": "a", "command": "true"}], [])
    torc("workflows", "start")
    for line in ("workflows start", "workflows restart", "workflows reset-status", "jobs disable a"):
        said = torc(*line.split())
        assert said.code == 3 and "`torc workflows cancel`" in said.err and "pipeline" not in said.err
    torc("jobs", "run")
    torc("jobs", "disable", "a")
    assert "`torc jobs enable`" in torc("workflows", "start").err
    assert "`torc user-data list`" in torc("user-data", "get", "99").err
    assert "'-t' / '--time-limit'" in torc("jobs", "run", "-t", "soon").err
    (tmp_path / "v.json5").write_text("{name: 'v', jobs: [{command: 'true'}]}")
    torc("workflows", "create-from-json-file", "v.json5")
    assert "say which: torc -k KEY" in torc("jobs", "list").err


def test_jobs_without_a_runtime_count_as_the_whole_walltime(torc: Torc, tmp_path: Path) -> None:
    flow(torc, tmp_path, [{"name": f"j{i}", "command": "true"} for i in range(6)], [])
    said = torc("hpc", "slurm", "recommend-nodes", "-c", "2")
    assert "6 jobs need 3 nodes" in said.err
    assert "jobs that say no runtime count as if they took the whole walltime" in said.err
