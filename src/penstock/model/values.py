"""Which values parameters and user data may have: what every part that they pass can write and read again."""

from __future__ import annotations

import math
from typing import Any

#: The integers that 64 bits hold, with or without a sign.
SMALLEST, LARGEST = -(1 << 63), (1 << 64) - 1
#: How many lists and mappings may lie within each other.
DEPTH = 100


def why_not(value: Any, depth: int = DEPTH) -> str | None:
    """Why a value cannot be kept; None if it can.

    >>> why_not([1, {"a": None}]), why_not(1 << 64)
    (None, '18446744073709551616 has more than 64 bits; write it in quotes')
    >>> why_not(["\\ud800"])
    "'\\\\ud800' is no text: half a surrogate pair"
    """
    if type(value) is int:
        if SMALLEST <= value <= LARGEST:
            return None
        # One with thousands of digits cannot even be shown.
        shown = str(value) if value.bit_length() < 200 else f"a whole number of {value.bit_length()} bits"
        return f"{shown} has more than 64 bits; write it in quotes"
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value} is no number that JSON can hold; write it in quotes"
    if isinstance(value, str):
        return None if value.isascii() or _is_text(value) else f"{ascii(value[:40])} is no text: half a surrogate pair"
    if isinstance(value, list | tuple | dict):
        if not depth:
            return f"more than {DEPTH} lists and mappings lie within each other"
        inner = value if not isinstance(value, dict) else [*value, *value.values()]
        return next((why for item in inner if (why := why_not(item, depth - 1)) is not None), None)
    return None


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
