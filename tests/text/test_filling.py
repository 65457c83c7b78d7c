"""Which braces in a command are places for parameters, and which belong to somebody else."""

from __future__ import annotations

import json

import pytest

from penstock.model.errors import BadSpec
from penstock.model.spec import Step
from penstock.text.canonical import pipeline_to_json
from penstock.text.pipeline import read_pipeline


def step(run: object, **more: object) -> Step:
    text = json.dumps({"params": {"p": 1, "q": "x"}, "steps": {"s": {"run": run, **more}}})
    return read_pipeline(text, "p.json", known_repos=(), has_file=lambda _: False, default_name="p").steps[0]


@pytest.mark.parametrize(
    "run",
    [
        ["awk", "{print}", "f"],
        ["jq", "{name}", "f"],
        ["curl", "-w", "%{http_code}", "http://x"],
        ["git", "rev-parse", "HEAD@{upstream}", "v1^{commit}"],
        ["docker", "inspect", "--format", "{{json}}", "x"],
        ["python3", "-c", "print(f'{x}')"],
        ["sh", "-c", "awk '{print}' f"],
        ["echo", "${x}", "{}", "{1}", "{a,b}", "{a}b*", "{ x }", "{a b}"],
        "awk '{print}' f | sort",
        "python3 -c \"print(f'{x}')\"",
        "gawk {print} f",
        "exec {lock}>file; echo ${x} {a,b} \\{x}",
        "cat <<E\n{x}\nE",
        "true  # {x} is no word",
        'curl -w "%{http_code}" http://x',
    ],
)
def test_braces_of_others_stay(run: object) -> None:
    assert step(run).fills == ()


def test_parameters_have_places_in_words_of_a_list() -> None:
    found = step(["x", "{p:03d}-{i}", "--q={q}", "'{q}' is quoted"], each={"i": [1, 2]})
    assert found.fills == ("p", "q")


def test_steps_without_places_are_written_as_before() -> None:
    text = '{"steps": {"s": {"run": ["x", "y"]}}, "params": {"p": 1}}'
    read = read_pipeline(text, "p.json", known_repos=(), has_file=lambda _: False, default_name="p")
    assert "fills" not in pipeline_to_json(read)


@pytest.mark.parametrize(
    "run", [["x", "{n}"], ["x", "--n={n:03d}"], ["x", "a/{n}/b"], "x {n}", "x --n={n} 'y'", "x a/{n}.csv; y"]
)
def test_what_can_only_be_a_place_and_is_none_is_refused(run: object) -> None:
    with pytest.raises(BadSpec, match="{n} names no parameter; there are p, q; "):
        step(run)
