"""put, ls, cat, log, diff, get, rm and the nouns of data, as people type them."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Penstock = Callable[..., Any]


@pytest.fixture
def data(penstock: Penstock, tmp_path: Path) -> Path:
    """A project with `d/a` and `d/sub/b` beside it, nothing stored."""
    (tmp_path / "d/sub").mkdir(parents=True)
    (tmp_path / "d/a").write_text("one")
    (tmp_path / "d/sub/b").write_bytes(b"\xff\x00")
    assert penstock("init").err == f"made a project in {tmp_path}\n"
    return tmp_path


def test_a_tour(penstock: Penstock, data: Path) -> None:
    put = penstock("put", "words", "d/", "-m", "first")
    assert put.code == 0
    assert put.err == "made repo words\nwords@main holds 2 files, 5 B; 2 written or deleted\n"
    commit = put.out.strip().removeprefix("words@")
    assert len(commit) == 32
    assert penstock("ls", "words").out == "a\nsub/\n"
    assert penstock("ls", "-r", "words").out == "a\nsub/b\n"
    assert penstock("ls", "-l", "words").out == "SIZE  PATH\n 3 B  a\n      sub/\n"
    assert penstock("cat", "words:/a").out == "one"
    got = penstock("get", f"words@{commit[:12]}:/sub", "out")
    assert (got.out, got.err) == ("", "1 file, 2 B in out\n")
    assert (data / "out/b").read_bytes() == b"\xff\x00"
    removed = penstock("rm", "-r", "words:/sub")
    assert removed.err.endswith("words@main holds 1 file, 3 B; 1 written or deleted\n")
    assert penstock("ls", "words").out == "a\n"
    assert penstock("ls", "words@main^").out == "a\nsub/\n"
    assert penstock("diff", "words").out.split() == ["CHANGE", "BEFORE", "AFTER", "PATH", "removed", "2", "B", "sub/b"]
    back = penstock("diff", "words", "words@main^", "--json").json
    assert back == {
        "differences": [{"path": "sub/b", "change": "added", "old_size": None, "new_size": 2}],
        "next": None,
    }


def test_a_source_with_a_slash_is_its_contents(penstock: Penstock, data: Path) -> None:
    penstock("put", "one", "d")
    penstock("put", "two:/x", "d/")
    penstock("put", "three:/x/y", "d/a")
    assert penstock("ls", "-R", "one").out == "d/a\nd/sub/b\n"
    assert penstock("ls", "-R", "two").out == "x/a\nx/sub/b\n"
    assert penstock("ls", "-R", "three").out == "x/y\n"


def test_mirror_deletes_and_append_grows(penstock: Penstock, data: Path) -> None:
    penstock("put", "words", "d/")
    penstock("put", "words", "d/a", "--append")
    assert penstock("cat", "words:/a").out == "oneone"
    penstock("put", "words", "d/sub/", "--mirror")
    assert penstock("ls", "-r", "words").out == "b\n"


def test_log_folds_what_changed_nothing(penstock: Penstock, data: Path) -> None:
    for message in ("first", "same", "again"):
        penstock("put", "words", "d/a", "-m", message)
    penstock("put", "words", "d/sub/b", "-m", "second")
    folded = penstock("log", "words", "--json").json
    assert [commit["message"] for commit in folded["commits"]] == ["second", "first"]
    assert "(+2 with the same tree) first" in penstock("log", "words").out
    every = penstock("log", "words", "--all", "--json").json["commits"]
    assert [commit["message"] for commit in every] == ["second", "again", "same", "first"]
    page = penstock("log", "words", "-n", "1", "--json").json
    rest = penstock("log", f"words@{page['next']}", "--json").json
    assert page["commits"] + rest["commits"] == folded["commits"]
    assert rest["next"] is None


def test_documents(penstock: Penstock, data: Path) -> None:
    commit = penstock("put", "words", "d/", "--json").json
    fields = "commit repo branch parent run origin tree size files created message error finished forgotten merged"
    assert list(commit) == fields.split()
    assert (commit["files"], commit["run"], commit["parent"]) == (2, None, None)
    assert penstock("commit", "show", "words", "--json").json == commit
    assert penstock("commit", "list", "words", "--json").json == {"commits": [commit], "next": None}
    listed = penstock("ls", "words", "--json").json
    assert list(listed["files"][0]) == ["path", "directory", "size", "executable", "target"]
    assert [item["directory"] for item in listed["files"]] == [False, True]
    assert penstock("cat", "words:/a", "--json").json["content"] == "one"
    binary = penstock("cat", "words:/sub/b", "--json").json
    assert (binary["encoding"], base64.b64decode(binary["content"])) == ("base64", b"\xff\x00")
    assert penstock("get", "words", "out", "--json").json["files"] == 2
    repo = penstock("repo", "show", "words", "--json").json
    assert list(repo) == ["repo", "path", "default_branch", "head", "files", "size", "created", "keeps"]
    assert penstock("repo", "list", "--json").json == {"repos": [repo], "next": None}


def test_lists_come_in_pages(penstock: Penstock, data: Path) -> None:
    for name in ("one", "two", "three"):
        penstock("put", "words", "d/a", "-m", name)
        penstock("repo", "create", name)
    for words, key, name in ((("repo", "list"), "repos", "repo"), (("commit", "list", "words"), "commits", "commit")):
        whole = penstock(*words, "--json").json[key]
        seen, after = [], ()
        for _ in whole:
            page = penstock(*words, "--limit", "1", *after, "--json").json
            assert len(page[key]) == 1
            seen += page[key]
            after = ("--after", page["next"])
        assert [item[name] for item in seen] == [item[name] for item in whole]
        assert page["next"] is None
    assert penstock("commit", "list", "words", "--after", "x").code == 2


def test_branches(penstock: Penstock, data: Path) -> None:
    first = penstock("put", "words", "d/a").out.strip().removeprefix("words@")
    penstock("put", "words", "d/sub/b")
    made = penstock("branch", "create", "words@old", "--head", "main^", "--json").json
    assert made["branch"] == "old"
    assert penstock("ls", "words@old").out == "a\n"
    assert penstock("commit", "show", "words@old", "--json").json["commit"] == first, "no new commit"
    names = [item["branch"] for item in penstock("branch", "list", "words", "--json").json["branches"]]
    assert names == ["main", "old"]
    assert penstock("branch", "delete", "words@old").code == 0
    gone = penstock("branch", "show", "words@old")
    assert (gone.code, gone.err) == (3, "penstock: words has no branch 'old'; there are main\n")
    assert penstock("branch", "delete", "words@main").code == 3
    assert penstock("commit", "drop", "words@main", "--json").json["parent"] == first
    assert penstock("ls", "words").out == "a\n"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["ls", "nope"], 3, "there is no repo 'nope'; did you mean 'nose'?"),
        (["ls", "a b"], 2, "'a b': expected REPO[@BRANCH|@COMMIT][:/PATH]"),
        (["cat", "nose:/../x"], 2, "'..' is not allowed"),
        (["cat", "nose:/b"], 3, "nose:/b: there is no such file"),
        (["ls", "nose@man"], 3, "nose has no branch or commit 'man'; did you mean 'main'?"),
        (["put", "nose", "missing"], 3, "missing: no such file or directory"),
        (["put", "nose@", "a"], 2, "a branch, commit or run id is missing after '@'"),
        (["rm", "nose"], 2, "say which path to remove"),
        (["get", "nose", "d"], 3, "exists and is not an empty directory"),
        (["put", "nose"], 2, "Missing argument 'SRC...'; see `penstock put --help`"),
        (["repo", "create", "x y"], 2, "expected letters, digits"),
        (["repo", "create", "nose"], 3, "exists already"),
        (["branch", "show", "nose"], 2, "expected REPO@BRANCH"),
        (["log", "nose", "-n", "0"], 2, "0 is not in the range"),
    ],
)
def test_refusals_are_one_line(penstock: Penstock, data: Path, words: list[str], code: int, says: str) -> None:
    penstock("put", "nose", "d/a")
    done = penstock(*words)
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith("penstock: ")
    assert says in done.err
    assert done.err.count("\n") == 1
