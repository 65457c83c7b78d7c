"""What a load asks of a database: seven verbs, on PostgreSQL and on SQLite. One connection is one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from penstock.model.errors import Refused, Unreachable, UsageError

if TYPE_CHECKING:
    import sqlite3

    from psycopg import Cursor

#: Seconds to wait for a connection, or for a lock that somebody else holds.
PATIENCE = 20


class Database(Protocol):
    """Tables by name, `schema.table` where there are schemas. Columns made here hold text."""

    def columns(self, table: str) -> list[str] | None:
        """The names of a table's columns, None if there is no such table; nobody else writes to it until the end."""

    def create(self, table: str, columns: Sequence[str]) -> None: ...

    def forget(self, table: str, column: str, prefix: str) -> None:
        """Delete the rows whose column begins with a prefix."""

    def has(self, table: str, column: str, value: str) -> bool: ...

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None: ...


def connect(url: str, project: Path) -> AbstractContextManager[Database]:
    """A transaction, which ends with the block: all or nothing. Raises UsageError, Refused, Unreachable."""
    if url.startswith("sqlite:///"):
        return _sqlite(project / url.removeprefix("sqlite:///"))
    return _postgres(url)


def quoted(name: str) -> str:
    """A name as SQL takes it, whatever is in it.

    >>> quoted('a"b')
    '"a""b"'
    """
    return '"' + name.replace('"', '""') + '"'


def _table(name: str) -> str:
    return ".".join(quoted(part) for part in name.split("."))


def _list(names: Iterable[str]) -> str:
    return ", ".join(quoted(name) for name in names)


@contextmanager
def _sqlite(path: Path) -> Iterator[Database]:
    import sqlite3

    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        opened = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
    except sqlite3.Error as error:
        raise Refused(f"cannot be opened: {error}") from None
    try:
        opened.execute("begin immediate")
        yield Sqlite(opened)
        opened.execute("commit")
    except sqlite3.OperationalError as error:
        raise Unreachable(str(error)) from None
    except sqlite3.Error as error:
        raise Refused(str(error)) from None
    finally:
        opened.close()  # what was not committed is undone


class Sqlite:
    """A file of SQLite."""

    def __init__(self, opened: sqlite3.Connection) -> None:
        self._opened = opened

    def columns(self, table: str) -> list[str] | None:
        if "." in table:
            raise Refused(f"table {table}: SQLite has no schemas; name the table alone")
        return [row[1] for row in self._opened.execute(f"pragma table_info({quoted(table)})")] or None

    def create(self, table: str, columns: Sequence[str]) -> None:
        self._opened.execute(f"create table {_table(table)} ({', '.join(f'{quoted(name)} text' for name in columns)})")

    def forget(self, table: str, column: str, prefix: str) -> None:
        begins = f"substr({quoted(column)}, 1, ?) = ?"
        self._opened.execute(f"delete from {_table(table)} where {begins}", (len(prefix), prefix))

    def has(self, table: str, column: str, value: str) -> bool:
        found = self._opened.execute(f"select 1 from {_table(table)} where {quoted(column)} = ? limit 1", (value,))
        return found.fetchone() is not None

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        marks = ", ".join("?" * len(columns))
        self._opened.executemany(f"insert into {_table(table)} ({_list(columns)}) values ({marks})", rows)


@contextmanager
def _postgres(url: str) -> Iterator[Database]:
    try:
        import psycopg
    except ModuleNotFoundError:
        raise UsageError("needs the extra `postgres`; run: pip install 'penstock[postgres]'") from None
    try:
        # Leaving the block commits; an error undoes.
        with psycopg.connect(url, connect_timeout=PATIENCE, application_name="penstock") as opened:
            yield Postgres(opened.cursor())
    except psycopg.OperationalError as error:
        raise Unreachable(str(error)) from None
    except psycopg.Error as error:
        raise Refused(str(error)) from None


class Postgres:
    """A database of a PostgreSQL server. Who connects, and by which password, libpq finds (PGUSER, ~/.pgpass)."""

    def __init__(self, cursor: Cursor[Any]) -> None:
        self._cursor = cursor

    def columns(self, table: str) -> list[str] | None:
        known = self._cursor.execute("select to_regclass(%s)", (_table(table),)).fetchone()
        if known is None or known[0] is None:
            return None
        self._cursor.execute(f"lock table {_table(table)} in share row exclusive mode".encode())
        self._cursor.execute(f"select * from {_table(table)} limit 0".encode())
        return [column.name for column in self._cursor.description or ()]

    def create(self, table: str, columns: Sequence[str]) -> None:
        made = ", ".join(f"{quoted(name)} text" for name in columns)
        self._cursor.execute(f"create table {_table(table)} ({made})".encode())

    def forget(self, table: str, column: str, prefix: str) -> None:
        query = f"delete from {_table(table)} where starts_with({_percent(column)}, %s)"
        self._cursor.execute(query.encode(), (prefix,))

    def has(self, table: str, column: str, value: str) -> bool:
        query = f"select 1 from {_table(table)} where {_percent(column)} = %s limit 1"
        return self._cursor.execute(query.encode(), (value,)).fetchone() is not None

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        with self._cursor.copy(f"copy {_table(table)} ({_list(columns)}) from stdin".encode()) as copy:
            for row in rows:
                copy.write_row(row)


def _percent(name: str) -> str:
    """A quoted name in a query that has parameters."""
    return quoted(name).replace("%", "%%")
