"""`penstock pachctl`: ids that no run has, earlier versions of pipelines, plain paths, branches without commits."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]


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
