"""The forms of all public examples of Torc, in small files of our own: each is taken, or refused by name.

They are of the kinds that its pages, its examples and its tutorials have, from the Torc in Python of 2023 to today's.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.compat.torc.spec import pipeline_in, read_definition
from penstock.model.errors import BadSpec
from penstock.text.pipeline import read_pipeline
from penstock.text.written import write_yaml

FILES = Path(__file__).with_name("torc_examples")
#: How many steps each becomes.
TAKEN = {
    "python_diamond.json5": 4,
    "python_independent.json5": 2,
    "python_manual.json5": 3,
    "python_bare_jobs.json5": 2,
    "python_slurm.json5": 3,
    "python_functions.json5": 3,
    "names_sample.json": 2,
    "names_barrier.yaml": 11,
    "diamond.yaml": 3,
    "hundred.yaml": 101,
    "grid.yaml": 14,
    "grid_shared.json5": 7,
    "pipeline_by_name.yaml": 7,
    "ranges.yaml": 21,
    "zip.yaml": 2,
    "failures.json": 10,
    "regexes.yaml": 9,
    "data_by_name.yaml": 2,
    "measured.yaml": 1,
    "owned.yaml": 1,
    "places.yaml": 2,
}
#: What the message of each names.
REFUSED = {
    "refused_scripts.json5": "`workflow_startup_script`",
    "refused_rules.yaml": "`scheduling_rules`",
    "refused_actions.yaml": "`actions`",
    "refused_variables.yaml": "`variables`",
    "refused_table.yaml": "`parameters_file`",
    "refused_table_of_job.yaml": "`parameters_file`",
    "refused_lines.yaml": "values in a file of their own",
    "refused_datasets.yaml": "`datasets`",
    "refused_dynamic.yaml": "`dynamic_jobs`",
    "refused_labels.yaml": "`label`",
    "refused_chained.yaml": "`serialize_allocations`",
    "refused_execution.yaml": "`execution_config`",
    "refused_pending.yaml": "`use_pending_failed`",
    "refused_data_in_command.yaml": "the command names user data",
    "refused_files_in_command.yaml": "there is no file 'raw_train'",
    "refused_kdl.kdl": "KDL",
}


def read(name: str) -> Any:
    return read_definition((FILES / name).read_bytes(), name, Path(name).stem)


def test_each_is_spoken_of() -> None:
    assert {file.name for file in FILES.iterdir()} == TAKEN.keys() | REFUSED.keys()


@pytest.mark.parametrize("name", TAKEN)
def test_it_is_taken_and_its_pipeline_file_says_the_same(name: str) -> None:
    found = read(name)
    pipeline = pipeline_in(found, "x")
    assert len(pipeline.steps) == TAKEN[name]
    text = write_yaml(found.tree.plain())
    again = read_pipeline(text, "pipeline.yaml", known_repos=(), has_file=lambda _: True, default_name="x")
    assert [(step.name, step.run, step.after) for step in again.steps] == [
        (step.name, step.run, step.after) for step in pipeline.steps
    ]
    assert (again.sites, again.sort) == (pipeline.sites, pipeline.sort)


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_by_name_and_place(name: str) -> None:
    with pytest.raises(BadSpec) as caught:
        pipeline_in(read(name), "x")
    assert str(caught.value).startswith(f"{name}:") and REFUSED[name] in str(caught.value)


def test_what_they_say_is_what_is_meant() -> None:
    steps = {step.name: step for step in pipeline_in(read("python_diamond.json5"), "x").steps}
    assert (steps["left"].supports_termination, steps["split"].supports_termination) == (True, False)
    assert steps["left"].inputs_data == ("data-left-1", "data-left-2")
    assert [one.step for one in steps["join"].after] == ["left", "right"]
    steps = {step.name: step for step in pipeline_in(read("python_slurm.json5"), "x").steps}
    assert (steps["fit"].inputs_data, steps["prepare"].outputs_data) == (("given", "found"), ("found",))
    assert (steps["prepare"].site, steps["fit"].site, steps["more"].site) == ("local", "debug_gpu", "debug")
    steps = {step.name: step for step in pipeline_in(read("pipeline_by_name.yaml"), "x").steps}
    assert [one.path for one in steps["report_south"].reads] == ["r/south_sums", "r/south_odd"]
    assert [one.step for one in steps["all"].after] == ["report_north", "report_south"]
    steps = {step.name: step for step in pipeline_in(read("names_sample.json"), "x").steps}
    assert steps["check"].run[:2] == ("bash", "-c") and steps["check"].run[2].endswith("python check.py in.csv")


def test_both_commands_say_the_same_of_each(torc: Callable[..., Any], penstock: Any, tmp_path: Path) -> None:
    for name in (*TAKEN, *REFUSED):
        (tmp_path / name).write_bytes((FILES / name).read_bytes())
        shown, made = penstock("import", "torc", name), torc("workflows", "create-from-json-file", name)
        assert made.code == shown.code == (2 if name in REFUSED else 0), made.err
        assert shown.err.splitlines() == [line for line in made.err.splitlines() if " - INFO [" not in line]
