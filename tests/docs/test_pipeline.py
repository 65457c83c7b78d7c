"""The examples and tables of `docs/pipeline.md` hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import penstock.task
from penstock.model.glob import compile_glob
from penstock.model.spec import Pipeline
from penstock.model.wire import Assignment, Recipe
from penstock.runner.devices import DEVICES
from penstock.service import project
from penstock.text import inputs, pipeline, steps
from penstock.text.units import parse_seconds
from penstock.worker.environment import MARKS, attempt_environment, batch_environment

PAGES = sorted((Path(__file__).parents[2] / "docs").rglob("*.md"))
DOCUMENT = next(page for page in PAGES if page.name == "pipeline.md").read_text()


def blocks(language: str) -> list[object]:
    return [
        pytest.param(block, id=f"{page.stem}-{place}")
        for page in PAGES
        for place, block in enumerate(re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.M | re.S))
    ]


def rows(head: str) -> list[list[str]]:
    """The cells of the table that begins with `head`."""
    table = DOCUMENT.partition(f"\n{head}\n")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line[1:-1].split(" |")] for line in table.splitlines()[1:]]


def codes(cell: str) -> list[str]:
    return re.findall(r"`([^`]*)`", cell)


def read(text: str) -> Pipeline:
    return pipeline.read_pipeline(
        text,
        "pipeline.yaml",
        known_repos=(),
        has_file=lambda name: True,
        default_name="project",
        lines=lambda name: b"true\n",
    )


@pytest.mark.parametrize("block", blocks("yaml"))
def test_every_example_is_understood(block: str) -> None:
    assert read(block).steps


@pytest.mark.parametrize("block", blocks("python"))
def test_every_python_example_is_python(block: str) -> None:
    compile(block, "example", "exec")


def test_every_key_of_the_file_is_there() -> None:
    top, step = (DOCUMENT.partition(f"\n## {title}\n")[2].partition("\n## ")[0] for title in ("Top level", "A step"))
    assert {row[0] for row in rows_of(top)} == {f"`{key}`" for key in pipeline._KEYS}
    assert {row[0] for row in rows_of(step.partition("\n### ")[0])} == {f"`{key}`" for key in steps._KEYS}
    later = set(codes(DOCUMENT.partition("\nKeys to come")[2].partition("\n\n")[0]))
    assert later >= pipeline._LATER | inputs._LATER
    assert not later & {"run", "input", "after", "cpus", "tries", "cross"}


def rows_of(section: str) -> list[list[str]]:
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line[1:-1].split(" |")] for line in lines]


@pytest.mark.parametrize("glob, good, bad", rows("| Glob | Matches | Does not match |"))
def test_globs_match_as_told(glob: str, good: str, bad: str) -> None:
    found = compile_glob(*codes(glob))
    assert all(found.matches(path) for path in codes(good) or [""])
    assert not any(found.matches(path) for path in codes(bad))


@pytest.mark.parametrize("text, seconds", rows("| Duration | Seconds |"))
def test_durations_are_as_told(text: str, seconds: str) -> None:
    assert parse_seconds(*codes(text)) == float(seconds)


def test_every_variable_of_a_task_is_there() -> None:
    recipe = Recipe("run", "s@run", "p", "s", ("true",), b"", None, {}, False, 1, None, 1.0, memory=1)
    own = dict.fromkeys(MARKS, "x")
    base = batch_environment(recipe, own)
    place = {"PENSTOCK_IN": "", "PENSTOCK_OUT": "", "PENSTOCK_PARAMS": ""}
    given = attempt_environment(base, Assignment("t", "t-1", 1, {"name": 1, "key": 1}), place)
    told = {name for row in rows("| Variable | Holds |") for name in codes(row[0])}
    del given["PENSTOCK_PARAM_KEY"]  # another PENSTOCK_PARAM_NAME
    assert told == {name for name in given if name.startswith("PENSTOCK_")} | set(DEVICES)
    bare = codes(DOCUMENT.partition("`inherit: false` a task gets ")[2].partition("instead")[0])
    assert {name.partition("=")[0] for name in bare} == {name for name in given if not name.startswith("PENSTOCK_")}


def test_every_name_of_the_kit_is_there() -> None:
    told = {name for row in rows("| Name | Is |") for name in codes(row[0])}
    assert {re.sub(r"^task\.|\(.*\)$", "", name) for name in told} == set(penstock.task.__all__)
    assert all(hasattr(project.Project, name) for name in ("open", "put", "run"))
