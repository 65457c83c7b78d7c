"""get, ls, cat, diff and file as people type them."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Penstock = Callable[..., Any]


@pytest.fixture
def data(penstock: Penstock, tmp_path: Path) -> Path:
    for name, text in {"a": "one\n", "img/x": "xx", "img/y": "y"}.items():
        (tmp_path / "d" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "d" / name).write_text(text)
    penstock("init")
    assert penstock("put", "in", "d/").code == 0
    return tmp_path


def test_pages_of_ls(penstock: Penstock, data: Path) -> None:
    whole = penstock("ls", "in:/**", "--json").json["files"]
    seen, after = [], ()
    for _ in whole:
        page = penstock("ls", "in:/**", "--limit", "1", *after, "--json").json
        seen += page["files"]
        after = ("--after", page["next"])
    assert (seen, page["next"]) == (whole, None)
    assert penstock("file", "list", "in:/**", "--json").json == {"files": whole, "next": None}
    first = penstock("ls", "in", "--limit", "1")
    assert (first.out, first.err) == ("a\n", "more: --after 'a'\n")
    assert penstock("ls", "in", "--sizes").out == "SIZE  PATH\n 4 B  a\n 3 B  img/\n"


def test_get_to_stdout(data: Path) -> None:
    def out(*words: str) -> bytes:
        command = [sys.executable, "-m", "penstock", "get", *words]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.run(command, cwd=data, env=env, check=True, stdout=subprocess.PIPE).stdout

    assert out("in:/a", "-") == b"one\n"
    with tarfile.open(fileobj=io.BytesIO(out("in", "-", "--tar"))) as archive:
        assert archive.getnames() == ["a", "img/x", "img/y"]


def test_get_a_tar(penstock: Penstock, data: Path) -> None:
    assert penstock("get", "in:/img", "x.tgz", "--tar").err == "2 files, 3 B in x.tgz\n"
    with tarfile.open(data / "x.tgz") as archive:
        assert archive.getnames() == ["x", "y"]
    assert penstock("get", "in:/img", "x.tgz", "--tar").code == 3
    assert penstock("get", "in", "x.tgz", "--tar", "--force", "--json").json["files"] == 3
    with tarfile.open(data / "x.tgz") as archive:
        assert archive.getnames() == ["a", "img/x", "img/y"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("in", "x.zip", "--tar"), "ends in .tar, .tar.gz or .tgz"),
        (("in", "x.tar", "--tar", "--link"), "--link makes links in a directory"),
        (("in:/a", "-", "--link"), "--link makes links in a directory"),
        (("in:/a", "-", "--json"), "would both write to stdout"),
    ],
)
def test_what_get_refuses(penstock: Penstock, data: Path, words: tuple[str, ...], says: str) -> None:
    done = penstock("get", *words)
    assert (done.code, done.out) == (2, "")
    assert says in done.err


def test_cat_a_range(penstock: Penstock, data: Path) -> None:
    assert penstock("cat", "in:/a", "--offset", "-3", "--length", "2").out == "ne"
    assert penstock("cat", "in:/i*", "--json").code == 2
    assert penstock("cat", "in:/img/x", "--offset", "1", "--json").json["content"] == "x"


def test_diff(penstock: Penstock, data: Path) -> None:
    (data / "d/a").write_text("two\n")
    (data / "d/b").write_text("b")
    penstock("put", "in", "d/")
    page = penstock("diff", "in", "--limit", "1", "--json").json
    assert [item["path"] for item in page["differences"]] == ["a"]
    assert page["next"] == "a"
    rest = penstock("diff", "in", "--after", "a", "--json").json
    assert ([item["path"] for item in rest["differences"]], rest["next"]) == (["b"], None)
    totals = penstock("diff", "in", "--stat", "--json").json["totals"]
    assert totals == {"added": 1, "removed": 0, "modified": 1, "old_size": 4, "new_size": 5}
    assert penstock("diff", "in", "--stat").out == "1 added, 0 removed, 1 modified\n4 B before, 5 B after\n"
    text = "--- a/a\n+++ b/a\n@@ -1 +1 @@\n-one\n+two\n"
    assert penstock("diff", "in:/a", "--content").out == text
    assert penstock("diff", "in:/a", "--content", "--json").json["differences"][0]["content"] == text


def test_file_show(penstock: Penstock, data: Path) -> None:
    shown = penstock("file", "show", "in:/img", "--json").json
    assert list(shown) == ["path", "directory", "size", "files", "hash", "executable", "target"]
    assert (shown["size"], shown["files"]) == (3, 2)
    assert "holds  2 files, 3 B" in penstock("file", "show", "in:/img").out
    assert penstock("file", "show", "in:/nothing").code == 3
