"""`{lines: FILE}` in `each`: which values a file has, and what is wrong with it at its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model.errors import BadSpec
from penstock.model.spec import Step
from penstock.text.pipeline import read_pipeline

FILES = {
    "names.txt": b"# those of today\nred  \n\n  dark green\r\n#old\nblue",
    "three": b"1\n2\n3\n",
    "twice": b"a\nb\na\n",
    "empty": b"# nothing\n\n",
    "binary": b"\xff\xfe",
    "long": b"x" * 100_001,
}


def step(each: str, run: str = "echo") -> Step:
    text = f"steps: {{s: {{run: [{run}], each: {each}}}}}"
    pipeline = read_pipeline(
        text, "p.yaml", known_repos=(), has_file=FILES.__contains__, default_name="p", lines=FILES.get
    )
    return pipeline.steps[0]


def test_lines_are_values() -> None:
    assert step("{c: {lines: names.txt}}").each == {"c": ["red", "dark green", "blue"]}
    assert step("{zip: {c: {lines: names.txt}, n: {lines: three}}}").each["zip"]["n"] == ["1", "2", "3"]
    assert step("{c: {lines: names.txt}}", 'echo, "{c}"').run == ("echo", "{c}")
    assert step("{c: {lines: three}, lines: [a]}").each == {"c": ["1", "2", "3"], "lines": ["a"]}


@pytest.mark.parametrize(
    ("each", "where", "says"),
    [
        ("{c: {lines: none.txt}}", "p.yaml:1:", 'each.c.lines: there is no file "none.txt" in the project'),
        ("{c: {lines: /etc/passwd}}", "p.yaml:1:", "leads out of the project"),
        ("{c: {lines: a/../../x}}", "p.yaml:1:", "leads out of the project"),
        ("{c: {lines: [a]}}", "p.yaml:1:", "expected the name of a file, found a list"),
        ("{c: {lines: empty}}", "p.yaml:1:", 'the file "empty" has no line with a value'),
        ("{c: {lines: binary}}", "binary:1:1", "is not UTF-8"),
        ("{c: {lines: twice}}", "twice:3:1", "the same value was given before, at 1:1"),
        ("{c: {lines: long}}", "long:1:1", "a line of 100,001 characters"),
        ("{c: {lines: three, more: 1}}", "p.yaml:1:", "or {lines: FILE}, found a mapping"),
        ("{c: {}}", "p.yaml:1:", "or {lines: FILE}, found a mapping"),
    ],
)
def test_what_cannot_be_read_is_told_at_its_place(each: str, where: str, says: str) -> None:
    with pytest.raises(BadSpec) as caught:
        step(each)
    assert str(caught.value).startswith(where) and says in str(caught.value)


@given(st.binary(max_size=60))
def test_any_file_is_read_or_refused(content: bytes) -> None:
    text = "steps: {s: {run: [echo], each: {c: {lines: any}}}}"
    try:
        pipeline = read_pipeline(
            text, "p.yaml", known_repos=(), has_file=bool, default_name="p", lines=lambda _: content
        )
    except BadSpec:
        return
    assert all(value == value.strip() and value and value[0] != "#" for value in pipeline.steps[0].each["c"])
