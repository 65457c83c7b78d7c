"""Files in place: one file has one name, however it is spelled."""

from __future__ import annotations

import pytest

from penstock.model.errors import BadSpec
from penstock.model.spec import Pipeline
from penstock.text.pipeline import read_pipeline


def read(reads: str, makes: str, root: str = "/far/project") -> Pipeline:
    text = f"steps:\n  b: {{run: x, input: {{file: '{reads}'}}}}\n  a: {{run: x, outputs: ['{makes}']}}\n"
    return read_pipeline(text, "p.yaml", known_repos=(), has_file=lambda _: False, default_name="p", root=root)


@pytest.mark.parametrize("spelled", ["d/x", "./d/x", "d//x", "d/./x", "/far/project/d/x", "/far//project/./d/x"])
def test_a_file_has_one_name_below_the_project(spelled: str) -> None:
    pipeline = read(spelled, spelled)
    assert pipeline.step("b").reads[0].path == pipeline.step("a").outputs[0].path == "d/x"


def test_absolute_paths_stay_so_elsewhere() -> None:
    for path in ("/far/project", "/far/projects/x", "/x"):
        assert read(path, path).step("b").reads[0].path == path
    assert read("/a[1]/x[1]", "y", "/a[1]").step("b").reads[0].path == "/a[1]/x[1]", "a pattern that finds /a1/x1"
    assert read("/a\\[1\\]/x*", "y", "/a[1]").step("b").reads[0].path == "x*"


def test_two_makers_of_one_file_are_found_however_they_spell_it() -> None:
    text = "steps: {a: {run: x, outputs: [x]}, b: {run: x, outputs: [/far/project/x]}}"
    with pytest.raises(BadSpec, match='step "a" makes "x", too, at p.yaml:1:31'):
        read_pipeline(text, "p.yaml", known_repos=(), has_file=lambda _: False, default_name="p", root="/far/project")


def test_the_data_of_penstock_are_nobodys_files() -> None:
    with pytest.raises(BadSpec, match=r"^p.yaml:2:29: .*/far/project/.penstock/x.* keeps its own data"):
        read("/far/project/.penstock/x", "y")


@pytest.mark.parametrize(("reads", "makes"), [("/far/project/x", "x"), ("d", "d/x"), ("d/x", "d"), ("d/*", "d")])
def test_cycles_are_seen_through_directories(reads: str, makes: str) -> None:
    text = f"steps:\n  a: {{run: x, after: [b], outputs: ['{makes}']}}\n  b: {{run: x, input: {{file: '{reads}'}}}}\n"
    with pytest.raises(BadSpec, match="wait for each other in a cycle: a -> b -> a"):
        read_pipeline(text, "p.yaml", known_repos=(), has_file=lambda _: False, default_name="p", root="/far/project")
