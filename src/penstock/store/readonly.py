"""The store of a project that may only be read."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any, NoReturn

from penstock.model.errors import Conflict, Corrupt, NewerFormat, NotWritable
from penstock.store.queries import migrations
from penstock.store.sqlite import Noun, SqliteStore


class ReadOnlyStore(SqliteStore):
    """Rows of a file that is left as it is; a transaction is refused.

    SQLite's log beside the file (`-wal`) is read where it can be. Else `blind` is true if there is one: what was
    written last may be missing.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = str(path)
        self.blind = False
        self._found: tuple[object, ...] | None = None  #: the files as they were, where nobody may write meanwhile
        try:
            self._db = self._connect("mode=ro")
        except sqlite3.OperationalError:
            # There is no log, or none that can be locked here: the file alone is read.
            self._found = self._files()
            self.blind = self._found[1] is not None
            try:
                self._db = self._connect("immutable=1")
            except sqlite3.OperationalError as error:
                raise NotWritable(f"{self.path}: {error}; is it readable?") from error
        except sqlite3.DatabaseError as error:
            raise Corrupt(f"{self.path}: {error}; put back a copy of it, or start a new project") from error
        self._version = self._data_version()

    def _connect(self, how: str) -> sqlite3.Connection:
        place = Path(self.path).absolute().as_uri()
        self._db = sqlite3.connect(f"{place}?{how}", uri=True, isolation_level=None, check_same_thread=False)
        try:
            have, newest = self._schema(), migrations()[-1][0]
        except BaseException:
            self._db.close()
            raise
        if have == newest:
            return self._db
        self._db.close()
        if have > newest:
            raise NewerFormat(f"{self.path}: schema {have} is newer than this Penstock knows ({newest}); upgrade it")
        raise NotWritable(
            f"{self.path}: schema {have} is of an earlier Penstock; use the project once where it can be written"
        )

    def fetch(self, query: str, /, **args: Any) -> list[dict[str, Any]]:
        found = super().fetch(query, **args)
        self._check()
        return found

    def load(self, noun: type[Noun], query: str, /, **args: Any) -> list[Noun]:
        found = super().load(noun, query, **args)
        self._check()
        return found

    def transaction(self, *, durable: bool = False) -> NoReturn:
        raise NotWritable.here(Path(self.path).parent)

    def _check(self) -> None:
        """Without a log to lock, rows are those of one moment only if nobody wrote since the file was opened."""
        if self._found is not None and self._found != self._files():
            raise Conflict(f"{self.path}: somebody wrote to it meanwhile; ask again")

    def _files(self) -> tuple[object, ...]:
        return tuple(_state(f"{self.path}{end}") for end in ("", "-wal"))


def _state(path: str) -> tuple[int, int, int] | None:
    """What tells a file that was written to; None if there are no bytes in it."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return (found.st_ino, found.st_size, found.st_mtime_ns) if found.st_size else None
