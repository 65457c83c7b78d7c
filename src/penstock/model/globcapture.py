"""Captures of simple patterns by a regular expression, which is some twenty times as fast as the machine.

Simple is what an expression that may go back in the path cannot be slow on: no repetition inside another, no `!(..)`,
and so few repetitions that the ways to share a path out among them are few. It prefers the same ways as the machine.
"""

from __future__ import annotations

import re

from penstock.model.globsyntax import DIRECTORIES, Capture, Chars, Choice, Part, Repeat, Sequence

#: How many repetitions inside one name, and how many that cross names, an expression may have.
IN_NAME, CROSSING = 3, 1


def expression(tree: Part) -> re.Pattern[str] | None:
    """The expression of a pattern; None if it is not simple."""
    repeats: list[bool] = []  # whether each crosses names
    text = _text(tree, repeats)
    simple = text is not None and sum(repeats) <= CROSSING and len(repeats) <= IN_NAME
    return re.compile(text or "", re.DOTALL) if simple else None


def _text(part: Part, repeats: list[bool]) -> str | None:
    if isinstance(part, Chars):
        return _chars(part)
    if part is DIRECTORIES:  # a repetition inside another, but each round ends at a slash
        repeats.append(True)
        return "(?:[^/]+/)*"
    if isinstance(part, Sequence):
        return _joined([_text(inner, repeats) for inner in part.parts], "")
    if isinstance(part, Choice):
        options = _joined([_text(option, repeats) for option in part.options], "|")
        return None if options is None else f"(?:{options})"
    if isinstance(part, Capture):
        inner = _text(part.inner, repeats)
        return None if inner is None else f"({inner})"
    if isinstance(part, Repeat) and isinstance(part.inner, Chars):
        repeats.append(part.inner.has("/"))
        return _chars(part.inner) + (("*" if part.least == 0 else "+") if part.many else "?")
    return None


def _joined(texts: list[str | None], between: str) -> str | None:
    whole = [text for text in texts if text is not None]
    return between.join(whole) if len(whole) == len(texts) else None


def _chars(part: Chars) -> str:
    if not part.ranges:
        return "." if part.negated else "(?!)"
    inside = "".join(
        re.escape(first) if first == last else f"{re.escape(first)}-{re.escape(last)}" for first, last in part.ranges
    )
    return f"[{'^' if part.negated else ''}{inside}]"
