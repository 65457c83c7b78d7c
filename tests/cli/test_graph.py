"""`graph`: the steps as text, DOT, Mermaid, SVG and JSON."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

Penstock = Callable[..., Any]

FILE = """\
pipeline: words
repos: {texts: {path: texts}}
steps:
  count: {input: "texts:/*", run: "true"}
  total: {input: ["count:/", "texts:/<x>"], run: "true"}
  sim: {each: {seed: "1..100"}, run: "true", outputs: [all.csv], outputs_data: [best]}
  show: {input: {file: all.csv}, after: {total: success, count: end}, inputs_data: [best], run: "true"}
data: {best: {}}
"""


@pytest.fixture
def words(penstock: Penstock, tmp_path: Path) -> Penstock:
    (tmp_path / "texts").mkdir()
    (tmp_path / "pipeline.yaml").write_text(FILE)
    return penstock


def test_text_has_a_line_per_step_behind_what_it_reads(words: Penstock, tmp_path: Path) -> None:
    assert words("graph").out.splitlines() == [
        "texts     repo",
        "count     <- texts:/*",
        "total     <- count:/, texts:/<x>",
        "sim x100",
        "show      <- after total, after the end of count, all.csv, best",
    ]
    assert words("pipeline", "list", "--json").json["pipelines"] == []  # nothing was applied


def test_all_forms_have_every_step_and_line(words: Penstock) -> None:
    view = words("graph", "--json").json
    nodes, edges = len(view["nodes"]), len(view["edges"])
    dot = words("graph", "--format", "dot").out
    assert (dot.count("shape="), dot.count(" -> ")) == (nodes, edges)
    mermaid = words("graph", "--format", "mermaid").out.splitlines()
    assert (len(mermaid), sum("-->" in line for line in mermaid)) == (1 + nodes + edges, edges)
    assert '"texts:/#60;x#62;"' in "".join(mermaid)
    root = ElementTree.fromstring(words("graph", "--format", "svg").out)
    space = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f"{space}g")) == nodes
    titles = [title.text for title in root.iter(f"{space}title")]
    assert sorted(", ".join(map(str, titles)).split(", ")) == sorted(edge["label"] for edge in view["edges"])


def test_names_that_begin_with_after_are_names(penstock: Penstock, tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").write_text(
        "repos: {afterwork: {path: d}}\n"
        "steps:\n"
        "  make: {run: 'true', outputs: [after]}\n"
        "  use: {input: [{file: after}, 'afterwork:/*'], run: 'true'}\n"
    )
    assert sorted(penstock("graph").out.splitlines()[-1].removeprefix("use        <- ").split(", ")) == [
        "after",
        "afterwork:/*",
    ]


def test_all_shows_the_other_pipelines(words: Penstock, tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text('steps: {again: {input: "count:/", run: "true"}}\n')
    assert words("pipeline", "create").code == 0
    assert words("pipeline", "create", "more.yaml").code == 0
    assert "again" not in words("graph").out
    assert "more.again      <- count:/" in words("graph", "--all").out.splitlines()
    assert "count  repo" in words("graph", "more.yaml").out.splitlines()
