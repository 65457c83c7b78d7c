"""Directories and files that tasks find, as they were left to them or not; and what the system refuses, in words."""

from __future__ import annotations

import errno
import os

#: The time given to a directory that is as we left it (ns): any new, removed or renamed name in it changes that.
STAMP = 1_000_000_000_000_000_000


def stamp(folder: str) -> None:
    """Mark a directory as it is now as untouched."""
    os.utime(folder, ns=(STAMP, STAMP))


def untouched(folder: str) -> bool:
    """Whether no name was added to, removed from or renamed in a stamped directory."""
    return os.stat(folder).st_mtime_ns == STAMP


class Rewritten:
    """A small file that gets one content after the other, kept open between them.

    Not by truncating it to nothing first: some file systems then write a file to the device at once, which costs more
    than starting a task.
    """

    def __init__(self) -> None:
        self._file = -1
        self._size = 0

    def write(self, path: str, data: bytes) -> None:
        """Give the file this content; it is made at `path` if this is the first. Raises OSError."""
        if self._file < 0:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
            self._size = os.fstat(self._file).st_size
        done = os.pwrite(self._file, data, 0)
        while done < len(data):  # a disk that fills up takes a part, and says so only when asked again
            done += os.pwrite(self._file, data[done:], done)
        if len(data) < self._size:
            os.ftruncate(self._file, len(data))
        self._size = len(data)

    def close(self) -> None:
        """Let go of the file: the next content makes a new one."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def no_space(error: OSError) -> bool:
    """Whether a device or a quota is full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def describe(error: OSError, place: str) -> str:
    """An error of the system in words, with the place it concerns."""
    if no_space(error):
        return f"no space left on the device holding {place}"
    return f"{error.strerror or error}: {error.filename or place}"
