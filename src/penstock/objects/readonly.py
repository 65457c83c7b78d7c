"""The index of a store that may only be read."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TypeVar

from penstock.objects.index import VERSION, Index, make_tables, schema_of

T = TypeVar("T")


class ReadOnlyIndex(Index):
    """Nothing is written to the file; what it lacks is learned in memory, all of it if there is no file of use."""

    _in_memory = False

    def _open(self) -> sqlite3.Connection:
        # The second where the log of the file can be neither read nor made. What that had is in the footers too.
        for how in ("mode=ro", "immutable=1"):
            db = sqlite3.connect(
                f"{self._path.absolute().as_uri()}?{how}", uri=True, isolation_level=None, check_same_thread=False
            )
            try:
                if schema_of(db) == VERSION:
                    self._names = {}
                    self._load_names(db)
                    return db
            except sqlite3.DatabaseError:
                # Damaged or out of reach: made from the footers, as if it were lost.
                db.close()
                continue
            db.close()
            break
        return self._replace()

    def _replace(self) -> sqlite3.Connection:
        db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        make_tables(db)
        self._names, self._in_memory = {}, True
        return db

    def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._lock:
            if not self._in_memory:
                db = self._replace()
                self._db.backup(db)
                self._db.close()
                self._db = db
        return super()._write(work)
