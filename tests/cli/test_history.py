"""The commands on history: open commits, copies, branches, triggers, and what takes things away."""

from __future__ import annotations

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
    (tmp_path / "d/sub/b").write_text("two")
    assert penstock("init").code == 0
    return tmp_path


def test_an_open_commit(penstock: Penstock, data: Path) -> None:
    started = penstock("commit", "start", "words", "labels", "-m", "both")
    opened = started.out.strip()
    short = opened[:12]
    assert started.err == f"open on words@main, labels@main; `penstock commit finish {short}` makes it count\n"
    put = penstock("put", "words", "d/a")
    assert put.out == f"words@{opened}\n"
    assert put.err == (
        f"into the open commit {short} of words@main: 1 written or deleted\n"
        f"it holds 1 file, 3 B; `penstock commit finish {short}` makes it count\n"
    )
    assert penstock("ls", "words").code == 3
    assert penstock("ls", f"words@{short}").out == "a\n"
    assert " open " in penstock("commit", "list", "words").out
    assert "no, it is open" in penstock("commit", "show", f"words@{short}").out
    assert penstock("put", "labels", "d/sub/b", "--json").json["finished"] is None
    done = penstock("commit", "finish", short, "--json").json
    assert [item["repo"] for item in done["commits"]] == ["words", "labels"]
    assert all(item["finished"] and item["message"] == "both" for item in done["commits"])
    assert penstock("ls", "words").out == "a\n" and penstock("ls", "labels").out == "b\n"
    penstock("commit", "start", "words")
    gone = penstock("commit", "abandon", "words")
    assert gone.code == 0 and gone.err == "given up on words@main\n"
    refused = penstock("commit", "finish", "words")
    assert (refused.code, refused.out) == (3, "") and "no commit is open there" in refused.err


def test_copies_and_what_touched_a_path(penstock: Penstock, data: Path) -> None:
    penstock("put", "words", "d/")
    copied = penstock("cp", "words:/sub", "other:/new", "-m", "why", "--json").json
    assert (copied["origin"], copied["message"], copied["files"]) == ("copy", "why", 1)
    assert penstock("ls", "-r", "other").out == "new/b\n"
    penstock("rm", "words:/a", "-m", "gone")
    found = penstock("find", "words:/a", "--json").json
    assert [(item["change"], item["commit"]["message"]) for item in found["touches"]] == [
        ("removed", "gone"),
        ("added", ""),
    ]
    assert found["next"] is None
    first = penstock("find", "words:/a", "-n", "1", "--json").json
    assert penstock("find", f"words@{first['next']}:/a", "--json").json["touches"] == found["touches"][1:]
    table = penstock("find", "words:/a", "-n", "1")
    assert table.out.splitlines()[0].split() == ["COMMIT", "TIME", "CHANGE", "ORIGIN", "MESSAGE"]
    assert table.err == f"more: penstock find words@{first['next'][:12]}:/a\n"


def test_branches_merge_and_follow(penstock: Penstock, data: Path) -> None:
    penstock("put", "words", "d/a")
    penstock("branch", "create", "words@dev", "--head", "main")
    penstock("put", "words@dev", "d/sub/b")
    merged = penstock("branch", "merge", "words@dev")
    assert merged.code == 0 and "words@main moves forward to it; 1 written or deleted" in merged.err
    assert penstock("ls", "words").out == "a\nb\n"
    again = penstock("branch", "merge", "words@dev", "--into", "main", "--json")
    assert again.json["commit"] == penstock("commit", "show", "words", "--json").json["commit"]
    assert "words@main has it already" in again.err
    made = penstock("branch", "trigger", "words@late", "--commits", "1", "--size", "1MB")
    assert made.err == "words@late follows main when it has grown by 1.0 MB or has 1 new commits\n"
    shown = penstock("branch", "show", "words@late", "--json").json
    assert shown["trigger"]["watches"] == "main" and shown["head"] is None
    assert "follows main" in penstock("branch", "list", "words").out
    put = penstock("put", "words", "d/").out.strip().removeprefix("words@")
    assert penstock("branch", "show", "words@late", "--json").json["head"] == put
    assert penstock("put", "words@late", "d/").code == 3
    off = penstock("branch", "trigger", "words@late", "--off", "--json")
    assert off.json["trigger"] is None and off.err == "words@late stays where it is\n"
    assert penstock("branch", "trigger", "words@late").code == 2
    penstock("branch", "trigger", "words@late", "--every", "1h", "--all")
    penstock("put", "words", "d/a")
    assert "words@late waits to follow main" in penstock("status").err


def test_what_takes_things_away(penstock: Penstock, data: Path) -> None:
    ids = [penstock("put", "words", "d/").out.strip().removeprefix("words@")]
    penstock("rm", "words:/a")
    penstock("put", "words", "d/a")
    squashed = penstock("commit", "squash", "words@main^", "--json")
    assert squashed.json["parent"] == ids[0] and "squashed commit" in squashed.err
    assert penstock("commit", "squash", "words@main").code == 3
    dropped = penstock("commit", "drop", "words@main")
    assert dropped.code == 0 and dropped.err.startswith("dropped commit words@")
    dry = penstock("purge", "words:/sub", "--json")
    assert (dry.json["purged"], dry.json["paths"]) == (False, ["sub/b"])
    assert dry.err == "would take 1 path of 1 commit away, and results of 0 jobs\nnothing was changed; --yes does it\n"
    done = penstock("purge", "words:/sub", "--yes")
    assert done.out == f"words@{ids[0]}\n"
    assert done.err == "took 1 path of 1 commit away, and results of 0 jobs\n`penstock gc --now` frees the bytes\n"
    assert penstock("ls", "-r", f"words@{ids[0]}").out == "a\n"
    (data / "pipeline.yaml").write_text(
        "steps: {up: {input: 'words:/*', run: 'cp $PENSTOCK_IN/words/* $PENSTOCK_OUT'}}"
    )
    run = penstock("run", "--json").json["run"]
    gone = penstock("run", "delete", run, "--json")
    assert gone.json == {"deleted": run, "commits": [f"up@{run}"]}
    assert penstock("run", "show", run).code == 3
    penstock("commit", "start", "words@dev")
    assert penstock("branch", "delete", "words@dev").code == 3
    assert penstock("branch", "delete", "words@dev", "--force").code == 0
    penstock("put", "words", "d/")
    assert penstock("pipeline", "delete", "lab").code == 3
    names = [item["pipeline"] for item in penstock("pipeline", "list", "--json").json["pipelines"]]
    assert penstock("pipeline", "delete", *names, "--force").code == 0
    assert penstock("wait", "--timeout", "60s").code in (0, 1)
    penstock("commit", "start", "words")
    assert penstock("repo", "delete", "words").code == 3
    assert penstock("repo", "delete", "words", "--force").code == 0


def test_why_a_run_began(penstock: Penstock, tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").write_text(
        "pipeline: p\nparams: {n: 1}\nrepos: {d: {path: d}, e: {}}\n"
        "steps:\n"
        "  a: {input: ['d:/', 'e:/'], run: 'true'}\n"
        "  b: {input: {cron: '0 0 1 1 *', as: new_year}, run: 'true'}\n"
    )
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "x").write_text("x")

    def why() -> list[str]:
        return penstock("explain", "last").out.splitlines()

    assert penstock("run", "-p", "n=2").code == 0
    assert why()[1:] == ["`run` -p n=2 opened it of pipeline p, version 1, with new data: d@main (link)"]
    (tmp_path / "y").write_text("y")
    assert penstock("put", "e", "y", "-m", "late delivery").code == 0
    assert "new data opened it: e@main (late delivery)" in why()
    assert penstock("wait", "last").code == 0
    [ticks] = [repo["repo"] for repo in penstock("repo", "list", "--json").json["repos"] if "new_year" in repo["repo"]]
    assert penstock("repo", "tick", ticks).code == 0
    assert f"new data opened it: {ticks}@main (tick of 0 0 1 1 *)" in why()


def test_a_file_is_told_to_be_traced(penstock: Penstock, tmp_path: Path) -> None:
    penstock("init")
    said = penstock("explain", "texts:/1.txt")
    assert (said.code, said.err) == (
        2,
        "penstock: 'texts:/1.txt' is a file; `penstock trace texts:/1.txt` says what it was made of\n",
    )
    assert penstock("explain", "total.txt").err == (
        "penstock: there is no pipeline 'total'; of a file: `penstock trace REPO:/total.txt`\n"
    )


def test_last_is_the_newest_run_as_a_reference_too(penstock: Penstock, tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").write_text(
        "repos: {d: {path: d}}\nsteps: {a: {input: 'd:/', run: 'cat $PENSTOCK_IN/d/* > $PENSTOCK_OUT/x'}}\n"
    )
    (tmp_path / "d").mkdir()
    for text in ("one", "two"):
        (tmp_path / "d" / "x").write_text(text)
        assert penstock("run").code == 0
    assert (penstock("cat", "a@last:/x").out, penstock("cat", "a@last^:/x").out) == ("two", "one")
    assert "modified" in penstock("diff", "d@last^", "d@last").out
