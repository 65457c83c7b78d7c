"""Directories that tasks have written into: emptied and removed whatever they did to them."""

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


def write_over(path: str, data: bytes) -> None:
    """Give a file, made if it is not there, this content. Not by truncating it to nothing first: some file systems
    write a file at once to the device when that was done, which costs more than starting a task.
    """
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        done = os.write(file, data)
        while done < len(data):  # a disk that fills up takes a part, and says so only when asked again
            done += os.write(file, data[done:])
        if os.fstat(file).st_size > len(data):
            os.ftruncate(file, len(data))
    finally:
        os.close(file)


def empty(folder: str) -> None:
    """Remove everything in a directory, not following links. Raises OSError for what cannot be removed."""
    with os.scandir(folder) as entries:
        children = list(entries)
    for child in children:
        if child.is_dir(follow_symlinks=False):
            remove(child.path)
        else:
            os.unlink(child.path)


def remove(folder: str) -> None:
    """Remove a directory and everything in it, though it may be read-only; nothing if it is not there."""
    try:
        os.chmod(folder, 0o700)
        empty(folder)
        os.rmdir(folder)
    except FileNotFoundError:
        return


def no_space(error: OSError) -> bool:
    """Whether a device or a quota is full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def describe(error: OSError, place: str) -> str:
    """An error of the system in words, with the place it concerns."""
    if no_space(error):
        return f"no space left on the device holding {place}"
    return f"{error.strerror or error}: {error.filename or place}"
