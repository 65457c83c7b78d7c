"""Repos that are linked to directories outside the project, and to what links lead to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from penstock.model.errors import BadOutput, BadSpec, NotFound, UsageError
from penstock.model.ids import parse_reference as ref
from penstock.service.data import commits, repos

STEP = "steps: {c: {input: 'd:/*', run: cp -r $PENSTOCK_IN/d/. $PENSTOCK_OUT}}"


@pytest.fixture
def data(lab: Any) -> Path:
    """A directory beside the project: a file, and links to a file and a directory still elsewhere."""
    top = Path(lab.root).parent
    for name, text in {"data/own/x": "own", "far/big": "big", "far/more/y": "more"}.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)
    (top / "data/big").symlink_to(top / "far/big")
    (top / "data/more").symlink_to("../far/more")
    return top / "data"


@pytest.mark.parametrize("named", ["absolute", "relative"])
def test_what_links_lead_to_is_taken(lab: Any, data: Path, named: str) -> None:
    path = str(data) if named == "absolute" else os.path.relpath(data, lab.root)
    lab.pipeline(f"repos: {{d: {{path: {path}, follow: true}}}}\n{STEP}")
    lab.ok()
    assert lab.files("c") == {"own/x": "own", "big": "big", "more/y": "more"}
    assert all(item.target is None for item in lab.project.ls("d", recursive=True))
    (data / "../far/big").write_text("bigger")
    (data / "../far/more/z").write_text("new")
    counts = lab.run().jobs[0].tasks
    assert (counts.processed, counts.reused) == (2, 1), "only what changed behind links"
    assert lab.files("c") == {"own/x": "own", "big": "bigger", "more/y": "more", "more/z": "new"}
    (data / "own/x").write_text("other")
    commits.create(lab.parts, ref("d"))
    assert lab.files("d")["own/x"] == "other", "a commit without a run follows them, too"
    assert lab.files("d")["big"] == "bigger"


def test_what_cannot_be_followed_is_told(lab: Any, data: Path) -> None:
    lab.pipeline(f"repos: {{d: {{path: {data}}}}}\n{STEP}")
    with pytest.raises(BadOutput, match=r"link 'big' leads out: .*`follow: true` beside its `path`"):
        lab.run()
    lab.pipeline(f"repos: {{d: {{path: {data}, follow: true}}}}\n{STEP}")
    (data / "own/up").symlink_to("..")
    with pytest.raises(BadOutput, match="link 'own/up' leads in a ring: to "):
        lab.run()
    (data / "own/up").unlink()
    (data / "gone").symlink_to("none")
    with pytest.raises(BadOutput, match="link 'gone' -> none leads to nothing"):
        lab.run()
    (data / "gone").unlink()
    (data / "self").symlink_to("self")
    with pytest.raises(BadOutput, match="link 'self' -> self leads to what cannot be read"):
        lab.run()


def test_the_project_is_not_linked_into_itself(lab: Any, tmp_path: Path) -> None:
    lab.pipeline(f"repos: {{d: {{path: {Path(lab.root).parent}}}}}\n{STEP}")
    with pytest.raises(BadSpec, match="holds the project itself"):
        lab.run()
    with pytest.raises(UsageError, match="holds the project"):
        repos.create_repo(lab.parts, "r", str(Path(lab.root).parent))


def test_an_absolute_path_below_the_project_is_its_path_there(lab: Any) -> None:
    inside = Path(lab.root) / "in/side"
    inside.mkdir(parents=True)
    (inside / "f").write_text("1")
    lab.pipeline(f"repos: {{d: {{path: {inside}}}}}\n{STEP}")
    lab.ok()
    assert repos.resolve.repo(lab.parts, "d").path == "in/side"


def test_get_and_cat_give_what_tasks_find(lab: Any, tmp_path: Path) -> None:
    top = tmp_path / "stored"
    (top / "sub").mkdir(parents=True)
    (top / "f").write_text("1")
    (top / "sub/g").write_text("2")
    for name, target in {"latest": "f", "dir": "sub", "sub/out": "../f", "sub/in": "g", "a": "b", "b": "a"}.items():
        (top / name).symlink_to(target)
    lab.project.put("r", f"{top}/")
    assert lab.project.read("r:/latest") == b"1"
    lab.project.get("r:/latest", tmp_path / "latest")
    assert (tmp_path / "latest").read_text() == "1" and not (tmp_path / "latest").is_symlink()
    for source in ("r:/sub", "r:/dir"):
        lab.project.get(source, tmp_path / source[-3:])
        assert (tmp_path / source[-3:] / "out").read_text() == "1"
        assert os.readlink(tmp_path / source[-3:] / "in") == "g", "one that stays inside stays a link"
    lab.project.get("r:/l*", tmp_path / "some")
    assert {item.name: item.read_text() for item in (tmp_path / "some").iterdir()} == {"latest": "1"}
    with pytest.raises(NotFound, match="link /a -> b leads in a ring"):
        lab.project.get("r:/a", tmp_path / "ring")
    with pytest.raises(UsageError, match="leads in a ring"):
        lab.project.read("r:/a")
    lab.pipeline("steps: {s: {input: 'r:/?', run: cp $PENSTOCK_IN/r/* $PENSTOCK_OUT}}")
    job = lab.run().jobs[0]
    assert (job.state, job.tasks.failed) == ("failure", 2), "a ring fails its own task, and not the others"
    assert any("input r: link /a -> b leads in a ring" in line for line in lab.failures(job))
