"""Who is storing something that no row names yet: each holds a lock, so that garbage collection can tell.

A session is a shared lock on `writers.lock`. `turn_over` puts a fresh file in its place: whoever began before holds the
old one, and when nobody does any more, everything that was begun before has ended. The kernel lets go of the locks of a
process that dies.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from penstock.model.errors import NotWritable

LOCK = "writers.lock"
#: Locks of sessions that began before garbage was condemned: `writers.lock.<nanoseconds>`.
OLDER = f"{LOCK}."
#: Held by who collects garbage.
COLLECTING = "gc.lock"
#: How often `alone` looks whether it is, in seconds.
LOOK = 0.02


class Sessions:
    """The sessions of all processes on one object store; `directory` is where its locks are."""

    def __init__(self, directory: Path, *, writable: bool = True) -> None:
        self._directory = directory
        self._writable = writable
        self._path = directory / LOCK

    def begin(self) -> int:
        """Begin a session; returns what `os.close` ends. Waits while somebody is `alone`. Raises NotWritable."""
        if not self._writable:
            raise NotWritable.here(self._directory.parent)
        while True:
            lock = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(lock, fcntl.LOCK_SH)
            if self._current(lock):
                return lock
            os.close(lock)

    @contextlib.contextmanager
    def session(self) -> Iterator[None]:
        """What is stored inside is named by a row at the end."""
        lock = self.begin()
        try:
            yield
        finally:
            os.close(lock)

    def turn_over(self) -> None:
        """Tell those who begin from now on from those before."""
        with contextlib.suppress(FileNotFoundError):  # nobody ever began
            os.rename(self._path, self._directory / f"{OLDER}{time.time_ns()}-{os.urandom(4).hex()}")

    def older(self) -> bool:
        """Whether anybody is left who began before the last time that `turn_over` was called."""
        return not all(self._clear(path) for path in self._directory.glob(f"{OLDER}*"))

    @contextlib.contextmanager
    def alone(self, seconds: float) -> Iterator[bool]:
        """Nobody else is in a session while inside; yields False if some did not end within so many seconds."""
        deadline = time.monotonic() + seconds
        while True:
            lock = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                mine = _try(lock) and self._current(lock) and not self.older()
                if mine or time.monotonic() > deadline:
                    yield mine
                    return
            finally:
                os.close(lock)
            time.sleep(LOOK)

    @contextlib.contextmanager
    def collecting(self) -> Iterator[bool]:
        """Be the only one who collects garbage while inside; yields whether that is so. Raises NotWritable."""
        if not self._writable:
            raise NotWritable.here(self._directory.parent)
        lock = os.open(self._directory / COLLECTING, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            yield _try(lock)
        finally:
            os.close(lock)

    def _current(self, lock: int) -> bool:
        """Whether an open lock is the one that everybody uses."""
        try:
            return os.path.samestat(os.stat(self._path), os.fstat(lock))
        except FileNotFoundError:
            return False

    @staticmethod
    def _clear(path: Path) -> bool:
        """Remove an older lock that nobody holds; whether that was so."""
        try:
            lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        try:
            if free := _try(lock):
                path.unlink(missing_ok=True)
            return free
        finally:
            os.close(lock)


def _try(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
