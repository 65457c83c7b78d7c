"""Parameters of the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from penstock import Project
from penstock.cli.options import read_params
from penstock.model.errors import UsageError

if TYPE_CHECKING:
    from conftest import Penstock


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("k=1", 1),
        ("k=1.5", 1.5),
        ("k=null", None),
        ("k=", ""),
        ("k=a=b", "a=b"),
        ("k='x'", "'x'"),
        ('k="NaN"', "NaN"),
        ('k=[1, {"a": null}]', [1, {"a": None}]),
        ("k=010", "010"),
        ("k=$(touch x);", "$(touch x);"),
        ("k=" + "9" * 5000, "9" * 5000),
        ("k=" + "[" * 100_000, "[" * 100_000),
    ],
)
def test_json_or_text(text: str, value: Any) -> None:
    assert read_params([text]) == {"k": value}


@pytest.mark.parametrize("value", ["1e999", "-1e999", "NaN", "Infinity", "-Infinity", "[1, NaN]", '{"a": 1e999}'])
def test_what_is_no_number_is_refused(penstock: Penstock, tmp_path: Path, value: str) -> None:
    """It would reach a task as null, or as something that no reader of JSON takes."""
    (tmp_path / "pipeline.yaml").write_text("params: {n: 1}\nsteps: {s: {run: 'true'}}\n")
    for words in (("run", "-p", f"n={value}"), ("plan", "-p", f"n={value}")):
        done = penstock(*words)
        assert done.code == 2
        assert "parameter 'n': " in done.err and "is no number that JSON can hold; write it in quotes" in done.err
    penstock("init")
    with Project.open(tmp_path) as project:
        with pytest.raises(UsageError, match="is no number that JSON can hold"):
            project.run(params={"n": json.loads(value)})
        assert not project.parts.store.fetch("active_runs")


@pytest.mark.parametrize("value", [".nan", ".inf", "-.inf", "1e999", "[1, .inf]"])
@pytest.mark.parametrize(
    "text",
    [
        "params: {{n: {}}}\nsteps: {{s: {{run: x}}}}\n",
        "steps: {{s: {{run: x, params: {{n: {}}}}}}}\n",
        "steps: {{s: {{run: x, each: {{n: [{}]}}}}}}\n",
        "steps: {{s: {{run: x, each: {{zip: {{n: [{}]}}}}}}}}\n",
        "data: {{n: {{value: {}}}}}\nsteps: {{s: {{run: x}}}}\n",
    ],
)
def test_nor_does_a_file_bring_one(penstock: Penstock, tmp_path: Path, text: str, value: str) -> None:
    (tmp_path / "pipeline.yaml").write_text(text.format(value))
    done = penstock("run")
    assert done.code == 2
    assert done.err.startswith("penstock: pipeline.yaml:") and "no number that JSON can hold" in done.err
