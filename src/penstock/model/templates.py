"""Places in the words of a command that hold a parameter: `{i}`, `{i:03d}`; `${i}` is the shell's. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from penstock.model.errors import UsageError

_PLACE = re.compile(r"(?<!\$)\{([A-Za-z_]\w*)(?::([^{}]*))?\}", re.ASCII)


def named(words: Iterable[str], known: Collection[str]) -> tuple[str, ...]:
    """Which of the known parameters have a place in some words. Other braces mean nothing.

    >>> named(["a{i:03d}", "{lr}{i}", "{print}"], ["i", "lr", "x"])
    ('i', 'lr')
    """
    found = {match[1] for word in words for match in _PLACE.finditer(word)}
    return tuple(name for name in known if name in found)


def fill(word: str, values: Mapping[str, Any]) -> str:
    """A word with its places filled; what names none of the values stays. Raises UsageError for a value that cannot be
    written as its place says.

    >>> fill("run-{i:03d}-{lr:.2f}-{other}", {"i": 7, "lr": 0.1})
    'run-007-0.10-{other}'
    """

    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            return match[0]
        try:
            return format(values[match[1]], match[2] or "")
        except (ValueError, TypeError) as error:
            raise UsageError(f"{match[0]}: {values[match[1]]!r} cannot be written so: {error}") from None

    return _PLACE.sub(value, word)
