"""The embedded store: SQLite in WAL mode, one connection, one writer at a time."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from penstock.model.errors import AlreadyExists, Conflict, Corrupt, NewerFormat, NotFound, NotWritable
from penstock.store.base import Change
from penstock.store.queries import migrations, queries
from penstock.store.rows import columns, decoder, encoder, insert_sql, table, update_sql

Noun = TypeVar("Noun")

#: How long a writer waits for another one, in seconds.
BUSY_SECONDS = 30.0

_ROOM = "is the directory writable, with room on its device?"


class SqliteStore:
    """Rows in one file. Opening it brings the schema up to date; a newer schema is refused."""

    def __init__(self, path: Path | str) -> None:
        self.path = str(path)
        try:
            self._db = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        except sqlite3.OperationalError as error:
            raise NotWritable(f"{self.path}: {error}; {_ROOM}") from error
        try:
            self._use_wal()
            self._db.execute("pragma synchronous = normal")
            self._db.execute("pragma foreign_keys = on")
            self._migrate()
            self._version = self._data_version()
        except BaseException as error:
            self._db.close()
            if isinstance(error, sqlite3.OperationalError):
                raise NotWritable(f"{self.path}: {error}; {_ROOM}") from error
            if isinstance(error, sqlite3.DatabaseError):
                raise Corrupt(f"{self.path}: {error}; put back a copy of it, or start a new project") from error
            raise

    def _use_wal(self) -> None:
        """Readers that never wait for a writer. The file remembers it."""
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                self._db.execute("pragma journal_mode = wal")
                return
            except sqlite3.OperationalError as error:
                # Unlike all else, this does not wait for another process that opens a new file as well.
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
            time.sleep(0.005)

    def _migrate(self) -> None:
        known = migrations()
        have, newest = self._schema(), known[-1][0]
        if have > newest:
            raise NewerFormat(f"{self.path}: schema {have} is newer than this Penstock knows ({newest}); upgrade it")
        if have == newest:
            return
        self._db.execute("begin immediate")
        # Asked again: another process may have done the same while this one waited for its turn.
        have = self._schema()
        for number, script in known:
            if number > have:
                for statement in _statements(script.read_text()):
                    self._db.execute(statement)
                self._db.execute(f"pragma user_version = {number}")
        self._db.execute("commit")

    def _schema(self) -> int:
        return int(self._db.execute("pragma user_version").fetchone()[0])

    def _data_version(self) -> int:
        return int(self._db.execute("pragma data_version").fetchone()[0])

    def fetch(self, query: str, /, **args: Any) -> list[dict[str, Any]]:
        cursor = self._db.execute(_query(query), args)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def load(self, noun: type[Noun], query: str, /, **args: Any) -> list[Noun]:
        decode: Callable[[tuple[Any, ...]], Noun] = _decoder(noun)  # type: ignore[arg-type]
        return [decode(row) for row in self._db.execute(_query(query), args)]

    @contextmanager
    def transaction(self, *, durable: bool = False) -> Iterator[None]:
        if durable:
            self._db.execute("pragma synchronous = full")
        try:
            self._db.execute("begin immediate")
            try:
                yield
                self._db.execute("commit")
            except BaseException:
                # A full disk may have rolled the transaction back already.
                if self._db.in_transaction:
                    self._db.execute("rollback")
                raise
        except sqlite3.IntegrityError as error:
            raise AlreadyExists(f"{self.path}: {error}") from error
        except sqlite3.OperationalError as error:
            raise NotWritable(f"{self.path}: {error}; nothing was written") from error
        finally:
            if durable:
                self._db.execute("pragma synchronous = normal")

    def reserve(self, noun: type, count: int) -> int:
        last = self._db.execute(f"select coalesce(max(seq), 0) from {table(noun)}").fetchone()[0]
        return int(last) + 1

    def insert(self, new: Iterable[Any]) -> None:
        self._require_transaction()
        for noun, group in _grouped(new, key=lambda row: (type(row), getattr(row, "seq", 1) == 0)):
            statement, encode = _inserter(*noun)
            self._db.executemany(statement, map(encode, group))

    def update(self, changes: Iterable[Change]) -> None:
        self._require_transaction()
        for (noun,), group in _grouped(changes, key=lambda change: (type(change[1]),)):
            statement, new_values, old_values = _updater(noun)
            cursor = self._db.executemany(statement, (new_values(new) + old_values(old) for old, new in group))
            if cursor.rowcount != len(group):
                missed = len(group) - cursor.rowcount
                raise Conflict(
                    f"{missed} of {len(group)} {noun.__name__.lower()} rows changed meanwhile; nothing was written"
                )

    def execute(self, query: str, /, **args: Any) -> int:
        self._require_transaction()
        return self._db.execute(_query(query), args).rowcount

    def changed(self) -> bool:
        seen, self._version = self._version, self._data_version()
        return seen != self._version

    def check(self) -> Iterator[str]:
        """Every damage of the file, one line each."""
        for (line,) in self._db.execute("pragma integrity_check"):
            if line != "ok":
                yield f"{self.path}: {line}"
        for row in self._db.execute("pragma foreign_key_check"):
            yield f"{self.path}: row {row[1]} of {row[0]} refers to a missing {row[2]}"

    def close(self) -> None:
        self._db.close()

    def _require_transaction(self) -> None:
        if not self._db.in_transaction:
            raise RuntimeError("rows are written inside `with store.transaction()`")


def _statements(script: str) -> Iterator[str]:
    """The statements of a script, one by one, so that they can stand inside a transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _query(name: str) -> str:
    try:
        return queries()[name]
    except KeyError:
        raise NotFound(f"no query named {name!r} in queries.sql") from None


def _grouped(items: Iterable[Any], key: Any) -> list[tuple[Any, list[Any]]]:
    groups: dict[Any, list[Any]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return list(groups.items())


@cache
def _decoder(noun: Hashable) -> Any:
    assert isinstance(noun, type)
    return decoder(noun)


@cache
def _inserter(noun: type, chosen_by_store: bool) -> Any:
    names = tuple(name for name in columns(noun) if not (chosen_by_store and name == "seq"))
    return insert_sql(noun, names), encoder(noun, names)


@cache
def _updater(noun: type) -> Any:
    statement, changing, looked_for = update_sql(noun)
    return statement, encoder(noun, changing), encoder(noun, looked_for)
