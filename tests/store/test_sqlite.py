"""The SQLite back end: the suite of all back ends, and what is peculiar to a file."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from penstock.model.errors import Corrupt, NewerFormat, NotWritable, PenstockError
from penstock.model.run import Repo
from penstock.store import sqlite
from penstock.store.base import TABLES
from penstock.store.queries import migrations
from penstock.store.rows import columns, table
from penstock.store.sqlite import SqliteStore
from penstock.testing.rows import fill
from penstock.testing.store import StoreSuite


class TestSqlite(StoreSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[SqliteStore]:
        with closing(SqliteStore(tmp_path / "state.db")) as store:
            yield store

    @pytest.fixture
    def other(self, store: SqliteStore, tmp_path: Path) -> Iterator[SqliteStore]:
        with closing(SqliteStore(tmp_path / "state.db")) as other:
            yield other


def columns_in(path: Path) -> dict[str, list[str]]:
    with closing(sqlite3.connect(path)) as db:
        names = [name for (name,) in db.execute("select name from sqlite_master where type = 'table'")]
        return {name: [row[1] for row in db.execute(f'pragma table_info("{name}")')] for name in names}


def test_the_schema_names_the_fields_of_each_noun_in_order(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "state.db").close()
    made = columns_in(tmp_path / "state.db")
    for noun in TABLES:
        assert tuple(made[table(noun).strip('"')]) == columns(noun)


def test_opening_again_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with closing(SqliteStore(path)) as store:
        fill(store)
        before = store.fetch("repos")
    schema = columns_in(path)
    with closing(SqliteStore(path)) as store:
        assert store.fetch("repos") == before
        assert not store.changed()
    assert columns_in(path) == schema


def test_migrations_follow_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.db"
    with closing(SqliteStore(path)) as store:
        fill(store)
    numbers = [number for number, _ in migrations()]
    assert numbers == list(range(1, len(numbers) + 1))
    newest, later = numbers[-1], [tmp_path / "2.sql", tmp_path / "3.sql"]
    later[0].write_text(
        "-- One; and a comment.\nalter table repo add column note text;\ncreate table extra (a text);\n"
    )
    later[1].write_text("insert into extra values\n  ('a;\nb');\ninsert into extra values ('c');")
    steps = [*migrations(), (newest + 1, later[0]), (newest + 2, later[1])]
    monkeypatch.setattr(sqlite, "migrations", lambda: steps)
    SqliteStore(path).close()
    SqliteStore(path).close()
    SqliteStore(tmp_path / "fresh.db").close()
    for file in (path, tmp_path / "fresh.db"):
        assert columns_in(file)["repo"][-1] == "note"
        with closing(sqlite3.connect(file)) as db:
            assert db.execute("select a from extra").fetchall() == [("a;\nb",), ("c",)]
            assert db.execute("pragma user_version").fetchone() == (newest + 2,)

    monkeypatch.undo()
    with pytest.raises(NewerFormat, match=f"schema {newest + 2} is newer .*{newest}.*upgrade") as caught:
        SqliteStore(path)
    assert "\n" not in str(caught.value)


def test_a_migration_that_fails_leaves_the_schema_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, bad = tmp_path / "state.db", tmp_path / "bad.sql"
    SqliteStore(path).close()
    schema = columns_in(path)
    bad.write_text("create table extra (a text);\ncreate table repo (a text);\n")
    steps = [*migrations(), (99, bad)]
    monkeypatch.setattr(sqlite, "migrations", lambda: steps)
    with pytest.raises(NotWritable, match="already exists"):
        SqliteStore(path)
    monkeypatch.undo()
    assert columns_in(path) == schema
    SqliteStore(path).close()


def test_many_may_make_one_file_at_once(tmp_path: Path) -> None:
    code = (
        "import sys; from penstock.store.sqlite import SqliteStore\n"
        "for line in sys.stdin: SqliteStore(line.strip()).close(); print('open', flush=True)"
    )
    command = [sys.executable, "-c", code]
    openers = [subprocess.Popen(command, stdin=-1, stdout=-1, stderr=-1, text=True) for _ in range(3)]
    try:
        for number in range(8):
            for opener in openers:
                assert opener.stdin is not None
                opener.stdin.write(f"{tmp_path / str(number)}\n")
                opener.stdin.flush()
            for opener in openers:
                assert opener.stdout is not None
                assert opener.stdout.readline() == "open\n", opener.communicate()[1]
    finally:
        for opener in openers:
            opener.communicate()


def test_opening_waits_for_who_is_making_the_file(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    stores: list[SqliteStore] = []
    with closing(sqlite3.connect(path, isolation_level=None)) as maker:
        maker.execute("begin exclusive")
        opener = threading.Thread(target=lambda: stores.append(SqliteStore(path)))
        opener.start()
        opener.join(0.1)
        assert not stores
        maker.execute("commit")
    opener.join()
    assert stores[0].fetch("repos") == []
    stores[0].close()


def test_what_is_told_to_somebody_is_synced(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path / "state.db")) as store:

        def level() -> int:
            return int(store._db.execute("pragma synchronous").fetchone()[0])

        normal, full = 1, 2
        assert level() == normal
        with store.transaction(durable=True):
            assert level() == full
        with store.transaction():
            assert level() == normal
        with pytest.raises(ZeroDivisionError), store.transaction(durable=True):
            raise ZeroDivisionError
        assert level() == normal
        assert store._db.execute("pragma journal_mode").fetchone() == ("wal",)


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.db"
    garbage.write_bytes(b"no database " * 1000)
    with pytest.raises(Corrupt, match="garbage.db: file is not a database"):
        SqliteStore(garbage)
    with pytest.raises(NotWritable, match="missing/state.db"):
        SqliteStore(tmp_path / "missing/state.db")


def test_a_writer_waits_so_long_and_then_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.01)
    path = tmp_path / "state.db"
    with closing(SqliteStore(path)) as one, closing(SqliteStore(path)) as two:
        with one.transaction():
            with pytest.raises(NotWritable, match="locked; nothing was written"), two.transaction():
                pass
        with two.transaction():
            two.insert([Repo(0, "default", "me", "r", None, "main", 1)])
        assert len(one.fetch("repos")) == 1


def test_a_row_without_its_parent_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with closing(SqliteStore(path)) as store:
        fill(store)
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("update task set job = 99 where seq = 1")
        assert list(store.check()) == [f"{path}: row 1 of task refers to a missing job"]


def test_every_refusal_is_one_of_ours(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path / "state.db")) as store:
        with pytest.raises(PenstockError, match="state.db"), store.transaction():
            store.execute("set_head", repo="none", name="main", head=None, created=1)
