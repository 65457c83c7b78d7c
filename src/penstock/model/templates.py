"""Parameters as text and as variables, and the places in the words of a command that hold one. Pure.

A place is `{i}` or, in Python's format, `{i:03d}`; `${i}` is the shell's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from typing import Any

from penstock.model.errors import UsageError

_PLACE = re.compile(r"(?<!\$)\{([A-Za-z_]\w*)(?::([^{}]*))?\}", re.ASCII)
_DIGITS = re.compile(r"\d+")
#: The largest width and precision: a value is to stand in a command.
WIDEST = 1000


def named(words: Iterable[str], known: Collection[str]) -> tuple[str, ...]:
    """Which of the known parameters have a place in some words. Other braces mean nothing.

    >>> named(["a{i:03d}", "{lr}{i}", "{print}"], ["i", "lr", "x"])
    ('i', 'lr')
    """
    found = {match[1] for word in words for match in _PLACE.finditer(word)}
    return tuple(name for name in known if name in found)


def show(value: Any) -> str:
    """A parameter as text: strings as they are, everything else as JSON.

    >>> show("a b"), show(0.5), show([1, None])
    ('a b', '0.5', '[1, null]')
    """
    if isinstance(value, str):
        return value
    # Most are numbers, and a task may take less time than the general encoder.
    return str(value) if type(value) is int else json.dumps(value, ensure_ascii=False)


@cache
def variable(name: str) -> str:
    """The variable that carries a parameter.

    >>> variable("learning-rate")
    'PENSTOCK_PARAM_LEARNING_RATE'
    """
    return "PENSTOCK_PARAM_" + re.sub(r"[^A-Za-z0-9]", "_", name).upper()


def formatted(value: Any, how: str) -> str:
    """A value as Python's format writes it. Raises UsageError for one that cannot be written so."""
    try:
        if any(int(number) > WIDEST for number in _DIGITS.findall(how)):
            raise ValueError(f"it is wider than {WIDEST:,} characters")
        return format(value, how)
    except (ValueError, TypeError, OverflowError) as error:
        raise UsageError(f"{value!r} cannot be written so: {error}") from None


def fill(word: str, values: Mapping[str, Any]) -> str:
    """A word with its places filled; what names none of the values stays. Raises UsageError for a value that cannot be
    written as its place says.

    >>> fill("run-{i:03d}-{lr:.2f}-{on}-{other}", {"i": 7, "lr": 0.1, "on": True})
    'run-007-0.10-true-{other}'
    """

    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            return match[0]
        if not match[2]:
            return show(values[match[1]])
        try:
            return formatted(values[match[1]], match[2])
        except UsageError as error:
            raise UsageError(f"{match[0][:80]}: {error}") from None

    return _PLACE.sub(value, word)


def check(words: Iterable[str], name: str, value: Any) -> None:
    """Raise UsageError if a value cannot be written as one of its places says."""
    for word in words:
        fill(word, {name: value})
