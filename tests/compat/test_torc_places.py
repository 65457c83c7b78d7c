"""Schedulers of Torc's definitions: which of them a job means, and what is said of those that have no effect."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.compat.torc.spec import pipeline_in, read_definition
from penstock.model.errors import BadSpec

TWO = """
schedulers: {
  local_schedulers: [{name: "near", memory: "16g", num_cpus: 8}, {name: "both"}, {}],
  slurm_schedulers: [{name: "far", account: "lab", nodes: 1.0, walltime: 90.0}, {name: "both"}, {name: "local"}, {}],
},
"""


def read(scheduler: str, more: str = TWO) -> Any:
    text = f"{{jobs: [{{name: 'a', command: 'x', scheduler: '{scheduler}'}}], {more}}}"
    return read_definition(text.encode(), "w.json5", "w")


@pytest.mark.parametrize(
    ("scheduler", "site"),
    [
        ("", "local"),
        ("near", "local"),
        ("local_schedulers/near", "local"),
        ("local_schedulers/both", "local"),
        ("local_schedulers/default", "local"),
        ("default", "local"),
        ("far", "far"),
        ("slurm_schedulers/far", "far"),
        ("slurm_schedulers/both", "both"),
        ("slurm_schedulers/local", "local-2"),
        ("scheduler-4", "scheduler-4"),
    ],
)
def test_a_job_is_where_its_scheduler_is(scheduler: str, site: str) -> None:
    (step,) = pipeline_in(read(scheduler), "w").steps
    assert step.site == site


@pytest.mark.parametrize(
    ("scheduler", "says"),
    [
        ("both", "a local and a Slurm scheduler are called 'both'; write local_schedulers/both or"),
        ("nowhere", "no Slurm scheduler is called 'nowhere'"),
        ("slurm_schedulers/near", "no Slurm scheduler is called 'near'"),
        ("local_schedulers/far", "no local scheduler is called 'far'"),
        ("aws_schedulers/far", "no Slurm scheduler is called 'aws_schedulers/far'"),
    ],
)
def test_a_scheduler_that_is_not_there_or_is_two(scheduler: str, says: str) -> None:
    with pytest.raises(BadSpec) as caught:
        read(scheduler)
    assert says in str(caught.value) and str(caught.value).startswith("w.json5:1:")


def test_what_is_said_of_them() -> None:
    notes = "\n".join(read("near").notes)
    assert "local scheduler 1: `memory` is left out" in notes and "local scheduler 1: `num_cpus` is left out" in notes
    assert "w.json5: scheduler 'local' is called 'local-2'" in notes
    assert [site.walltime for site in pipeline_in(read("near"), "w").sites][0] == 5400.0


@pytest.mark.parametrize("more", ["slurm_defaults: {account: 'lab'}", "slurm_defaults: {qos: 'x'}, schedulers: {}"])
def test_defaults_of_nothing_are_left_out(more: str) -> None:
    (note,) = read("", more).notes
    assert "`slurm_defaults` is left out: there is no Slurm scheduler" in note
