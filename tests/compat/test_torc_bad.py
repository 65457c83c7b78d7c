"""Definitions of Torc that cannot be: one error at the place to change, and never anything else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.compat.torc.spec import translate
from penstock.model.errors import BadSpec
from penstock.text.marked import read_marked
from penstock.text.pipeline import pipeline_of

from .test_torc_spec import FULL, steps


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("jobs: []", "1:1", "the workflow has no jobs"),
        ("jobs: [{name: a}]", "1:15", "`command` is missing"),
        ("jobs: [{command: ''}]", "1:18", "the command is empty"),
        ("jobs: [{command: x, depend_on: [a]}]", "1:21", 'unknown field "depend_on"; did you mean "depends_on"?'),
        ("jobs: [{command: x, depends_on: [a]}]", "1:34", "there is no job 'a' in this file"),
        ("jobs: [{command: x, depends_on_regexes: ['(']}]", "1:42", "is no regular expression"),
        ("jobs: [{command: x, depends_on: [{a: 1}]}]", "1:34", "`depends_on`: expected a name, found a mapping"),
        ("jobs: [{command: x, depends_on_regexes: [{a: 1}]}]", "1:42", "expected an expression, found a mapping"),
        ("jobs: [{command: x, depends_on_regexes: [zz]}]", "1:42", "finds no job"),
        ("jobs: [{name: a, command: x}, {name: a, command: y}]", "1:31", "two of `jobs` are called 'a'"),
        ("jobs: [{name: a, command: x, depends_on: [b]}, {name: b, command: x, depends_on: [a]}]", "", "in a cycle"),
        ("jobs: [{command: 'x ${files.input.f}'}]", "1:18", "there is no file 'f'"),
        ("jobs: [{command: 'x ${user_data.input.f}'}]", "1:18", "read $PENSTOCK_DATA/NAME.json instead"),
        ("{slurm_schedulers: [{name: s, mem: x}], jobs: [{command: x}]}", "1:36", "expected a size"),
        ("{slurm_schedulers: [{name: s, walltime: x}], jobs: [{command: x}]}", "1:41", "`walltime`"),
        ("{slurm_schedulers: [{name: s}, {name: s}], jobs: [{command: x}]}", "1:32", "are called 's'"),
        ("{slurm_defaults: {mem: 4G}, slurm_schedulers: [{name: s}], jobs: [{command: x}]}", "1:24", "say `memory`"),
        ("{jobs: [{command: x, scheduler: s}]}", "1:33", "no Slurm scheduler is called 's'"),
        ("{schedulers: {aws_schedulers: [{a: 1}]}, jobs: [{command: x}]}", "1:15", "`aws_schedulers` is refused"),
        ("{actions: [{a: 1}], jobs: [{command: x}]}", "1:2", "`actions` is refused"),
        ("{execution_config: {mode: slurm}, jobs: [{command: x}]}", "1:2", "`execution_config` is refused: a job is"),
        ("{variables: {a: b}, jobs: [{command: x}]}", "1:2", "`variables` is refused: write the values"),
        (
            "jobs: [{command: x, parameters_file: a.csv}]",
            "1:21",
            "`parameters_file` is refused: say its columns as lists",
        ),
        ("jobs: [{command: x, priority: high}]", "1:31", "priority: expected a whole number, found text"),
        ("jobs: [{command: x, env: [a]}]", "1:26", "`env`: expected a mapping, found a list"),
        ("jobs: [{command: x, env: {PENSTOCK_A: b}}]", "1:39", "are set by Penstock"),
        ("{use_pending_failed: true, jobs: [{command: x}]}", "1:2", "`use_pending_failed` is refused"),
        ("{config: {worker_startup_script: x}, jobs: [{command: x}]}", "1:11", "`worker_startup_script` is refused"),
        ("{resource_requirements: [{name: r, num_nodes: 0}], jobs: [{command: x}]}", "1:47", "from 1 to"),
        ("{resource_requirements: [{name: r, memory: 1.5g}], jobs: [{command: x}]}", "1:44", 'memory "1.5g"'),
        (
            "{resource_requirements: [{name: r, num_nodes: 2}], jobs: [{command: x, resource_requirements: r}]}",
            "1:95",
            "'r' are of 2 nodes, and the job runs on this machine alone; name one of `slurm_schedulers`",
        ),
        ("jobs: [{command: x, resource_requirements: r}]", "1:44", "no resource requirements are called 'r'"),
        ("jobs: [{command: x, failure_handler: r}]", "1:38", "there is no failure handler 'r'"),
        ("{failure_handlers: [{name: h, rules: [{max_retries: 1}]}], jobs: [{command: x}]}", "1:53", "`exit_codes`"),
        ("jobs: [{command: 'x {i}', parameters: {i: '1:3:0'}}]", "1:43", "has a step of 0"),
        ("jobs: [{command: 'x {i}', parameters: {i: '3:1'}}]", "1:43", "holds no values"),
        ("jobs: [{command: 'x {i}', parameters: {i: '1:9999999'}}]", "1:43", "holds more than 1,000,000"),
        (
            "jobs: [{command: 'x {i:q}', parameters: {i: [a]}}]",
            "1:18",
            "{i:q}: it cannot be written so; expected a form such as {i:03d}",
        ),
        ("jobs: [{command: x, use_parameters: [i]}]", "1:38", "the workflow has no parameter 'i'"),
        ("jobs: [{command: x, use_parameters: i}]", "1:37", "`use_parameters`: expected a list of names, found text"),
        ("jobs: [{command: x, use_parameters: [[i]]}]", "1:38", "`use_parameters`: expected a name, found a list"),
        ("jobs: [{command: x, parameters: i}]", "1:33", "`parameters`: expected a mapping, found text"),
        ("jobs: [{command: x, parameters: {i: [[1, 2]]}}]", "1:38", "`parameters`.i: expected text, a number,"),
        ("jobs: [{command: x, parameters: {i: '[[1]]'}}]", "1:37", "as a value, found a list"),
        ("jobs: [{command: x, parameters: {i: {a: 1}}}]", "1:37", "as a value, found a mapping"),
        ("jobs: [{command: 'x {i:0999999999d}', parameters: {i: 1}}]", "1:18", "it is wider than 1,000 characters"),
        (
            '{slurm_schedulers: [{name: s, extra: "--comment=\'x"}], jobs: [{command: x}]}',
            "1:38",
            "No closing quotation",
        ),
        ("{slurm_schedulers: [{name: s, walltime: '²:00:00'}], jobs: [{command: x}]}", "1:41", "is no duration"),
        ("{slurm_schedulers: [{name: s, walltime: {a: 1}}], jobs: [{command: x}]}", "1:41", "expected text"),
        ("{slurm_schedulers: [{name: s, gres: 'gpu:²'}], jobs: [{command: x}]}", "1:37", "only GPUs are known"),
        ("{slurm_defaults: {a: [1]}, slurm_schedulers: [{name: s}], jobs: [{command: x}]}", "1:22", "expected a word"),
        (
            "{resource_requirements: [{name: r, runtime: [1]}], jobs: [{command: x}]}",
            "1:45",
            "expected text, found a list",
        ),
        (
            "jobs: [{command: x, parameters: {i: [1], j: [1, 2]}, parameter_mode: zip}]",
            "1:70",
            "as many values each; i has 1, j has 2",
        ),
        ("jobs: [{name: 'a{i}', command: x, parameters: {i: [1, 1]}}]", "1:8", "two of `jobs` are called 'a1'"),
    ],
)
def test_one_error_at_the_place_to_change(text: str, place: str, says: str) -> None:
    with pytest.raises(BadSpec) as caught:
        steps(text)
    assert says in str(caught.value)
    assert str(caught.value).startswith(f"w.yaml:{place}")


ODD = st.sampled_from(
    [None, True, -1, 7, 1e400, "", "x", "²:00", "'", "[", "{i:9999999d}", "1:2:3", "9" * 5000, [], [[1]], {}, {"a": 1}]
)


@given(st.data())
def test_whatever_a_definition_says_it_is_read_or_refused_at_its_place(data: st.DataObject) -> None:
    """Any value anywhere in a good definition instead of what stands there."""
    tree = json.loads(json.dumps(read_marked(FULL, "w.yaml").plain()))
    inside, key = {"": tree}, ""
    while isinstance(inside[key], (dict, list)) and inside[key] and data.draw(st.integers(0, 5)):
        inside = inside[key]
        key = data.draw(st.sampled_from(sorted(inside) if isinstance(inside, dict) else range(len(inside))))
    inside[key] = data.draw(ODD)
    try:
        found = translate(read_marked(json.dumps(tree).replace("Infinity", "1e400"), "w.json"), "w", shell=True).tree
        pipeline_of(found, known_repos=(), has_file=lambda _: False, default_name="w")
    except BadSpec as error:
        assert str(error).startswith("w.json:") and "Node(" not in str(error)
    else:
        assert "Node(" not in str(found.plain())
