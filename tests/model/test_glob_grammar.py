"""Globs against a second reading of their grammar, as regular expressions; and the work that nasty patterns cost."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model.glob import Glob
from penstock.model.globmachine import Machine, Marks, Thread

# The second reading: text to regular expression, written without a look at the first. `!(..)` has none.

OPENING = {"(": "((?:{}))", "@(": "((?:{}))", "?(": "((?:{})?)", "*(": "((?:{})*)", "+(": "((?:{})+)", "{": "(?:{})"}


def expression(pattern: str) -> str:
    rest, found = _translate(pattern, "", True)
    assert not rest
    return found


def _translate(text: str, stops: str, fresh: bool) -> tuple[str, str]:
    """What is left of the text from one of `stops` on, and what was before as an expression.

    `fresh`: a name begins here.
    """
    found = ""
    while text and text[0] not in stops:
        opening = next((mark for mark in ("@(", "?(", "*(", "+(", "(", "{") if text.startswith(mark)), None)
        if opening:
            text, inner = _choice(text[len(opening) :], ",}" if opening == "{" else "|)")
            found += OPENING[opening].replace("{}", inner)
        elif text.startswith("**/") and fresh:
            text, found = text[3:], found + "(?:[^/]+/)*"
            continue
        elif text == "**" and fresh:
            text, found = "", found + "[\\s\\S]+"
        elif text.startswith("**") and not text.startswith("**("):
            text, found = text[2:], found + "[\\s\\S]*"
        elif text[0] == "[":
            inside, text = text[1:].split("]", 1)
            found += f"[^/{inside[1:]}]" if inside[0] == "!" else f"[{inside}]"
        elif text[0] == "\\":
            found, text = found + re.escape(text[1]), text[2:]
        else:
            found, text = found + {"*": "[^/]*", "?": "[^/]"}.get(text[0], re.escape(text[0])), text[1:]
        fresh = found.endswith("/")
    return text, found


def _choice(text: str, marks: str) -> tuple[str, str]:
    options = []
    while True:
        text, option = _translate(text, marks, False)
        options.append(option)
        closed, text = text[0] == marks[1], text[1:]
        if closed:
            return text, "|".join(options)


ATOMS = st.sampled_from(["a", "b", "ab", "*", "?", "[ab]", "[!a]", "[a-b]", "\\*", "\\(", "ä"])
WORDS = st.lists(ATOMS, min_size=1, max_size=3).map("".join)


def _group(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    kinds = [("(", "|", ")"), ("@(", "|", ")"), ("?(", "|", ")"), ("*(", "|", ")"), ("+(", "|", ")"), ("{", ",", "}")]
    return st.builds(
        lambda before, kind, options, after: before + kind[0] + kind[1].join(options) + kind[2] + after,
        st.sampled_from(["", "a", "b"]),
        st.sampled_from(kinds),
        st.lists(inner, min_size=1, max_size=3),
        st.sampled_from(["", "b", "[!b]"]),
    )


NAMES = st.recursive(WORDS, _group, max_leaves=5)
GLOBS = st.lists(NAMES | st.just("**"), min_size=1, max_size=3).map("/".join)
PATHS = st.lists(st.text("ab*(ä", min_size=1, max_size=4), min_size=1, max_size=4).map("/".join)


@given(GLOBS, st.lists(PATHS, min_size=1, max_size=8))
def test_a_second_reading_agrees(pattern: str, paths: list[str]) -> None:
    glob = Glob(pattern)
    second = re.compile(expression(pattern))
    for path in paths:
        matched = second.fullmatch(path)
        assert glob.matches(path) is bool(matched), (pattern, path)
        captures = glob.captures(path)
        assert (captures is not None) is bool(matched)
        if captures is not None:
            assert len(captures) == second.groups


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("(*)-(*).csv", "a-b-c.csv"),
        ("(**)/(*)", "a/b/c"),
        ("*(ab)(*)", "ababab"),
        ("?(a)(?)+(b|c)", "abcbc"),
        ("((a|ab)(c|bcd))(d*)", "abcd"),
        ("@(x|(y)z)?", "yza"),
        ("{(a),(b)}*", "bcd"),
    ],
)
def test_captures_prefer_what_an_expression_prefers(pattern: str, path: str) -> None:
    matched = re.fullmatch(expression(pattern), path)
    assert matched
    assert Glob(pattern).captures(path) == tuple(group or "" for group in matched.groups())


# Fifty patterns made to hurt, and what they may cost.

NASTY = [
    *("*a" * count + "b" for count in (1, 5, 20, 60)),
    *("*a*" * count for count in (2, 10, 40)),
    *("?" * count + "*" * 1 + "b" for count in (3, 12)),
    *("*" + "?" * count + "b" for count in (4, 16, 64)),
    *("*a" + "?" * count for count in (4, 8, 16)),
    *("**/" * count + "b" for count in (1, 8, 64)),
    *("**a" * count + "b" for count in (3, 12)),
    *("*(a)" * count + "b" for count in (3, 12, 48)),
    *("*(*a)" * count + "b" for count in (2, 6)),
    *("+(a|aa|aaa)" * count + "b" for count in (2, 8)),
    *("+(" * count + "a" + ")" * count + "b" for count in (2, 5, 10)),
    *("*(" * count + "a" + ")" * count + "b" for count in (3, 9)),
    *("?(a)" * count + "a" * count for count in (5, 25)),
    *("{a,aa}" * count + "b" for count in (4, 16, 64)),
    *("{,a}" * count + "b" for count in (4, 32)),
    *("!(a)" * count + "b" for count in (1, 2, 3)),
    *("*!(*a)" * count for count in (1, 2)),
    "!(*a*a*a)b",
    "!(!(!(a*)))",
    "!(**)",
    "*(!(b))c",
    "+(*|?|a|**)b",
    "**/*(*(a)/*(b))/**",
    "[!b]" * 60 + "b",
    "{*,**,?}{*,**,?}{*,**,?}b",
    "(*)(*)(*)(*)(*)(*)b",
]


def _paths() -> Iterator[str]:
    """10,000 paths that nearly match what the patterns say."""
    chance = random.Random(5)
    for number in range(10_000):
        yield "/".join("a" * chance.randrange(1, 8) + "b" * (number % 7 == 0) for _ in range(chance.randrange(1, 4)))


def test_nasty_patterns_cost_what_is_long_times_what_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted are moves: one thread over one character, those inside `!(..)` too."""
    assert len(NASTY) >= 50
    moves = 0
    step = Machine._step

    def counted(machine: Machine, threads: dict[Thread, Marks], char: str, position: int) -> Mapping[Any, Any]:
        nonlocal moves
        moves += len(threads)
        return step(machine, threads, char, position)

    monkeypatch.setattr(Machine, "_step", counted)
    paths = list(_paths())
    characters = sum(map(len, paths))
    longest = max(map(len, paths))
    for pattern in NASTY:
        moves = 0
        glob = Glob(pattern)
        for path in paths:
            glob.matches(path)
        most = characters * (len(pattern) + 1)
        assert moves <= most * (longest if "!(" in pattern else 1), pattern
        assert moves <= most / 10 or moves < 100_000, f"{pattern} does not learn"
        moves = 0
        long = "a" * 500
        glob.captures(long + "b") or glob.captures(long)
        assert moves <= 4 * 501 * (len(pattern) + 1) * (501 if "!(" in pattern else 1), pattern
