"""Warm checkouts: whole repos that a step read, kept on disk and moved on to the next commit by what differs.

    .penstock/work/warm/<boot>/<step and input>/<root>/

A checkout is in one place at a time: here, or in the slot of the one task that reads it; taking it is a rename. It
comes back only if nothing in it was touched meanwhile: the kernel notes the time of every change of a file, a name or a
mode, and that cannot be set by a task. What was written before a power cut may not be whole, so each start of the
machine begins anew. Nothing here is needed: whatever is in doubt is removed, and laid out as if it had never been.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from hashlib import blake2b

from msgspec import Struct

from penstock.objects.deep import remove

#: Checkouts of fewer files are made anew as quickly.
FEW = 500
#: How many are kept in a project.
MOST = 8
#: The part of the device that must be free for one to be kept.
FREE = 0.1
#: How far, in nanoseconds, the clock of the machine may be set while a task runs before times say nothing any more.
_STEADY = 50_000_000


class Loan(Struct, frozen=True):
    """A checkout that a task reads: where it is, where it belongs, and since when nothing in it may have changed."""

    place: str
    home: str
    root: bytes
    since: int  #: in the file system's time, nanoseconds
    clock: int  #: what the clock that nobody sets said then


class Warm:
    """The warm checkouts of a project on this machine. `work` is the project's directory for what is under way."""

    def __init__(self, work: str, boot: str) -> None:
        self._folder = os.path.join(work, "warm", boot)
        self._marker = os.path.join(self._folder, f".{os.getpid()}")

    def home(self, *names: str) -> str:
        """Where the checkout of an input of a step is kept."""
        return os.path.join(self._folder, blake2b("\0".join(names).encode(), digest_size=16).hexdigest())

    def take(self, home: str, place: str) -> bytes | None:
        """Move the checkout that is kept at `home` to `place`; the root it stands at, None if there is none."""
        try:
            for name in os.listdir(home):
                os.rename(os.path.join(home, name), place)
                return bytes.fromhex(name)
        except OSError:  # there is none, or somebody was quicker
            return None
        return None

    def lend(self, home: str, place: str, root: bytes) -> Loan | None:
        """Begin to watch what was laid out at `place`; None where that cannot be done."""
        try:
            os.makedirs(self._folder, exist_ok=True)
            since = self._later()
        except OSError:
            return None
        return Loan(place, home, root, since, time.monotonic_ns())

    def _later(self) -> int:
        """A time of the file system after that of every change made so far. It moves in steps of milliseconds."""
        first = self._moment()
        while (now := self._moment()) == first:
            time.sleep(0.0005)
        return now

    def _moment(self) -> int:
        descriptor = os.open(self._marker, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.utime(descriptor)
            return os.fstat(descriptor).st_ctime_ns
        finally:
            os.close(descriptor)

    def give_back(self, loan: Loan) -> bool:
        """Keep a checkout nobody changed for the next task; whether it was kept. Else it stays where it is."""
        try:
            passed = time.monotonic_ns() - loan.clock
            if abs(self._moment() - loan.since - passed) > _STEADY or not _untouched(loan.place, loan.since):
                return False
            if not self._room():
                return False
            os.makedirs(loan.home, exist_ok=True)
            for older in os.listdir(loan.home):
                remove(os.path.join(loan.home, older))
            os.rename(loan.place, os.path.join(loan.home, loan.root.hex()))
            os.utime(loan.home)
            self._thin_out()
        except OSError:
            return False
        return True

    def _room(self) -> bool:
        usage = shutil.disk_usage(self._folder)
        return usage.free >= FREE * usage.total

    def _thin_out(self) -> None:
        """Let those go that were not used for longest."""
        homes = [item for item in os.scandir(self._folder) if item.is_dir()]
        homes.sort(key=lambda item: item.stat().st_mtime_ns)
        for home in homes[:-MOST]:
            remove(home.path)

    def close(self) -> None:
        """Remove the marker."""
        if os.path.exists(self._marker):
            os.unlink(self._marker)


def _untouched(folder: str, since: int) -> bool:
    """Whether nothing in a directory was changed, added, removed or renamed since then."""
    return os.lstat(folder).st_ctime_ns < since and all(time < since for time in _times(folder))


def _times(folder: str) -> Iterator[int]:
    todo = [folder]
    while todo:
        with os.scandir(todo.pop()) as entries:
            for entry in entries:
                yield entry.stat(follow_symlinks=False).st_ctime_ns
                if entry.is_dir(follow_symlinks=False):
                    todo.append(entry.path)
