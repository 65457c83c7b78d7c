"""A database that is left as it is. That it can be on read-only file systems is shown by the commands' own test."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from penstock.model.errors import Conflict, Corrupt, NotWritable
from penstock.model.run import Repo
from penstock.store.readonly import ReadOnlyStore
from penstock.store.sqlite import SqliteStore


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "state.db"
    SqliteStore(path).close()
    return path


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where SQLite's log can be neither read nor made."""
    connect = ReadOnlyStore._connect

    def refuse(self: ReadOnlyStore, how: str) -> sqlite3.Connection:
        if how == "mode=ro":
            raise sqlite3.OperationalError("unable to open database file")
        return connect(self, how)

    monkeypatch.setattr(ReadOnlyStore, "_connect", refuse)


def test_a_transaction_is_refused(database: Path) -> None:
    store = ReadOnlyStore(database)
    with pytest.raises(NotWritable, match="no permission to write here"), store.transaction():
        raise AssertionError("inside")
    assert store.fetch("repos") == []
    store.close()


def test_what_others_write_is_seen(database: Path) -> None:
    other, store = SqliteStore(database), ReadOnlyStore(database)
    assert not store.changed()
    with other.transaction():
        other.insert([Repo(0, "default", "me", "r", None, "main", 1)])
    assert store.changed() and len(store.fetch("repos")) == 1
    store.close()
    other.close()


def test_without_its_log_rows_are_of_one_moment_or_refused(database: Path, alone: None) -> None:
    store = ReadOnlyStore(database)
    assert store.fetch("repos") == [] and not store.blind
    other = SqliteStore(database)
    with other.transaction():
        other.insert([Repo(0, "default", "me", "r", None, "main", 1)])
    with pytest.raises(Conflict, match="somebody wrote to it meanwhile; ask again"):
        store.fetch("repos")
    # Opened now, it lacks what is in the log, and knows it.
    late = ReadOnlyStore(database)
    assert late.blind
    for one in (store, late, other):
        one.close()


def test_what_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"no database at all, but long enough" * 100)
    with pytest.raises(Corrupt, match="state.db: file is not a database"):
        ReadOnlyStore(tmp_path / "state.db")
