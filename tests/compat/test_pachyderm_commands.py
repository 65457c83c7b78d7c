"""`penstock pachctl` where it is asked for odd things, without a job that runs."""

from __future__ import annotations

import io
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.compat.pachyderm.commands.datums import only
from penstock.model.errors import BadReference

Command = Callable[..., Any]


@pytest.fixture
def lab(pachctl: Command, penstock: Command, tmp_path: Path) -> Command:
    """A repo `words` of three files, and a step over them that has run: it tells each file's name in two lines."""
    (tmp_path / "pipeline.yaml").write_text("""
steps:
  copy: {input: "words@master:/*", run: "cd $PENSTOCK_IN/words; cp * $PENSTOCK_OUT; echo did; echo *"}
""")
    assert pachctl("create", "repo", "words").code == 0
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text(name)
    assert pachctl("put", "file", "words@master", *(word for name in "abc" for word in ("-f", name))).code == 0
    assert penstock("run").code == 0
    return pachctl


def test_more_than_any_list_has_is_refused(pachctl: Command) -> None:
    for noun in ("job", "commit"):
        assert pachctl("list", noun, "-n", "99999999999999999999").code == 2


def test_logs_of_a_datum_beside_its_job(lab: Command) -> None:
    job = lab("list", "job", "-p", "copy").rows[0].split()[0]
    datums = {row.split()[1].rpartition("/")[2]: row.split()[0] for row in lab("list", "datum", f"copy@{job}").rows}
    assert lab("logs", "-j", f"copy@{job}", "--datum", datums["b"]).out == "did\nb\n"
    assert lab("logs", "-p", "copy", "--datum", datums["c"][:12]).out == "did\nc\n"
    assert lab("logs", "--datum", datums["a"], "-t", "1").out == "a\n"
    assert len(lab("logs", "-p", "copy", "--tail", "5").out.splitlines()) == 5
    assert lab("logs", "-j", f"copy@{job}", "--datum", "0" * 32).code == 3
    assert lab("logs", "-j", f"copy@{job}", "--datum", "*").code == 3
    assert lab("logs", "-j", f"copy@{job}", "-p", "copy").code == lab("logs", "-p", "copy", "-f", "-t", "1").code == 2


def test_a_datum_that_is_not_told_apart(lab: Command) -> None:
    job = lab("list", "job", "-p", "copy").rows[0].split()[0]
    ids = [row.split()[0] for row in lab("list", "datum", f"copy@{job}").rows]
    assert lab("inspect", "datum", f"copy@{job}", ids[0]).code == 0
    assert lab("inspect", "datum", f"copy@{job}", "").code == 3
    with pytest.raises(BadReference, match="fits several datums of j"):
        only("ab", ["abc", "abd"], "j")
    assert only("ab", ["abc"], "j") == "abc"


def test_commits_that_share_an_id_are_one_line(lab: Command, tmp_path: Path) -> None:
    first = lab("list", "commit", "words").rows[0].split()[2]
    table = lab("list", "commit")
    assert table.out.split()[:5] == ["ID", "SUBCOMMITS", "PROGRESS", "CREATED", "MODIFIED"]
    (tmp_path / "a").write_text("x")
    second = lab("put", "file", "words@master", "-f", "a", "--raw").json["commit"]["id"]
    assert lab("list", "commit").rows[0].split()[:3] == [second, "2", "▇▇▇▇----"], "that of `copy` is still to come"
    assert lab("list", "commit", "-n", "1").rows[0].split()[0] == second
    opened = lab("start", "commit", "words@master").out.strip()
    assert lab("list", "commit").rows[0].split()[:3] == [opened, "1", "--------"]
    said = lab("list", "commit", "-n", "1", "--raw").json
    assert said["commit_set"] == {"id": opened} and len(said["commits"]) == 1
    expanded = [row.split()[2] for row in lab("list", "commit", "-x").rows]
    assert expanded[:2] == [opened, second] and first in expanded


def test_a_commit_that_is_open_is_one(pachctl: Command, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    assert pachctl("create", "repo", "r").code == 0
    first = pachctl("start", "commit", "r@master").out.strip()
    assert pachctl("put", "file", "r@master", "-f", "a").code == 0
    for command in (("list", "file", "r@master"), ("get", "file", "r@master:/a"), ("list", "file", "r")):
        said = pachctl(*command)
        assert said.code == 3 and f"{first} is open: `pachctl finish commit r@master`" in said.err
    assert [row.split()[2] for row in pachctl("list", "commit", "r@master").rows] == [first]
    assert pachctl("inspect", "commit", "r@master", "--raw").json["commit"]["id"] == first
    assert pachctl("finish", "commit", "r@master").code == 0
    assert len(pachctl("list", "file", "r@master").rows) == 1
    second = pachctl("start", "commit", "r@master").out.strip()
    assert [row.split()[2] for row in pachctl("list", "commit", "r@master").rows] == [second, first]


TICKS = {"cron": {"name": "t", "spec": "@daily"}}
SPECS = "".join(
    json.dumps({"pipeline": {"name": name}, "transform": {"cmd": ["true"]}, "input": TICKS}) for name in ("one", "two")
)


def test_importing_several_specs_finds_a_name(
    penstock: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file, name in (("my specs.v2.json", "my-specs-v2"), ("_x.json", "x"), ("plain.json", "plain")):
        (tmp_path / file).write_text(SPECS)
        done = penstock("import", "pachyderm", file)
        assert (done.code, done.out.splitlines()[0]) == (0, f"pipeline: {name}"), done.err
        assert ("--name" in done.err) == (name != "plain")
    (tmp_path / "My Lab").mkdir()
    monkeypatch.chdir(tmp_path / "My Lab")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(SPECS.encode())))
    assert penstock("import", "pachyderm", "-").out.startswith("pipeline: My-Lab\n")


def test_pipes_are_read_where_they_have_a_name(penstock: Command, pachctl: Command, tmp_path: Path) -> None:
    def pipe(data: bytes) -> str:
        reading, writing = os.pipe()
        os.write(writing, data)
        os.close(writing)
        return f"/dev/fd/{reading}"

    assert pachctl("create", "pipeline", "-f", pipe(SPECS.encode()), "--env", "inherit").code == 0
    assert penstock("import", "pachyderm", pipe(SPECS.encode())).code == 0
    assert penstock("repo", "create", "t").code == 0
    assert penstock("put", "t:/x", pipe(b"hi")).code == 0
    assert penstock("cat", "t:/x").out == "hi"
    assert pachctl("put", "file", "t@main:/y", "-f", pipe(b"ho")).code == 0
    os.mkfifo(tmp_path / "fifo")
    holder = os.open(tmp_path / "fifo", os.O_RDWR)
    os.write(holder, b"x" * 10)
    refused = penstock("put", "t:/x/", "fifo")
    os.close(holder)
    assert refused.code == 2 and "say what it shall be called" in refused.err
    for command in (("put", "t:/x", "/dev/null"), ("import", "pachyderm", "/dev/null")):
        done = penstock(*command)
        assert done.code == 2 and "/dev/null: is a device" in done.err
    assert penstock("put", "t:/x", "nothing").code == 3


def test_two_files_differ_under_their_own_names(pachctl: Command, tmp_path: Path) -> None:
    (tmp_path / "one/d").mkdir(parents=True)
    (tmp_path / "one/f").write_text("1")
    (tmp_path / "one/d/f").write_text("22")
    assert pachctl("create", "repo", "r").code == 0
    assert pachctl("put", "file", "r@master", "-r", "-f", "one").code == 0

    def rows(new: str, old: str) -> list[list[str]]:
        return [row.split() for row in pachctl("diff", "file", f"r@master:{new}", f"r@master:{old}").rows]

    assert rows("/f", "/d/f") == [["-", "2B", "/d/f"], ["+", "1B", "/f"]]
    assert rows("/d", "/f") == [["-", "1B", "/f"], ["+", "2B", "/d/f"]]
    assert rows("/f", "/f") == []


def test_get_replaces_files_if_it_is_told_to(pachctl: Command, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("new")
    assert pachctl("create", "repo", "r").code == 0
    assert pachctl("put", "file", "r@master", "-f", "a").code == 0
    (tmp_path / "there").write_text("old")
    refused = pachctl("get", "file", "r@master:/a", "-o", "there")
    assert refused.code == 3 and "--force" in refused.err and (tmp_path / "there").read_text() == "old"
    assert pachctl("get", "file", "r@master:/a", "-o", "there", "--force").code == 0
    assert (tmp_path / "there").read_text() == "new"


def test_states_that_no_job_has_are_refused(lab: Command) -> None:
    assert len(lab("list", "job", "-p", "copy", "--state", "JOB_SUCCESS").rows) == 1
    refused = lab("list", "job", "-p", "copy", "--state", "bogus")
    assert refused.code == 2 and "bogus" in refused.err and "unrunnable" in refused.err


def test_every_job_has_a_salt(lab: Command) -> None:
    job = lab("list", "job", "-p", "copy").rows[0].split()[0]
    salt = lab("inspect", "job", f"copy@{job}", "--raw").json["details"]["salt"]
    assert re.fullmatch("[0-9a-f]{32}", salt)
    assert lab("inspect", "pipeline", "copy", "--raw").json["details"]["salt"] == salt


def test_what_shows_things_takes_the_options_of_all(lab: Command) -> None:
    raw = lab("list", "repo", "--raw").out
    assert lab("list", "repo", "--raw", "-o", "json", "--no-pager", "--project", "default").out == raw
    text = lab("inspect", "repo", "words", "--raw", "-o", "yaml").out
    assert text.startswith("repo: {name: words, type: user}\n")
    assert lab("list", "repo", "-o", "yaml", "--raw").out.count("---\n") == 1, "two documents"
    assert lab("list", "repo", "-o", "yaml").code == lab("list", "repo", "--project", "other").code == 2
    assert lab("list", "job", "--history", "all").out == lab("list", "job").out


def test_specs_of_pipelines_make_them_again(pachctl: Command, penstock: Command, tmp_path: Path) -> None:
    whole = {
        "pipeline": {"name": "one"},
        "transform": {"cmd": ["sh"], "stdin": ["a", "b"], "env": {"X": "1"}, "accept_return_code": [3]},
        "input": {"cross": [{"pfs": {"repo": "r", "glob": "/*", "trigger": {"commits": 2}}}, TICKS]},
        "datum_timeout": "90s",
        "resource_limits": {"memory": "1Gi"},
        "reprocess_spec": "every_job",
    }
    (tmp_path / "one.json").write_text(json.dumps(whole))
    assert pachctl("create", "repo", "r").code == 0
    made = pachctl("create", "pipeline", "-f", "one.json", "--env", "inherit")
    assert made.code == 0, made.err
    said = pachctl("list", "pipeline", "-s")
    assert said.err == "" and said.json["datum_timeout"] == "90s" and said.json["input"]["cross"][0]["pfs"]["trigger"]
    (tmp_path / "again.json").write_text(said.out)
    again = pachctl("update", "pipeline", "-f", "again.json", "--env", "inherit")
    assert again.code == 0, again.err
    assert pachctl("list", "pipeline", "-s").out == said.out
    (tmp_path / "one.json").write_text(json.dumps({**whole, "datum_timeout": "2m"}))
    assert pachctl("update", "pipeline", "-f", "one.json", "--env", "inherit").code == 0
    assert [row.split()[1] for row in pachctl("list", "pipeline", "--history", "all").rows] == ["3", "2", "1"]
    (tmp_path / "pipeline.yaml").write_text("steps: {more: {run: 'true', params: {x: 1}, output: more}}")
    assert penstock("pipeline", "create", "pipeline.yaml").code == 0
    assert "more: this is not all" in pachctl("list", "pipeline", "more", "--spec").err
