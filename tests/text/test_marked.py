"""The reader of YAML 1.2, JSON and JSON5: values, places, and one error for whatever is wrong."""

from __future__ import annotations

import json
import math
from typing import Any

import pyjson5
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model.errors import BadSpec
from penstock.text.marked import MAX_BYTES, read_marked
from penstock.text.nodes import Node


def plain(text: str | bytes, file: str = "f.yaml") -> Any:
    return read_marked(text, file).plain()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("12:30:00", "12:30:00"),
        ("2020-01-01", "2020-01-01"),
        ("1_000", "1_000"),
        ("1..100", "1..100"),
        ("010", 10),
        ("-7", -7),
        ("+7", 7),
        ("0o10", 8),
        ("0x1F", 31),
        ("1.5", 1.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e3", 1000.0),
        ("-.inf", -math.inf),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("null", None),
        ("nUll", "nUll"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("!!str 12", "12"),
        ("! 12", "12"),
        ("!!int '12'", 12),
        ("!!float 1", 1.0),
        ("!!null ''", None),
        ("!!seq [1]", [1]),
        ("a: &x [1, 2]\nb: *x", {"a": [1, 2], "b": [1, 2]}),
        ("&k key: 1\nother: {*k : 2}", {"key": 1, "other": {"key": 2}}),
        ("a:\nb: |\n  x\n  y\n", {"a": None, "b": "x\ny\n"}),
        ("'<<': 1", {"<<": 1}),
        ("%YAML 1.2\n---\na: 1\n...\n", {"a": 1}),
    ],
)
def test_yaml_by_the_core_schema_of_1_2(text: str, value: Any) -> None:
    found = plain(text)
    assert found == value
    assert type(found) is type(value)


def test_every_node_knows_its_place_and_how_it_was_written() -> None:
    root = read_marked("# c\nsteps:\n  édges: {run: [010, 'b']}\n", "p.yaml")
    step = root.value["steps"].value["édges"]
    run = step.value["run"]
    assert root.where == "p.yaml:2:1"
    assert (root.value["steps"].keys or {})["édges"].where == "p.yaml:3:3"
    assert (step.keys or {})["run"].where == "p.yaml:3:11"
    assert [(part.where, part.text) for part in run.value] == [("p.yaml:3:17", "010"), ("p.yaml:3:22", "b")]


@pytest.mark.parametrize("name", ["p.json", "p.json5"])
def test_json_keeps_places_too(name: str) -> None:
    root = read_marked('{"a": [1,\r\n  "x"], // c\n /* d\n */ \'b\': {c: 1.50}}', name)
    assert root.plain() == {"a": [1, "x"], "b": {"c": 1.5}}
    assert [part.where for part in root.value["a"].value] == [f"{name}:1:8", f"{name}:2:3"]
    assert (root.keys or {})["b"].where == f"{name}:4:5"
    assert root.value["b"].value["c"].text == "1.50"


BAD = [
    # file, text, line:column, phrase
    ("y.yaml", "", "1:1", "the file is empty"),
    ("y.yaml", "# only\n", "1:1", "the file is empty"),
    ("y.yaml", "\ufeffa: 1", "1:1", "byte order mark"),
    ("y.yaml", b"\xff\xfea\x00", "1:1", "not UTF-8"),
    ("y.yaml", b"a: 1\nb: \xe9", "2:4", "byte 0xe9 is not UTF-8"),
    ("y.yaml", "a: 1\nb: \x07", "2:4", "U+0007"),
    ("y.yaml", "a: \ud800", "1:4", "U+D800"),
    ("y.yaml", "a:\n\tb: 1", "2:1", "a tab cannot indent"),
    ("y.yaml", "a:\n  b: 1\n\tc: 2", "3:1", "a tab cannot indent"),
    ("y.yaml", "a: 1\nb: 2\na: 3", "3:1", '"a" was given before, at 1:1'),
    ("y.yaml", "{a: 1, 'a': 2}", "1:8", '"a" was given before, at 1:2'),
    ("y.yaml", "a: [1, 2\nb: 3", "1:4", "this list is not closed"),
    ("y.yaml", "a: {b: 1\n", "1:4", "this mapping is not closed"),
    ("y.yaml", "a: 'x\n\n", "1:4", "in quotes is never closed"),
    ("y.yaml", "a: b: c", "1:5", '":" is not expected here'),
    ("y.yaml", "a: 1\n b: 2", "2:3", '":" is not expected here'),
    ("y.yaml", "a: 1\nb\nc: 2", "2:1", 'expected a key and ":"'),
    ("y.yaml", "a: 1\n- b", "2:1", "expected a key here"),
    ("y.yaml", "a: - b", "1:4", "cannot begin here"),
    ("y.yaml", "a: @x", "1:4", '"@" cannot begin a value'),
    ("y.yaml", "a: `x`", "1:4", '"`" cannot begin a value'),
    ("y.yaml", "a: %x", "1:4", '"%" cannot begin a value'),
    ("y.yaml", 'a: "\\q"', "1:5", "escape"),
    ("y.yaml", "a: *x", "1:4", 'nothing before is named "&x"'),
    ("y.yaml", "a: &x [*x]", "1:8", "stands inside itself"),
    ("y.yaml", "a: !secret 1", "1:4", 'the tag "!secret" is not supported'),
    ("y.yaml", "!!python/object/apply:os.system [x]", "1:1", "is not supported"),
    ("y.yaml", "a: !!binary aGk=", "1:4", "is not supported"),
    ("y.yaml", "a: !!map 1", "1:4", "is not supported"),
    ("y.yaml", "a: !!int x", "1:4", '"x" is no int'),
    ("y.yaml", "a: !!int true", "1:4", '"true" is no int'),
    ("y.yaml", "a: !u!x y", "1:4", "unknown tag"),
    ("y.yaml", "a: 1\n<<: {b: 1}", "2:1", "merge"),
    ("y.yaml", "1: x", "1:1", 'write "1" in quotes'),
    ("y.yaml", "null: x", "1:1", "a key must be text"),
    ("y.yaml", "? [a]\n: b", "1:3", "a key must be text"),
    ("y.yaml", "a: 1\n---\nb: 1", "2:1", "a second document"),
    ("y.yaml", "a: " + "[" * 200, "1:103", "100 levels"),
    ("y.yaml", "a: " + "9" * 5000, "1:4", "a number of 5000 characters"),
    ("j.json", "", "1:1", "the file is empty"),
    ("j.json", " // nothing\n", "1:1", "the file is empty"),
    ("j.json", "\n /* x", "2:2", "comment is never closed"),
    ("j.json", '{"a": 1, "a": 2}', "1:10", '"a" was given before, at 1:2'),
    ("j.json", '{"a" 1}', "1:6", 'expected ":" after the key "a"'),
    ("j.json", '{"a": 1 "b": 2}', "1:9", 'expected "," or "}" to close what begins at 1:1'),
    ("j.json", "[1\n 2]", "2:2", 'expected "," or "]" to close what begins at 1:1'),
    ("j.json", "[1,", "1:4", "the file ends"),
    ("j.json", "{", "1:2", "the file ends inside a mapping"),
    ("j.json", "{1: 2}", "1:2", "expected a key"),
    ("j.json", "[,]", "1:2", 'expected a value, not ","'),
    ("j.json", "[nul]", "1:2", '"nul" is no value'),
    ("j.json", "[012]", "1:2", "no number"),
    ("j.json", "[1.2.3]", "1:2", "no number"),
    ("j.json", "[" + "9" * 5000 + "]", "1:2", "a number of 5000 characters"),
    ("j.json", '["a\nb"]', "1:2", "not closed on its line"),
    ("j.json", '["\\u12"]', "1:2", "no text of JSON5"),
    ("j.json", '["\\ud800"]', "1:2", "no text of JSON5"),
    ("j.json", "1 2", "1:3", "expected the end"),
    ("j.json", "[" * 200, "1:101", "100 levels"),
]


@pytest.mark.parametrize(("file", "text", "place", "phrase"), BAD)
def test_one_error_at_its_place(file: str, text: str | bytes, place: str, phrase: str) -> None:
    with pytest.raises(BadSpec) as caught:
        read_marked(text, file)
    assert caught.value.where == f"{file}:{place}"
    assert phrase in caught.value.message
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", ["x.yaml", "x.json"])
def test_a_huge_file_is_not_even_looked_at(file: str) -> None:
    with pytest.raises(BadSpec, match=f"at most {MAX_BYTES:,} are read"):
        read_marked(b"\xff" * (MAX_BYTES + 1), file)


def test_an_alias_is_a_value_of_its_own() -> None:
    first, second = read_marked("- &x {a: 1}\n- *x", "f.yaml").value
    assert first.plain() == second.plain() and first is not second
    assert (first.line, second.line) == (1, 2)


def test_aliases_cost_what_they_stand_for() -> None:
    bomb = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9))
    with pytest.raises(BadSpec, match="more than 1,000,000 values"):
        read_marked(bomb, "bomb.yaml")
    chain = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 120))
    with pytest.raises(BadSpec, match="more than 100 levels"):
        read_marked(chain, "chain.yaml")


DATA = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


@given(DATA, st.sampled_from([None, 1]), st.booleans())
def test_json_reads_back(value: Any, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    try:
        found = plain(text, "x.json")
    except BadSpec as error:
        assert "cannot stand in a file of text" in error.message
        return
    assert found == value


@given(st.text("[]{}:,\"'\\/*+-.01exINab \n\u2028_$", max_size=12))
def test_json5_agrees_with_the_library(text: str) -> None:
    try:
        found = plain(text, "x.json5")
    except BadSpec as error:
        if "was given before" not in error.message:
            with pytest.raises(pyjson5.Json5Exception):
                pyjson5.decode(text)
        return
    assert repr(found) == repr(pyjson5.decode(text))


@given(st.text("[]{}:,\"'\\&*!|>%@`#-?ab1. \n\t<~", max_size=16))
def test_any_yaml_is_a_tree_or_one_error(text: str) -> None:
    try:
        check(read_marked(text, "x.yaml"))
    except BadSpec as error:
        assert error.where.startswith("x.yaml:")


def check(node: Node) -> None:
    assert node.line >= 1
    assert node.column >= 1
    if isinstance(node.value, dict):
        assert list(node.value) == list(node.keys or {})
        for value in node.value.values():
            check(value)
    elif isinstance(node.value, list):
        for value in node.value:
            check(value)
