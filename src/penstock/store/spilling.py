"""A mapping of texts that holds few of them in memory, however many it has."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, MutableMapping

from penstock.store.queries import queries

#: How many entries are held in memory; beyond them all go to a file that nobody sees.
HELD = 50_000


class Spilling(MutableMapping[str, str]):
    """Text to text. Nothing survives it: the file is SQLite's own temporary one, gone when this is.

    >>> many = Spilling(held=2)
    >>> many.update({"a": "1", "b": "2", "c": "3"})
    >>> many["a"], many.get("d"), len(many)
    ('1', None, 3)
    """

    def __init__(self, held: int = HELD) -> None:
        self._held = held
        self._few: dict[str, str] = {}
        self._file: sqlite3.Connection | None = None

    def __getitem__(self, key: str) -> str:
        found = self._few.get(key)
        if found is None and self._file is not None:
            row = self._file.execute(_sql("get"), (key,)).fetchone()
            found = row[0] if row else None
        if found is None:
            raise KeyError(key)
        return found

    def get(self, key: str, default: str | None = None) -> str | None:  # type: ignore[override]
        """Asked for each path a task writes, most of which are not there."""
        if self._file is None:
            return self._few.get(key, default)
        return super().get(key, default)

    def __setitem__(self, key: str, value: str) -> None:
        self._few[key] = value
        if len(self._few) > self._held:
            self._spill()

    def _spill(self) -> None:
        if self._file is None:
            self._file = sqlite3.connect("", isolation_level=None)
            self._file.execute("pragma journal_mode = off")
            self._file.execute(_sql("make"))
        self._file.execute("begin")
        self._file.executemany(_sql("put"), sorted(self._few.items()))
        self._file.execute("commit")
        self._few.clear()

    def __delitem__(self, key: str) -> None:
        raise TypeError("what was claimed stays so")

    def __iter__(self) -> Iterator[str]:
        yield from self._few
        if self._file is not None:
            yield from (key for (key,) in self._file.execute(_sql("keys")) if key not in self._few)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _sql(name: str) -> str:
    return queries("spilling.sql")[name]
