"""The local index blob -> place in a pack: an SQLite file that several processes share, and that may get lost.

It also remembers what is *condemned*: packs and large blobs that nobody needed when garbage was last looked for. If it
gets lost, garbage only lives longer.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple, TypeVar

from penstock.objects.packs import Row

T = TypeVar("T")

VERSION = 2
#: How many blobs one query asks for at most.
ASKED = 512
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


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("begin immediate")
    try:
        yield
        db.execute("commit")
    except BaseException:
        if db.in_transaction:
            db.execute("rollback")
        raise


def schema_of(db: sqlite3.Connection) -> int:
    """Which version of the tables a file has; 0 if it has none."""
    return int(db.execute("pragma user_version").fetchone()[0])


def make_tables(db: sqlite3.Connection) -> None:
    """Make the tables, unless another process has done so meanwhile."""
    if schema_of(db) != VERSION:
        for statement in _sql()["unmake"].split(";"):
            db.execute(statement)
        for name in ("make_pack", "make_blob", "make_condemned"):
            db.execute(_sql()[name])
        db.execute(f"pragma user_version = {VERSION}")


class Index:
    """Questions and additions. A damaged file is replaced by an empty one; who asks then reads the packs again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._names: dict[int, str] = {}
        self._inode = 0
        self._find = _sql()["find"]
        try:
            self._db = self._open() if path.exists() else self._replace()
        except sqlite3.DatabaseError as error:
            self._db = self._recover(error)

    def find(self, blob: bytes) -> Place | None:
        """The place of a blob, None if no known pack has it."""
        return self._run(lambda db: self._place(db, blob))

    def places(self, blobs: Iterable[bytes]) -> dict[bytes, Place]:
        """The places of those of some blobs that a known pack has; cheaper than to ask for one after the other."""
        wanted = sorted(blobs)

        def work(db: sqlite3.Connection) -> dict[bytes, Place]:
            found: dict[bytes, Place] = {}
            for start in range(0, len(wanted), ASKED):
                some = wanted[start : start + ASKED]
                rows = db.execute(_sql()["find_all"].format(", ".join("?" * len(some))), some)
                found |= {blob: self._named(db, *rest) for blob, *rest in rows}
            return found

        return self._run(work)

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

    def add(self, pack: str, rows: Iterable[Row], there: Callable[[str], bool] | None = None) -> None:
        """Add a pack and its rows in one transaction; nothing if it is not `there`: nobody can drop it meanwhile."""
        ordered = sorted(rows)

        def work(db: sqlite3.Connection) -> None:
            if there is not None and not there(pack):
                return
            db.execute(_sql()["add_pack"], (pack,))
            number = self._number(db, pack)
            db.executemany(_sql()["add_blob"].format(number), ordered)

        self._write(work)

    def rows(self, pack: str) -> list[Row]:
        """What the index knows of a pack, for one whose footer is lost."""
        return self._run(lambda db: db.execute(_sql()["all_blobs"], (self._number(db, pack),)).fetchall())

    def forget(self, pack: str) -> None:
        """Forget a pack whose file is gone."""

        def work(db: sqlite3.Connection) -> None:
            db.execute(_sql()["remove_blobs"], (self._number(db, pack),))
            db.execute(_sql()["remove_pack"], (pack,))

        self._write(work)

    def clear(self) -> None:
        """Forget every pack; who asks then reads them again."""

        def work(db: sqlite3.Connection) -> None:
            db.execute(_sql()["clear_blobs"])
            db.execute(_sql()["clear_packs"])

        self._write(work)

    # What nobody needs.

    def condemn(self, names: Iterable[str]) -> None:
        """Note that nobody needs these packs and large blobs; `date` says since when."""
        rows = [(name,) for name in names]
        self._write(lambda db: db.executemany(_sql()["condemn"], rows))

    def date(self, now: int) -> None:
        """Give what is condemned without a date this one (UTC microseconds)."""
        self._write(lambda db: db.execute(_sql()["date"], (now,)))

    def condemned(self) -> dict[str, int | None]:
        """All names that are condemned, and since when."""
        return dict(self._run(lambda db: db.execute(_sql()["condemned"]).fetchall()))

    def spare(self, name: str) -> None:
        """Somebody needs a name: if it is condemned it is no longer. Afterwards its file stays, or is gone already."""
        if self._run(lambda db: db.execute(_sql()["is_condemned"], (name,)).fetchone()):
            self._write(lambda db: db.execute(_sql()["spare"], (name,)))

    def drop(self, name: str, blobs: Iterable[bytes], delete: Callable[[str], None]) -> bool:
        """Let `delete` remove a name that is condemned, with the blobs found there; False if it has been spared.

        Nobody can spare it meanwhile. If the process dies after `delete`, the name stays condemned, and is dropped next
        time.
        """

        def work(db: sqlite3.Connection) -> bool:
            if not db.execute(_sql()["is_condemned"], (name,)).fetchone():
                return False
            delete(name)
            number = self._number(db, name)
            db.executemany(_sql()["remove_blob"], ((blob, number) for blob in blobs))
            db.execute(_sql()["remove_pack"], (name,))
            db.execute(_sql()["spare"], (name,))
            return True

        return self._write(work)

    def renew(self) -> None:
        """Open the file again if another one has taken its place: what others condemn is written there."""
        try:
            same = os.stat(self._path).st_ino == self._inode
        except FileNotFoundError:
            same = False
        if not same:
            with self._lock:
                self._db.close()
                self._db = self._replace()

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def _place(self, db: sqlite3.Connection, blob: bytes) -> Place | None:
        row = db.execute(self._find, (blob,)).fetchone()
        return None if row is None else self._named(db, *row)

    def _named(self, db: sqlite3.Connection, number: int, start: int, stored: int, raw: int) -> Place:
        return Place(self._names.get(number) or self._load_names(db)[number], start, stored, raw)

    def _load_names(self, db: sqlite3.Connection) -> dict[int, str]:
        self._names = dict(db.execute(_sql()["packs"]).fetchall())
        return self._names

    def _number(self, db: sqlite3.Connection, pack: str) -> int | None:
        row = db.execute(_sql()["pack_number"], (pack,)).fetchone()
        return None if row is None else int(row[0])

    def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """`work` as one transaction."""

        def whole(db: sqlite3.Connection) -> T:
            with _transaction(db):
                return work(db)

        return self._run(whole)

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
            # Ids come in no order, so that a small cache would read every page again and again: 16 MiB, if needed.
            db.execute("pragma cache_size = -16384")
            db.execute("pragma journal_mode = wal")
            if schema_of(db) != VERSION:
                with _transaction(db):
                    make_tables(db)
            db.execute(_sql()["packs"])
        except BaseException:
            db.close()
            raise
        self._names = {}
        self._inode = os.stat(self._path).st_ino
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
