"""Versioned data through the verbs: put, rm, get, ls, cat, diff, log, ancestry, and what they refuse."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from penstock.model.errors import (
    AlreadyExists,
    BadOutput,
    BadPath,
    BadReference,
    Collision,
    NotFound,
    PenstockError,
    Refused,
    UsageError,
)
from penstock.model.ids import parse_reference
from penstock.service.data import branches, comparing, removing, repos

COPY = "steps: {copy: {input: 'in:/*', run: cp -r $PENSTOCK_IN/in/. $PENSTOCK_OUT}}"


def differences(lab: Any, old: str, new: str) -> list[tuple[str, str]]:
    roots = [lab.project.commit(reference).root for reference in (old, new)]
    return [(item.path, item.change) for item in comparing.diff(lab.parts, *roots)]


def test_put_rm_and_their_history(lab: Any, tmp_path: Path) -> None:
    first = lab.put("in", {"a": "1", "d/b": "2"})
    second = lab.put("in", {"a": "other"})
    third = lab.project.remove("in:/d", recursive=True).commit
    assert lab.files("in") == {"a": "other"}
    assert lab.files("in@main^") == {"a": "other", "d/b": "2"}
    assert lab.files("in@main~2") == lab.files(f"in@{first}") == lab.files(f"in@{third}^^") == {"a": "1", "d/b": "2"}
    assert [view.commit for view in lab.project.log("in")] == [third, second, first]
    assert [view.files for view in lab.project.log("in")] == [1, 2, 2]
    assert [view.size for view in lab.project.log("in")] == [5, 6, 2]
    assert differences(lab, f"in@{first}", "in") == [("a", "modified"), ("d/b", "removed")]
    with pytest.raises(NotFound, match="has only 2 ancestors"):
        lab.project.commit("in@main~3")


def test_put_places(lab: Any, tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir/x").write_text("x")
    (tmp_path / "one").write_text("1")
    lab.project.put("in", tmp_path / "dir")
    assert lab.files("in") == {"dir/x": "x"}
    lab.project.put("in:/deep", f"{tmp_path}/dir/")
    lab.project.put("in:/name", tmp_path / "one")
    lab.project.put("in:/below/", tmp_path / "one")
    assert lab.files("in") == {"dir/x": "x", "deep/x": "x", "name": "1", "below/one": "1"}
    lab.project.put("in:/name", tmp_path / "one", append=True)
    assert lab.project.read("in:/name") == b"11"
    lab.project.put("in:/deep", f"{tmp_path}/dir/", mirror=True)
    assert sorted(lab.files("in")) == ["below/one", "deep/x", "dir/x", "name"]
    lab.project.put("in", f"{tmp_path}/dir/", mirror=True)
    assert lab.files("in") == {"x": "x"}


def test_two_sources_of_one_name_are_refused(lab: Any, tmp_path: Path) -> None:
    for name in ("l", "r"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "same").write_text(name)
    with pytest.raises(UsageError, match="same"):
        lab.project.put("in", tmp_path / "l/same", tmp_path / "r/same")
    with pytest.raises(UsageError, match="same"):
        lab.project.put("in", f"{tmp_path}/l/", f"{tmp_path}/r/")
    assert lab.project.runs() == []
    lab.project.put("in", tmp_path / "l", tmp_path / "r")
    assert lab.files("in") == {"l/same": "l", "r/same": "r"}


def test_get_gives_files_back_as_they_were(lab: Any, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "d").mkdir(parents=True)
    (source / "tool.sh").write_text("#!/bin/sh\n")
    (source / "tool.sh").chmod(0o755)
    (source / "d/big").write_bytes(os.urandom(300_000))
    (source / "link").symlink_to("d/big")
    (source / "empty").write_text("")
    lab.project.put("in", f"{source}/")
    assert lab.project.get("in", tmp_path / "all") == (4, 300_010)
    assert (tmp_path / "all/d/big").read_bytes() == (source / "d/big").read_bytes()
    assert os.readlink(tmp_path / "all/link") == "d/big"
    assert stat.S_IMODE((tmp_path / "all/tool.sh").stat().st_mode) & 0o100
    assert lab.project.get("in:/d", tmp_path / "part") == (1, 300_000)
    assert os.listdir(tmp_path / "part") == ["big"]
    assert lab.project.get("in:/d/big", tmp_path / "part2") == (1, 300_000)
    with pytest.raises(AlreadyExists):
        lab.project.get("in:/d/big", tmp_path / "part2")
    with pytest.raises(AlreadyExists):
        lab.project.get("in", tmp_path / "all")
    (tmp_path / "part2").write_text("mine")
    assert lab.project.read("in:/d/big") == (source / "d/big").read_bytes(), "a copy is nobody else's"


def test_ls_shows_one_level_or_all(lab: Any) -> None:
    lab.put("in", {"a": "1", "d/b": "22", "d/e/c": "333"})
    assert [(item.path, item.directory, item.size) for item in lab.project.ls("in")] == [
        ("a", False, 1),
        ("d", True, 0),
    ]
    assert [item.path for item in lab.project.ls("in:/d")] == ["d/b", "d/e"]
    assert [item.path for item in lab.project.ls("in:/d", recursive=True)] == ["d/b", "d/e/c"]
    assert [item.path for item in lab.project.ls("in:/d/b")] == ["d/b"]


def test_a_run_names_a_commit_in_every_repo(lab: Any) -> None:
    lab.pipeline(COPY)
    lab.put("in", {"a": "1"})
    first = lab.run().run
    second = lab.put("in", {"a": "2"})
    lab.run()
    assert lab.files(f"copy@{first}") == {"a": "1"}
    assert lab.files(f"in@{first}") == {"a": "1"}, "not made by that run: the one it used"
    assert lab.files(f"in@{second}") == lab.files(f"copy@{second}") == {"a": "2"}, "the put and what it opened"
    assert lab.files(f"copy@{second[:16]}") == {"a": "2"}


def test_branches(lab: Any) -> None:
    lab.pipeline("steps: {copy: {input: 'in@dev:/*', run: cp -r $PENSTOCK_IN/in/. $PENSTOCK_OUT}}")
    lab.put("in", {"a": "main"})
    lab.put("in@dev", {"a": "dev"})
    assert lab.ok() == {"copy": (1, 1, 0)}
    lab.put("in", {"b": "main"})
    assert lab.ok() == {"copy": (1, 0, 1)}
    assert lab.files("copy") == {"a": "dev"}
    branches.create_branch(lab.parts, "in", "dev", parse_reference("in@main"))
    assert lab.run().state == "success"
    assert lab.files("copy") == {"a": "main", "b": "main"}


def test_an_empty_file_and_an_odd_name(lab: Any) -> None:
    names = ["  ", "ü", "a b", "*", "[x]", "-rf", "$(touch x)", "'", '"', "\\", "#", "~"]
    lab.pipeline("""steps: {copy: {input: 'in:/*', run: [sh, -c, 'cp "$PENSTOCK_IN"/in/* "$PENSTOCK_OUT"/']}}""")
    lab.put("in", dict.fromkeys(names, ""))
    assert lab.ok() == {"copy": (len(names), len(names), 0)}
    assert lab.files("copy") == dict.fromkeys(names, "")


def test_what_is_not_there(lab: Any, tmp_path: Path) -> None:
    lab.put("in", {"a": "1", "d/b": "2"})
    missing = {
        "inn": "there is no repo 'inn'; did you mean 'in'",
        "in@mian": "no branch or commit 'mian'; did you mean 'main'",
        "in:/b": "no such file",
        "in@0123456789ab": "no branch or commit",
    }
    for reference, message in missing.items():
        with pytest.raises(NotFound, match=message):
            lab.project.get(reference, tmp_path / "x")
        assert not (tmp_path / "x").exists()
    with pytest.raises(NotFound):
        lab.project.read("in:/d")
    with pytest.raises(NotFound):
        lab.project.remove("in:/b")
    with pytest.raises(UsageError, match="is a directory with 1 files"):
        lab.project.remove("in:/d")
    with pytest.raises(BadReference):
        lab.project.read("in@:/x")
    with pytest.raises(NotFound):
        lab.project.put("in", tmp_path / "nothing")
    assert len(lab.project.log("in")) == 1


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (lambda top: (top / "a\nb").write_text(""), BadPath, "control character"),
        (lambda top: (top / "out").symlink_to("../../etc"), BadOutput, "leads out"),
        (lambda top: (top / "abs").symlink_to("/etc/passwd"), BadOutput, "leads out"),
        (lambda top: os.mkfifo(top / "pipe"), BadOutput, "neither a file"),
        (lambda top: Path(os.fsdecode(os.fsencode(top) + b"/\xff")).write_text(""), BadPath, "UTF-8"),
    ],
)
def test_what_no_tree_can_hold(lab: Any, tmp_path: Path, spoil: Any, error: type, message: str) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "good").write_text("good")
    spoil(source)
    with pytest.raises(PenstockError, match=message) as caught:
        lab.project.put("in", f"{source}/")
    assert "\n" not in str(caught.value)
    with pytest.raises(NotFound):
        lab.project.commit("in")
    lab.put("in", {"a": "1"})


def test_a_file_cannot_stand_above_another(lab: Any) -> None:
    lab.put("in", {"a/b": "1"})
    with pytest.raises(Collision):
        lab.put("in", {"a": "1"})
    with pytest.raises(Collision):
        lab.put("in", {"a/b/c": "1"})
    assert lab.files("in") == {"a/b": "1"}


def test_published_and_linked_repos_are_not_put_into(lab: Any) -> None:
    lab.pipeline("repos: {photos: {path: p}}\nsteps: {s: {input: 'photos:/*', run: 'true'}}")
    lab.write("p/a", "a")
    lab.ok()
    for repo, message in (("photos", "is linked to p/"), ("s", "is written by step 's'")):
        with pytest.raises(Refused, match=message):
            lab.put(repo, {"x": "x"})
        with pytest.raises(Refused, match=message):
            lab.project.remove(f"{repo}:/a")


def test_a_commit_that_was_read_stays(lab: Any) -> None:
    lab.pipeline(COPY)
    first = lab.put("in", {"a": "1"})
    lab.ok()
    with pytest.raises(Refused, match="was read by"):
        removing.drop(lab.parts, parse_reference(f"in@{first}"))
    with pytest.raises(Refused, match="is used by step"):
        repos.delete_repo(lab.parts, "in")
    lab.put("free", {"a": "1"})
    second = lab.put("free", {"a": "2"})
    lab.put("free", {"a": "3"})
    removing.squash(lab.parts, parse_reference(f"free@{second}"))
    assert [lab.files(f"free@main~{back}") for back in range(2)] == [{"a": "3"}, {"a": "1"}]
    repos.delete_repo(lab.parts, "free")
    with pytest.raises(NotFound):
        lab.files("free")
