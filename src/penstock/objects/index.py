"""The local index blob -> place in a pack: an SQLite file that several processes share, and that may get lost."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple, TypeVar

from penstock.objects.packs import Row

T = TypeVar("T")

VERSION = 1
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_DISK = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
    sqlite3.SQLITE_READONLY: errno.EROFS,
}


def _kind(error: sqlite3.DatabaseError) -> int:
    """SQLite's primary error code; misuse of the module itself has none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


class Place(NamedTuple):
    """Where a record lies. `stored < raw` means compressed. Sizes in bytes."""

    pack: str
    start: int
    stored: int
    raw: int


@cache
def _sql() -> dict[str, str]:
    text = (Path(__file__).parent / "sql/index.sql").read_text()
    blocks = (block.partition("\n") for block in text.split("-- name: ")[1:])
    return {name.strip(): body for name, _, body in blocks}


class Index:
    """Questions and additions. A damaged file is replaced by an empty one; who asks then reads the packs again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._names: dict[int, str] = {}
        self._find = _sql()["find"]
        try:
            self._db = self._open() if path.exists() else self._replace()
        except sqlite3.DatabaseError as error:
            self._db = self._recover(error)

    def find(self, blob: bytes) -> Place | None:
        """The place of a blob, None if no known pack has it."""
        return self._run(lambda db: self._place(db, blob))

    def packs(self) -> set[str]:
        """The names of the packs that were added."""
        return set(self._run(self._load_names).values())

    def knows(self, pack: str) -> bool:
        """Whether a pack was added."""
        return self._run(lambda db: db.execute(_sql()["pack_number"], (pack,)).fetchone() is not None)

    def mend(self) -> None:
        """Read the whole file, and begin an empty one if it is damaged."""

        def work(db: sqlite3.Connection) -> None:
            (found,) = db.execute("pragma quick_check(1)").fetchone()
            if found != "ok":
                error = sqlite3.DatabaseError(found)
                error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
                raise error

        self._run(work)

    def add(self, pack: str, rows: Iterable[Row]) -> None:
        """Add a pack and its rows in one transaction."""
        ordered = sorted(rows)

        def work(db: sqlite3.Connection) -> None:
            db.execute("begin immediate")
            try:
                db.execute(_sql()["add_pack"], (pack,))
                (number,) = db.execute(_sql()["pack_number"], (pack,)).fetchone()
                db.executemany(
                    _sql()["add_blob"], ((blob, number, start, stored, raw) for blob, start, stored, raw in ordered)
                )
                db.execute("commit")
            except BaseException:
                if db.in_transaction:
                    db.execute("rollback")
                raise

        self._run(work)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def _place(self, db: sqlite3.Connection, blob: bytes) -> Place | None:
        row = db.execute(self._find, (blob,)).fetchone()
        if row is None:
            return None
        number, start, stored, raw = row
        name = self._names.get(number) or self._load_names(db)[number]
        return Place(name, start, stored, raw)

    def _load_names(self, db: sqlite3.Connection) -> dict[int, str]:
        self._names = dict(db.execute(_sql()["packs"]).fetchall())
        return self._names

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._lock:
            try:
                return work(self._db)
            except sqlite3.DatabaseError as error:
                if _kind(error) in _DAMAGED:
                    self._db.close()
                self._db = self._recover(error)
                return work(self._db)

    def _recover(self, error: sqlite3.DatabaseError) -> sqlite3.Connection:
        """A new index in place of a damaged one. What the disk refuses is raised as OSError, all else as it is."""
        kind = _kind(error)
        if kind in _DAMAGED:
            return self._replace()
        if kind in _DISK:
            raise OSError(_DISK[kind], os.strerror(_DISK[kind]), os.fspath(self._path)) from error
        raise error

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, timeout=60, isolation_level=None, check_same_thread=False)
        try:
            # A power cut may take the last additions back: they are found again in the footers.
            db.execute("pragma synchronous = normal")
            db.execute("pragma journal_mode = wal")
            if db.execute("pragma user_version").fetchone()[0] != VERSION:
                db.execute("begin immediate")
                db.execute(_sql()["make_pack"])
                db.execute(_sql()["make_blob"])
                db.execute(f"pragma user_version = {VERSION}")
                db.execute("commit")
            db.execute(_sql()["packs"])
        except BaseException:
            db.close()
            raise
        self._names = {}
        return db

    def _replace(self) -> sqlite3.Connection:
        """Put an empty index where none is, or a damaged one. One process does it, the others find it done."""
        with open(f"{self._path}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                # A log that is left of a deleted file must not flow into the new one.
                db = self._open() if self._path.exists() else None
                if db and db.execute("pragma quick_check(1)").fetchone()[0] == "ok":
                    return db
                if db:
                    db.close()
            except sqlite3.DatabaseError as error:
                if _kind(error) not in _DAMAGED:
                    raise
            for end in ("", "-wal", "-shm"):
                Path(f"{self._path}{end}").unlink(missing_ok=True)
            return self._open()
