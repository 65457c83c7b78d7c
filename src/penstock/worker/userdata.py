"""User data of an attempt: files by the name of each document, as it was given and as the attempt leaves it."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator
from typing import Any

import msgspec

from penstock.model.documents import DOCUMENT
from penstock.model.errors import BadOutput
from penstock.model.values import why_not

#: How many documents an attempt may leave.
MOST = 64
_SUFFIX = ".json"
_NAME = re.compile(r"[\w][\w.-]{0,127}", re.ASCII)


def lay_out(folder: str, data: dict[str, Any]) -> None:
    """Write documents into a new directory."""
    os.mkdir(folder)
    for name, value in data.items():
        with open(os.path.join(folder, name + _SUFFIX), "xb") as file:
            file.write(msgspec.json.encode(value))


def collect(folder: str) -> dict[str, Any]:
    """The documents in a directory; none where there is no such. Raises BadOutput for what is none, OSError."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return {}
    if len(names) > MOST:
        raise BadOutput(f"it left {len(names)} documents of user data; {MOST} are taken at most")
    return dict(_documents(folder, sorted(names)))


def _documents(folder: str, names: list[str]) -> Iterator[tuple[str, Any]]:
    for file_name in names:
        name = file_name.removesuffix(_SUFFIX)
        if name == file_name or not _NAME.fullmatch(name):
            raise BadOutput(f"user data {file_name!r}: expected NAME.json, of letters, digits, _ . and -")
        yield name, _read(os.path.join(folder, file_name), name)


def _read(path: str, name: str) -> Any:
    # Neither a link that leads elsewhere nor a pipe that never ends.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise BadOutput(f"user data {name!r} is no file")
        with open(descriptor, "rb", closefd=False) as file:
            body = file.read(DOCUMENT + 1)
    finally:
        os.close(descriptor)
    if len(body) > DOCUMENT:
        raise BadOutput(f"user data {name!r} has more than {DOCUMENT:,} bytes; keep such data in a file or a repo")
    try:
        value = json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise BadOutput(f"user data {name!r} is no JSON: {error}") from None
    if why := why_not(value):
        raise BadOutput(f"user data {name!r} cannot be kept: {why}")
    return value


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no JSON")
