"""The environment of a task."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from penstock.model.templates import show, variable
from penstock.model.wire import Assignment, Recipe
from penstock.worker.environment import attempt_environment, batch_environment

RECIPE = Recipe("r", "s@r", "p", "s", ("a",), b"", None, {"A": "mine"}, True, 3, None, 2.0)
OWN = {
    "PATH": "/x",
    "A": "theirs",
    "B": "b",
    "PENSTOCK_PROJECT": "project",
    "PENSTOCK_WORKER": "w",
    "PENSTOCK_TOKEN": "secret",
    "PENSTOCK_ATTEMPT": "outer",
}


def test_inherited() -> None:
    base = batch_environment(RECIPE, OWN)
    assert base["A"] == "mine"
    assert base["B"] == "b"
    assert {name: value for name, value in base.items() if name.startswith("PENSTOCK_")} == {
        "PENSTOCK_PROJECT": "project",
        "PENSTOCK_WORKER": "w",
        "PENSTOCK_RUN": "r",
        "PENSTOCK_JOB": "s@r",
        "PENSTOCK_CPUS": "3",
    }


def test_not_inherited() -> None:
    base = batch_environment(replace(RECIPE, inherit=False), OWN)
    assert sorted(name for name in base if not name.startswith("PENSTOCK_")) == ["A", "HOME", "LANG", "PATH", "TMPDIR"]
    assert base["PATH"] == "/x"


def test_an_attempt() -> None:
    task = Assignment("t", "t.1", 1, {"text": "$(touch x);", "list": [1, "é"], "flag": True, "long": "x" * 40_000})
    env = attempt_environment({"A": "a"}, task, {"PENSTOCK_OUT": "/out"})
    assert env == {
        "A": "a",
        "PENSTOCK_OUT": "/out",
        "PENSTOCK_TASK": "t",
        "PENSTOCK_ATTEMPT": "t.1",
        "PENSTOCK_PARAM_TEXT": "$(touch x);",
        "PENSTOCK_PARAM_LIST": '[1, "é"]',
        "PENSTOCK_PARAM_FLAG": "true",
    }


@given(st.text())
def test_a_variable_has_a_name_every_shell_takes(name: str) -> None:
    assert set(variable(name)) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")


@given(st.text())
def test_text_stays_as_it_is(text: str) -> None:
    assert show(text) == text


def test_a_parameter_called_key_is_the_key_of_the_task() -> None:
    env = attempt_environment({}, Assignment("t", "t.1", 1, {"key": "ada"}), {})
    assert env["PENSTOCK_KEY"] == env["PENSTOCK_PARAM_KEY"] == "ada"
