"""Parameters that inputs give: what they are made of, and where a task could lack one or get two."""

from __future__ import annotations

import json
from typing import Any

import pytest

from penstock.model.errors import BadSpec
from penstock.model.spec import Step
from penstock.text.canonical import pipeline_from_json, pipeline_to_json
from penstock.text.pipeline import read_pipeline

KNOWN = ("a", "b", "c")


def source(repo: str, **more: Any) -> dict[str, Any]:
    return {"repo": repo, "glob": "/(*)_(*)", **more}


def given(repo: str, template: str = "$1", **more: Any) -> dict[str, Any]:
    return source(repo, params={"n": template}, **more)


def text(found: Any, **more: Any) -> str:
    return json.dumps({"params": {"p": 1}, "steps": {"s": {"run": ["x"], "input": found, **more}}})


def read(found: Any, **more: Any) -> Step:
    has = text(found, **more)
    return read_pipeline(has, "p.json", known_repos=KNOWN, has_file=lambda _: False, default_name="p").steps[0]


GOOD = [
    given("a"),
    given("a", "$0"),
    {"cross": [given("a"), source("b")]},
    {"cross": [given("a"), source("b", params={"m": "$2-$1"})]},
    {"union": [given("a"), given("b", "$2")]},
    {"join": [given("a", "$2", on="$1"), source("b", on="$1")]},
    {"join": [given("a", on="$1"), given("b", "$2", on="$2")]},
    {"join": [given("a", on="$1"), given("b", on="$1", outer=True)]},
    {"group": [given("a", group="$1"), given("b", "$2", group="$2")]},
    {"group": [{"join": [given("a", "$2", on="$1", group="$2"), source("b", on="$1")]}]},
]


@pytest.mark.parametrize("found", GOOD, ids=json.dumps)
def test_each_task_has_one_value(found: Any) -> None:
    assert read(found, run=["x", "--n={n}"]).fills == ("n",)


BAD = [
    ([given("a"), source("b")], "one task gets all that stands in this list"),
    ({"cross": [given("a"), given("b")]}, "it has a value from the input at p.json:1:"),
    ({"join": [given("a", on="$1"), given("b", "$2", on="$1")]}, "it has a value from the input at"),
    ({"union": [given("a"), source("b")]}, "there can be tasks of this one alone"),
    ({"join": [given("a", on="$1"), source("b", on="$1", outer=True)]}, "there can be tasks of this one alone"),
    ({"group": [given("a", "$2", group="$1")]}, 'files of one group could give several values; write "\\$1"'),
    ({"group": [given("a", "$0", group="$1")]}, "files of one group could give several values"),
    ({"group": [{"cross": [given("a"), source("b", group="$1")]}]}, "give it a `group`, and write that key"),
    ({"group": [given("a", group="$1"), source("b", group="$1")]}, "there can be tasks of this one alone"),
    ({"cross": [given("a"), source("b", params={"N": "$1"})]}, '"N" and "n", at p.json:1:.*are both'),
    (source("a", params={"p": "$1"}), '"p" is a parameter already, at p.json:1:'),
    (source("a", params={"i": "$1"}), '"i" is a parameter already, at p.json:1:'),
    (source("a", params={"q": "$1"}), '"q" is a parameter already, at p.json:1:'),
    (source("a", params={"P": "$1"}), "are both"),
    (source("a", params={"n": "$3"}), "the glob has 2 groups in brackets"),
    (source("a", params={"n": "$x"}), "expected \\$1"),
    (source("a", params={"n": "a\nb"}), "a value has no line breaks"),
    (source("a", params={"n": 3}), "expected"),
    (source("a", params={"n-m": "$1"}), "n-m"),
    (source("a", params=["n"]), "expected"),
    ({"cross": [source("a"), source("b")], "params": {"n": "$1"}}, "it belongs into one of its parts"),
]


@pytest.mark.parametrize(("found", "why"), BAD, ids=[json.dumps(found) for found, _ in BAD])
def test_what_could_be_missing_or_ambiguous_is_refused_with_its_place(found: Any, why: str) -> None:
    with pytest.raises(BadSpec, match=f"^p.json:1:[0-9]+: .*{why}"):
        read(found, params={"q": 1}, each={"i": [1, 2]})


def test_a_key_is_no_path() -> None:
    with pytest.raises(BadSpec, match="the glob has 2 groups"):
        read({"group": [source("a", group="$0")]})


def test_a_place_that_no_text_fills_is_refused() -> None:
    assert read(given("a"), run=["x", "{n:>8}"]).fills == ("n",)
    with pytest.raises(BadSpec, match="cannot be written so"):
        read(given("a"), run=["x", "{n:03d}"])
    with pytest.raises(BadSpec, match=r'write "\$PENSTOCK_PARAM_N"'):
        read(given("a"), run="x {n}")


def test_versions_keep_them_and_others_are_written_as_before() -> None:
    def whole(found: Any) -> Any:
        return read_pipeline(text(found), "p.json", known_repos=KNOWN, has_file=lambda _: False, default_name="p")

    written = pipeline_to_json(whole(given("a")))
    again = pipeline_from_json(written).steps[0].input
    assert again is not None and again.params == (("n", "$1"),)
    assert pipeline_to_json(pipeline_from_json(written)) == written
    assert '"params":[' not in pipeline_to_json(whole(source("a")))
