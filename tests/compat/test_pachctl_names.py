"""`penstock pachctl`: ids that no run has, earlier versions of pipelines, plain paths, branches without commits."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.model.errors import PenstockError
from penstock.runner import namespace

Command = Callable[..., Any]


def forbidden() -> str | None:
    try:
        namespace.try_out()
    except PenstockError as error:
        return str(error)
    return None


needs_views = pytest.mark.skipif(forbidden() is not None, reason=str(forbidden()))


def write_spec(directory: Path, command: str, name: str = "copy") -> None:
    said = {
        "pipeline": {"name": name},
        "transform": {"cmd": ["sh", "-c", command]},
        "input": {"pfs": {"repo": "in", "glob": "/*"}},
    }
    (directory / f"{name}.json").write_text(json.dumps(said))


@pytest.fixture
def filled(pachctl: Command, tmp_path: Path) -> Command:
    """A repo `in` with `/a` and `/d/e/f`, and nothing that reads it."""
    (tmp_path / "a").write_text("a\n")
    (tmp_path / "d" / "e").mkdir(parents=True)
    (tmp_path / "d" / "e" / "f").write_text("f\n")
    assert pachctl("create", "repo", "in").code == 0
    assert pachctl("put", "file", "in@master:/a", "-f", "a").code == 0
    assert pachctl("put", "file", "in@master:/d", "-r", "-f", "d").code == 0
    return pachctl


def test_an_id_that_only_commits_of_people_have(filled: Command, penstock: Command) -> None:
    (newest, oldest) = (row.split()[0] for row in filled("list", "commit").rows)
    for one in (newest, oldest[:-1]):
        waited = filled("wait", "commit", one)
        assert waited.code == 0 and [row.split()[2][:31] for row in waited.rows] == [one[:31]]
        for listing in (("list", "job"), ("wait", "job")):
            found = filled(*listing, one)
            assert found.code == 0 and found.rows == [] and found.out.startswith("ID ")
        shown = filled("inspect", "commit", one, "--raw").json
        assert shown["commit"]["id"].startswith(one) and shown["commit"]["branch"]["repo"]["name"] == "in"
        assert f"Commit: in@{one}" in filled("inspect", "commit", one).out
        assert penstock("wait", one).code == 0
    for wrong in (("wait", "commit"), ("wait", "job"), ("list", "job"), ("inspect", "commit")):
        gone = filled(*wrong, "f" * 32)
        assert gone.code == 3 and "no run and no commit has the id" in gone.err
    opened = filled("start", "commit", "in@master").out.strip()
    waited = filled("wait", "commit", opened)
    assert waited.code != 0 and "is open" in waited.err


def test_a_plain_path_is_one_item(filled: Command) -> None:
    def glob(pattern: str) -> list[list[str]]:
        found = filled("glob", "file", f"in@master:{pattern}")
        assert found.code == 0, found.err
        return [row.split() for row in found.rows]

    assert glob("/d") == glob("/d/") == [["/d/", "dir", "2B"]]
    assert glob("/") == [["/", "dir", "4B"]]
    assert glob("/a") == [["/a", "file", "2B"]]
    assert glob("/d/*") == [["/d/e/", "dir", "2B"]]
    assert [row[0] for row in glob("/*")] == ["/a", "/d/"]
    assert filled("glob", "file", "in@master:/", "--raw").json["file"] == {"path": "/"}


def test_a_branch_without_commits_lists_as_empty(pachctl: Command) -> None:
    assert pachctl("create", "repo", "in").code == 0
    assert pachctl("create", "branch", "in@dev").code == 0
    for branch in ("master", "dev"):
        for words in (("list", "file"), ("glob", "file"), ("list", "commit")):
            found = pachctl(*words, f"in@{branch}" + (":/*" if words[0] == "glob" else ""))
            assert (found.code, found.rows) == (0, []), found.err
            assert pachctl(*words, f"in@{branch}", "--raw").out == ""
    assert pachctl("list", "file", "in@nope").code == 3
    assert pachctl("list", "file", "in@dev:/x").code == 3
    pachctl("start", "commit", "in@dev")
    assert "is open" in pachctl("list", "file", "in@dev").err
    assert len(pachctl("list", "commit", "in@dev").rows) == 1


def test_a_rehearsal_makes_nothing(filled: Command, tmp_path: Path) -> None:
    write_spec(tmp_path, "cp /pfs/in/* /pfs/out")
    before = filled("list", "repo").rows
    dry = filled("create", "pipeline", "-f", "copy.json", "--env", "inherit", "--dry-run")
    assert dry.code == 0 and dry.json["pipeline"] == {"name": "copy"} and dry.json["input"]["pfs"]["glob"] == "/*"
    assert filled("list", "pipeline").rows == filled("list", "job").rows == []
    assert len(before) == len(filled("list", "repo").rows)
    (tmp_path / "copy.json").write_text((tmp_path / "copy.json").read_text().replace('"in"', '"inn"'))
    wrong = filled("create", "pipeline", "-f", "copy.json", "--env", "inherit", "--dry-run")
    assert wrong.code == 2 and 'there is no repo "inn"' in wrong.err
    write_spec(tmp_path, "true")
    assert filled("create", "pipeline", "-f", "copy.json", "--env", "inherit").code == 0
    again = filled("create", "pipeline", "-f", "copy.json", "--env", "inherit", "--dry-run")
    assert again.code != 0 and "exists already" in again.err
    assert filled("update", "pipeline", "-f", "copy.json", "--env", "inherit", "--dry-run").code == 0
    assert len(filled("list", "pipeline", "--history", "all").rows) == 1


def test_earlier_versions(filled: Command, tmp_path: Path) -> None:
    opened = []
    for number, verb in enumerate(("create", "update", "update")):
        write_spec(tmp_path, f"echo {number}")
        done = filled(verb, "pipeline", "-f", "copy.json", "--env", "inherit")
        assert done.code == 0, done.err
        opened += re.findall("[0-9a-f]{32}", done.err)[:1]

    def versions(*words: str) -> list[str]:
        found = filled("list", "pipeline", *words)
        assert found.code == 0, found.err
        return [row.split()[1] for row in found.rows]

    assert versions() == versions("copy") == versions("--history", "none") == ["3"]
    assert versions("--history", "1") == versions("copy", "--history", "1") == ["3", "2"]
    assert versions("--history", "all") == versions("--history", "-1") == ["3", "2", "1"]
    assert versions("copy^1", "--history", "5") == ["2", "1"] and versions("copy^^") == versions("copy~2") == ["1"]
    assert "echo 1" in filled("inspect", "pipeline", "copy^1").out
    assert filled("inspect", "pipeline", "copy^2", "--raw").json["version"] == "1"
    too_far = filled("inspect", "pipeline", "copy^3")
    assert too_far.code == 3 and "has 2 earlier versions, not 3" in too_far.err
    assert filled("inspect", "pipeline", "copy.1").code == 2
    assert filled("delete", "pipeline", "copy^1").code == 3

    def jobs(*words: str) -> list[str]:
        return [row.split()[0] for row in filled("list", "job", *words).rows]

    assert jobs("-p", "copy") == jobs("-x", "--history", "all") == opened[::-1]
    assert jobs("-p", "copy", "--history", "none") == jobs("-x", "--history", "0") == [opened[2]]
    assert jobs("-p", "copy", "--history", "1") == [opened[2], opened[1]]
    assert jobs("-p", "copy^1") == [opened[1]]
    assert filled("list", "job", "--history", "1").code == 2
    assert filled("list", "job", "-p", "copy", "--history", "many").code == 2
    assert filled("list", "job", "-p", "copi^1").code == 3


def test_directories_differ_with_what_is_in_them(filled: Command, tmp_path: Path) -> None:
    def diff(*words: str) -> list[str]:
        found = filled("diff", "file", *words)
        assert found.code == 0, found.err
        return [" ".join(row.split()) for row in found.rows]

    added = ["+ 2B /d/", "+ 2B /d/e/", "+ 2B /d/e/f"]
    assert diff("in@master") == ["- 2B /", "+ 4B /", *added]
    assert diff("in@master:/d", "in@master^1:/d") == added, "no further up than was asked for"
    assert diff("in@master:/d/e/f", "in@master^1:/d/e/f") == ["+ 2B /d/e/f"]
    assert diff("in@master", "in@master") == []
    (tmp_path / "a").write_text("longer\n")
    assert filled("put", "file", "in@master:/d/e.txt", "-f", "a").code == 0
    assert filled("delete", "file", "-r", "in@master:/d/e").code == 0
    before, now = "in@master^2", "in@master"
    rows = ["- 2B /d/", "+ 7B /d/", "+ 7B /d/e.txt", "- 2B /d/e/", "- 2B /d/e/f"]
    assert diff(now, before) == ["- 4B /", "+ 9B /", *rows]
    assert diff(f"{now}:/d", f"{before}:/d") == rows
    assert diff(f"{now}:/d", f"{before}:/d/e") == ["- 2B /d/e/", "+ 7B /d/", "+ 7B /d/e.txt", "- 2B /d/e/f"]
    assert filled("diff", "file", now, before, "--raw").out.count('"path"') == 7


def test_datums_of_a_spec_that_is_not_in_force(filled: Command, tmp_path: Path) -> None:
    write_spec(tmp_path, "true")
    listed = filled("list", "datum", "-f", "copy.json")
    assert listed.out.split()[:4] == ["ID", "FILES", "STATUS", "TIME"]
    head = filled("list", "branch", "in").rows[0].split()[1]
    assert [row.split() for row in listed.rows] == [["-", f"in@{head}:{path}", "-", "-"] for path in ("/a", "/d")]
    said = json.loads((tmp_path / "copy.json").read_text())
    join = [{"pfs": {"repo": "in", "glob": "/*", "name": name}} for name in ("x", "y")]
    (tmp_path / "copy.json").write_text(json.dumps({**said, "input": {"join": join}}))
    assert len(filled("list", "datum", "-f", "copy.json").rows) == 4, "all of one side meets all of the other"
    outer = {"join": [{"pfs": {**join[0]["pfs"], "outer_join": True}}, {"pfs": {**join[1]["pfs"], "glob": "/no*"}}]}
    (tmp_path / "copy.json").write_text(json.dumps({**said, "input": outer}))
    assert [row.split()[1] for row in filled("list", "datum", "-f", "copy.json").rows] == [
        f"in@{head}:{path}" for path in ("/a", "/d")
    ]
    (tmp_path / "copy.json").write_text(json.dumps({**said, "input": {"group": join}}))
    (one,) = filled("list", "datum", "-f", "copy.json").rows
    assert one.count(f"in@{head}:/") == 4
    (tmp_path / "copy.json").write_text(json.dumps({**said, "input": {"cron": {"name": "t", "spec": "@daily"}}}))
    assert "has a cron input" in filled("list", "datum", "-f", "copy.json").err
    assert filled("list", "datum").code == filled("list", "datum", "copy@x", "-f", "copy.json").code == 2
    assert filled("list", "pipeline").rows == filled("list", "job").rows == []


def opened(done: Any) -> str:
    assert done.code == 0, done.err
    return re.findall("[0-9a-f]{32}", done.err)[0]


@needs_views
def test_logs_of_skipped_datums_lead_to_where_they_ran(filled: Command, tmp_path: Path) -> None:
    write_spec(tmp_path, "ls -R /pfs/in; date +%N")
    first = opened(filled("create", "pipeline", "-f", "copy.json", "--env", "inherit"))
    assert filled("wait", "job", first).code == 0
    (tmp_path / "b").write_text("b\n")
    second = opened(filled("put", "file", "in@master:/b", "-f", "b"))
    assert filled("wait", "job", second).code == 0
    printed = filled("logs", "-j", f"copy@{first}").out
    datums = {row.split()[1].rpartition(":")[2]: row.split() for row in filled("list", "datum", f"copy@{second}").rows}
    assert {path: row[2] for path, row in datums.items()} == {"/a": "skipped", "/b": "success", "/d": "skipped"}
    for beside in (["-j", f"copy@{second}"], ["-p", "copy"]):
        found = filled("logs", *beside, "--datum", datums["/a"][0][:12])
        assert found.code == 0 and found.out and found.out in printed, found.err
        assert f"in copy@{first}, whose logs these are" in found.err
    assert filled("logs", "-j", f"copy@{second}", "--datum", datums["/b"][0]).err == ""
    third = opened(filled("run", "pipeline", "copy"))
    assert filled("wait", "job", third).code == 0
    nothing = filled("logs", "-j", f"copy@{third}")
    assert nothing.out == "" and f"copy@{third} skipped 3 of 3 datums" in nothing.err
    assert filled("logs", "-j", f"copy@{third}", "--datum", "abcdef").code == 3


@needs_views
def test_a_job_is_deleted_with_what_it_made(filled: Command, tmp_path: Path) -> None:
    write_spec(tmp_path, "cp -r /pfs/in/* /pfs/out")
    first = opened(filled("create", "pipeline", "-f", "copy.json", "--env", "inherit"))
    assert filled("wait", "job", first).code == 0
    (tmp_path / "b").write_text("b\n")
    second = opened(filled("put", "file", "in@master:/b", "-f", "b"))
    assert filled("wait", "job", second).code == 0
    gone = filled("delete", "job", f"copy@{second}")
    assert gone.code == 0 and f"deleted commit copy@{second}" in gone.err and f"deleted job {second}" in gone.err
    assert [row.split()[0] for row in filled("list", "job", "-p", "copy").rows] == [first]
    assert [row.split()[0] for row in filled("list", "file", "copy@master").rows] == ["/a", "/d/"]
    third = opened(filled("run", "pipeline", "copy"))
    stopped = filled("delete", "job", third)
    assert stopped.code == 0, "one that is not done is stopped first"
    assert filled("list", "job", third).code == 3 or filled("list", "job", third).rows == []
    assert filled("delete", "job", second).code == 3


def test_only_datums_that_are_worked_on_are_restarted(filled: Command, tmp_path: Path) -> None:
    write_spec(tmp_path, "true")
    job = opened(filled("create", "pipeline", "-f", "copy.json", "--env", "inherit"))
    for path, why in (("/a", "none of"), ("/zz", "none of its datums does"), ("a,d", "none of its datums does")):
        refused = filled("restart", "datum", f"copy@{job}", path)
        assert refused.code != 0 and why in refused.err, refused.err


def test_a_dash_is_stdout(filled: Command, penstock: Command, tmp_path: Path) -> None:
    write_spec(tmp_path, "true")
    (tmp_path / "flow.yaml").write_text("name: x\njobs: [{name: a, command: echo}]\n")
    for words in (("pachyderm", "copy.json", "--env", "inherit"), ("torc", "flow.yaml")):
        assert penstock("import", *words, "-o", "-") == penstock("import", *words)
        assert penstock("import", *words, "-o", "-").out.startswith("pipeline: ")
    assert filled("get", "file", "in@master:/a", "-o", "-").out == "a\n"
    assert penstock("get", "in@master:/a", "-").out == "a\n"
    assert not (tmp_path / "-").exists()
