"""User data inside a task: files that are read and written where the task stands. No project is opened.

`PENSTOCK_DATA` holds `<name>.json` of what the task was given (the key is the name of what has none), and what it
leaves in `PENSTOCK_DATA_OUT` is taken up when it ends.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from penstock.model.documents import KEY, NEW, check_name, write_body
from penstock.model.errors import BadOutput, NotFound
from penstock.service.resolve import suggestion


class TaskData(Struct, frozen=True):
    """The two directories of a task."""

    given: Path
    left: Path

    def names(self) -> list[str]:
        """What there is, written by this task or given to it, sorted; names are those of files, without `.json`."""
        found = {path.stem for place in (self.given, self.left) if place.is_dir() for path in place.glob("*.json")}
        return sorted(found, key=lambda name: (not KEY.fullmatch(name), len(name) if KEY.fullmatch(name) else 0, name))

    def get(self, name: str) -> Any:
        """A document: as this task wrote it, else as it was given. Raises NotFound, UsageError."""
        if not KEY.fullmatch(name) and not NEW.fullmatch(name):
            check_name(name)
        for place in (self.left, self.given):
            path = place / f"{name}.json"
            if path.is_file():
                return _read(path)
        raise NotFound(f"this task has no user data {name!r}{suggestion(name, self.names())}")

    def put(self, name: str, value: Any) -> None:
        """Leave a document for when the task ends. Raises UsageError, Refused for what is too big."""
        if not KEY.fullmatch(name):
            check_name(name)
        self._write(name, value)

    def add(self, value: Any) -> str:
        """Leave a new document for the task's step; it gets its key when the task ends. The name of its file."""
        number = 1
        while (self.left / f"_{number}.json").exists():
            number += 1
        self._write(f"_{number}", value)
        return f"_{number}"

    def _write(self, name: str, value: Any) -> None:
        body = write_body(value, f"user data {name!r}")
        self.left.mkdir(parents=True, exist_ok=True)
        # Whoever collects it must not see a half.
        fresh = self.left / f".{name}.{os.getpid()}"
        fresh.write_text(body, encoding="utf-8")
        fresh.replace(self.left / f"{name}.json")


def of_task(told: Mapping[str, str]) -> TaskData | None:
    """The user data of the task whose environment this is; None outside a task."""
    given, left = told.get("PENSTOCK_DATA"), told.get("PENSTOCK_DATA_OUT")
    return TaskData(Path(given or ""), Path(left)) if left else None


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadOutput(f"{path}: is no JSON: {error}") from None
