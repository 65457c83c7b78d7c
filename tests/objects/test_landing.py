"""Landing: whole or not at all, nothing outside, no link inside followed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from penstock.model.errors import AlreadyExists
from penstock.objects.landing import land


def fill(place: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)


def seen(top: Path) -> dict[str, str]:
    return {str(path.relative_to(top)): path.read_text() for path in sorted(top.rglob("*")) if path.is_file()}


def test_a_new_place_with_what_is_above_it(tmp_path: Path) -> None:
    with land(tmp_path / "a/b/c") as place:
        fill(place, {"x": "1", "d/y": "2"})
    assert seen(tmp_path) == {"a/b/c/x": "1", "a/b/c/d/y": "2"}
    with land(tmp_path / "a/file") as place:
        place.write_text("3")
    assert sorted(os.listdir(tmp_path / "a")) == ["b", "file"]


@pytest.mark.parametrize("target", ["new", "new/er", "there"])
def test_a_failure_leaves_nothing(tmp_path: Path, target: str) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(KeyError), land(tmp_path / target) as place:
        fill(place, {"x": "1", "d/y": "2"})
        raise KeyError
    assert os.listdir(tmp_path) == ["there"]
    assert os.listdir(tmp_path / "there") == []


def test_a_directory_flows_into_one_that_is_there(tmp_path: Path) -> None:
    fill(tmp_path, {"d/mine": "m", "d/sub/old": "o"})
    with land(tmp_path / "d") as place:
        fill(place, {"sub/new": "n", "other/x": "x"})
    assert seen(tmp_path / "d") == {"mine": "m", "sub/old": "o", "sub/new": "n", "other/x": "x"}
    with pytest.raises(AlreadyExists, match="sub/old: exists already"), land(tmp_path / "d") as place:
        fill(place, {"a": "a", "sub/old": "changed"})
    assert "a" not in seen(tmp_path / "d")
    with land(tmp_path / "d", replace=True) as place:
        fill(place, {"a": "a", "sub/old": "changed"})
    assert seen(tmp_path / "d")["sub/old"] == "changed"
    for clash in ({"sub": "file"}, {"mine/x": "below a file"}):
        with pytest.raises(AlreadyExists), land(tmp_path / "d", replace=True) as place:
            fill(place, clash)
    assert sorted(os.listdir(tmp_path / "d")) == ["a", "mine", "other", "sub"]


def test_links_inside_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "d").mkdir()
    (tmp_path / "d/sub").symlink_to(outside)
    (tmp_path / "d/file").symlink_to(outside / "target")
    with pytest.raises(AlreadyExists), land(tmp_path / "d", replace=True) as place:
        fill(place, {"sub/x": "x"})
    with pytest.raises(AlreadyExists), land(tmp_path / "d/file") as place:
        place.write_text("x")
    with land(tmp_path / "d", replace=True) as place:
        fill(place, {"file": "mine"})
    assert os.listdir(outside) == []
    assert not (tmp_path / "d/file").is_symlink()
    assert (tmp_path / "d/file").read_text() == "mine"


def test_a_file_does_not_take_the_place_of_a_directory(tmp_path: Path) -> None:
    fill(tmp_path, {"d/x": "x"})
    with pytest.raises(AlreadyExists), land(tmp_path / "d", replace=True) as place:
        place.write_text("x")
    assert seen(tmp_path) == {"d/x": "x"}
    assert os.listdir(tmp_path / "d") == ["x"]
