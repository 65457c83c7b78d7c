"""What a document of user data may hold and be called. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

from penstock.model.errors import Refused, UsageError
from penstock.model.values import why_not

#: Bytes that a document may have, as JSON.
DOCUMENT = 1 << 20
#: Digits alone are the key of a document; what begins with `_` is new and has neither name nor key yet.
NAME = re.compile(r"[A-Za-z][\w.-]{0,127}", re.ASCII)
KEY = re.compile(r"[0-9]{1,18}", re.ASCII)
NEW = re.compile(r"_[0-9]{1,9}", re.ASCII)


def check_name(name: str) -> None:
    """Raise UsageError for what no document may be called."""
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be the name of user data: a letter, then letters, digits, _ . and -, 128 at most"
        )


def write_body(value: Any, what: str) -> str:
    """A value as a document keeps it. `what` it is, for messages. Raises UsageError, Refused for one that is too big.

    >>> write_body({"key1": "val1"}, "it")
    '{"key1":"val1"}'
    """
    if why := why_not(value):
        raise UsageError(f"{what}: cannot be kept: {why}")
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        size = len(text.encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"{what}: cannot be kept as JSON: {error}") from None
    if size > DOCUMENT:
        raise Refused(
            f"{what} has {size:,} bytes as JSON, and a document of user data at most {DOCUMENT:,}; "
            "keep such data in a file or a repo, and its place here"
        )
    return text


def read_body(body: str) -> Any:
    """The value of a document; of one that holds nothing yet, None."""
    return json.loads(body) if body else None
