"""The values of one parameter of a definition, and how Torc writes them into a text. Pure."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any

from penstock.model.errors import UsageError
from penstock.model.templates import WIDEST
from penstock.text import fields
from penstock.text.nodes import Node

#: How many values a parameter may have, and how many objects one definition may become.
MOST = 1_000_000
_NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?"
_RANGE = re.compile(rf"\s*({_NUMBER})\s*:\s*({_NUMBER})\s*(?::\s*({_NUMBER})\s*)?")
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_FLOAT = re.compile(_NUMBER)
#: A part of a list as text: in quotes, in which commas mean nothing, or up to the next comma.
_PART = re.compile(r"""\s*(?:'([^']*)'\s*|"([^"]*)"\s*|([^,]*))(?:,|\Z)""")
_DIGITS, _PLACES = re.compile(r"0([0-9]{1,9})d"), re.compile(r"\.([0-9]{1,9})f")


def values_of(node: Node, what: str) -> tuple[list[Any], str]:
    """The values of one parameter: a list, `a:b` or `a:b:step` with both ends, a list as text, or one value; and what
    there is to say of it, or "". Raises BadSpec.
    """
    if isinstance(node.value, list):
        found = [_plain(item, what) for item in node.value]
    elif isinstance(node.value, str):
        text = node.value.strip()
        if text.startswith("{") and text.endswith("}") and "," not in text:
            text = text[1:-1].strip()
        if text.startswith("@"):
            node.fail(f"{what}: values in a file of their own are not read; write them as a list")
        if text.startswith("["):
            found = _listed(node, text, what)
        elif ":" in text:
            return _ranged(node, text, what)
        else:
            found = [_read(text)]
    else:
        found = [_plain(node, what)]
    if not found:
        node.fail(f"{what}: the list holds no values")
    return found, ""


def _plain(node: Node, what: str) -> Any:
    """A value that stands in the file as such."""
    if not isinstance(node.value, (str, int, float)):
        node.fail(f"{what}: expected text, a number, true or false as a value, found {fields.found(node)}")
    return node.value


def _listed(node: Node, text: str, what: str) -> list[Any]:
    """The values of a list as text; words need no quotes there."""
    if not text.endswith("]"):
        node.fail(f'{what}: the list "{text[:80]}" has no ] at its end')
    inside, found, place = text[1:-1].strip(), list[Any](), 0
    while place < len(inside):
        match = _PART.match(inside, place)
        assert match is not None, "a word without quotes ends wherever the list or the part does"
        place = match.end()
        quoted, word = match[1] if match[1] is not None else match[2], (match[3] or "").strip()
        if quoted is None and word.startswith(("[", "{")):
            kind = "a list" if word[0] == "[" else "a mapping"
            node.fail(f"{what}: expected text, a number, true or false as a value, found {kind}")
        if quoted is None and (not word or word[0] in "'\""):
            wrong = f"a quote that does not end: {word[:80]}" if word else "nothing between two commas"
            node.fail(f'{what}: the list "{text[:80]}" has {wrong}')
        found.append(_read(word) if quoted is None else quoted)
    return found


def _read(text: str) -> Any:
    """A word without quotes: a whole number, another number, or text.

    >>> [_read(text) for text in ("007", "1e-5", "10.", "red", "1_000")]
    [7, 1e-05, 10.0, 'red', '1_000']
    """
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _ranged(node: Node, text: str, what: str) -> tuple[list[Any], str]:
    match = _RANGE.fullmatch(text)
    if match is None:
        expected = 'expected "first:last" or "first:last:step" of numbers, or a list such as ["a:b"]'
        node.fail(f'{what}: "{text[:80]}" is no range; {expected}')
    parts = [part for part in match.groups() if part is not None]
    start, stop, step = (Decimal(part) for part in (*parts, "1")[:3])
    if not step:
        node.fail(f'{what}: the range "{text[:80]}" has a step of 0')
    count = int((stop - start) / step) + 1 if (stop - start) / step >= 0 else 0
    if not 0 < count <= MOST:
        node.fail(f'{what}: the range "{text[:80]}" holds {"no values" if count < 1 else f"more than {MOST:,}"}')
    note = ""
    if count == 1 and start != stop:
        note = f'{what}: the range "{text[:80]}" holds one value, {parts[0]}: its step leads beyond its end'
    whole = all(map(_WHOLE.fullmatch, parts))
    return [int(start + step * place) if whole else float(start + step * place) for place in range(count)], note


def written(value: Any, how: str) -> str:
    """A value as Torc writes it where `{name:how}` stands: `03d` is for whole numbers and `.2f` for others, and each
    passes over what it is not for. Raises UsageError for another form, which Torc would pass over, too.

    >>> [written(7, "03d"), written(0.5, ".2f"), written(0.00001, ""), written(10.0, ""), written(True, "")]
    ['007', '0.50', '0.00001', '10', 'true']
    >>> [written(0.5, "03d"), written(7, ".2f"), written("x", ".2f")]
    ['0.5', '7', 'x']
    """
    digits, places = _DIGITS.fullmatch(how), _PLACES.fullmatch(how)
    width = next((int(match[1]) for match in (digits, places) if match), 0)
    if width > WIDEST:
        raise UsageError(f"it is wider than {WIDEST:,} characters")
    if how not in ("", "d") and not digits and not places:
        raise UsageError("it cannot be written so; expected a form such as {i:03d} or {x:.2f}")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value:0{width}d}" if digits else str(value)
    if isinstance(value, float):
        return f"{value:.{width}f}" if places else _float(value)
    return str(value)


def _float(value: float) -> str:
    """The fewest digits that are this number, without an exponent."""
    if not math.isfinite(value):
        return str(value)
    text = format(Decimal(repr(value)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
