"""Parameters of Torc's definitions: their values, how they are written into texts, and what a sweep is gathered by."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.compat.torc.parameters import expanded
from penstock.compat.torc.values import written
from penstock.model.errors import BadSpec, UsageError
from penstock.text.marked import read_marked
from penstock.text.nodes import Node

from .test_torc_spec import steps, todays


def jobs(text: str) -> list[Any]:
    node = read_marked(text, "w.yaml")
    return [item.plain() for item in expanded(node.value, {}, "`jobs`", [])]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ("'1:3'", ["1", "2", "3"]),
        ("'0:10:5'", ["0", "5", "10"]),
        ("'3:1:-1'", ["3", "2", "1"]),
        ("'0:0.3:0.1'", ["0", "0.1", "0.2", "0.3"]),
        ("'{1:3}'", ["1", "2", "3"]),
        ("'{ red }'", ["red"]),
        ("'-1.5:+1e0:1.25'", ["-1.5", "-0.25", "1"]),
        ("'[red, green]'", ["red", "green"]),
        ("'[007,8, 0.00001,10.0,1e3]'", ["7", "8", "0.00001", "10", "1000"]),
        ("\"['a,b', x y, '007',]\"", ["a,b", "x y", "007"]),
        ("[0.00001, 10.0, -0.0, 1e300]", ["0.00001", "10", "-0", "1" + "0" * 300]),
        ("\"[1, 'x', 2.5]\"", ["1", "x", "2.5"]),
        ("[a, true]", ["a", "true"]),
        ("7", ["7"]),
        ("word", ["word"]),
    ],
)
def test_values_of_parameters(values: str, found: list[str]) -> None:
    assert [job["name"] for job in jobs(f"[{{name: '{{i}}', parameters: {{i: {values}}}}}]")] == found


def test_combinations_come_in_the_order_of_the_file() -> None:
    both = "parameters: {b: [1, 2], a: [x, y]}"
    assert [job["name"] for job in jobs(f"[{{name: '{{b}}{{a}}', {both}}}]")] == ["1x", "1y", "2x", "2y"]
    assert [job["name"] for job in jobs(f"[{{name: '{{b}}{{a}}', {both}, parameter_mode: zip}}]")] == ["1x", "2y"]


@given(st.text(), st.one_of(st.integers(), st.floats(allow_nan=False), st.text(), st.booleans()))
def test_any_text_is_filled_or_refused(text: str, value: Any) -> None:
    def at(inside: Any) -> Node:
        return Node(inside, "f", 1, 1)

    item = at({"name": at(text), "parameters": at({"i": at([at(value)])})})
    try:
        (filled,) = expanded([item], {}, "`jobs`", [])
    except BadSpec:
        return
    assert isinstance(filled.value["name"].value, str)
    if "{i" not in text:
        assert filled.value["name"].value == text


GATHER = """
parameters: {i: "1:3", c: "[red, green]"}
files: [{name: "f_{i}_{c}", path: "f{i}{c}", use_parameters: [i, c]}, {name: sums, path: sums, use_parameters: [i]}]
jobs:
  - {name: "run_{i}_{c}", command: "run {i} {c}", output_files: ["f_{i}_{c}"], use_parameters: [i, c]}
  - {name: "of_{c}", command: "of {c}", depends_on: ["run_{i}_{c}"], use_parameters: [c, i]}
  - {name: all, command: "cat f*", input_files: ["f_{i}_{c}"], depends_on: ["of_{c}"], use_parameters: [i, c]}
"""


def test_what_a_name_does_not_tell_apart_is_one_job_for_all() -> None:
    found = steps(GATHER)
    assert list(found) == [*(f"run_{i}_{c}" for i in (1, 2, 3) for c in ("red", "green")), "of_red", "of_green", "all"]
    assert [one.step for one in found["of_green"].after] == ["run_1_green", "run_2_green", "run_3_green"]
    assert [one.step for one in found["all"].after] == ["of_red", "of_green"]
    assert [one.path for one in found["all"].reads] == [f"f{i}{c}" for i in (1, 2, 3) for c in ("red", "green")]


@pytest.mark.parametrize(
    ("job", "says"),
    [
        ("name: all, command: 'cat {i}', parameters: {i: '1:2'}", "all of 'all' are one, and differ in `command`"),
        ("name: all, command: x, env: {A: '{i}'}, parameters: {i: '1:2'}", "differ in `env`; give `name` a place"),
        ("name: 'a_{x:.1f}', command: x, parameters: {x: [0.11, 0.12]}", "two of `jobs` are called 'a_0.1'"),
        ("name: 'a_{x:.1f}', command: x, parameters: {x: [0.11, 0.12], y: [1, 2]}", "two of `jobs` are called 'a_0.1'"),
        ("name: 'a_{x}', command: x, parameters: {x: [1, 1], y: [1, 2]}", "two of `jobs` are called 'a_1'"),
    ],
)
def test_jobs_of_one_name_that_are_not_one_are_refused(job: str, says: str) -> None:
    with pytest.raises(BadSpec, match=says.replace("(", "[(]")) as caught:
        steps(f"jobs: [{{{job}}}]")
    assert str(caught.value).startswith("w.yaml:1:")


def test_pairs_are_gathered_by_one_of_them() -> None:
    both = "parameters: {kind: [a, a, b], n: [1, 2, 3]}, parameter_mode: zip"
    found = jobs(f"[{{name: 'of_{{kind}}', command: x, depends_on: ['run_{{n}}'], {both}}}]")
    assert [(job["name"], job["depends_on"]) for job in found] == [("of_a", ["run_1", "run_2"]), ("of_b", ["run_3"])]


def test_gathering_takes_as_long_as_there_are_values() -> None:
    job = {"name": "all", "command": "x", "depends_on": ["run_{i}"], "parameters": {"i": "1:20000"}}
    begun = time.process_time()
    (found,) = jobs(json.dumps([job]))
    assert len(found["depends_on"]) == 20000
    assert time.process_time() - begun < 5, "some 0.5 s"


def test_what_has_no_effect_is_said() -> None:
    text = """
parameters: {i: "1:3", lr: "1e-4:1e-2:10"}
jobs: [{name: "a_{lr}", command: "x {lr} {i}", use_parameters: [lr]}]
"""
    notes = "\n".join(todays(text).notes)
    assert 'w.yaml:2:28: `parameters`.lr: the range "1e-4:1e-2:10" holds one value, 1e-4' in notes
    assert "w.yaml:2:17: parameter 'i' is left out: nothing names it in its `use_parameters`" in notes
    assert "w.yaml:3:34: {i} stays as it is: the job does not name it in its `use_parameters`" in notes


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ("'a:b'", '"a:b" is no range; expected "first:last"'),
        ("'1:2:3:4'", "is no range"),
        ("'{http://x}'", '"http://x" is no range'),
        ("'[]'", "the list holds no values"),
        ("[]", "the list holds no values"),
        ("'[1,,2]'", "nothing between two commas"),
        ("'[1, 2'", "has no ] at its end"),
        ('"[\'a, b]"', "a quote that does not end: 'a"),
        ("'@values.txt'", "values in a file of their own are not read"),
    ],
)
def test_values_that_cannot_be_read(values: str, says: str) -> None:
    with pytest.raises(BadSpec) as caught:
        jobs(f"[{{name: 'a_{{i}}', command: x, parameters: {{i: {values}}}}}]")
    assert says in str(caught.value) and str(caught.value).startswith("w.yaml:1:")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_written_without_an_exponent_and_reads_back_the_same(value: float) -> None:
    text = written(value, "")
    assert float(text) == value and "e" not in text and not text.endswith(".0")


@given(st.text("0123456789.df<>xs", max_size=6), st.one_of(st.integers(), st.floats(), st.text(max_size=3)))
def test_any_form_writes_a_value_or_is_refused(how: str, value: Any) -> None:
    try:
        assert isinstance(written(value, how), str)
    except UsageError as error:
        assert "it" in str(error)
