"""Directories that tasks wrote, however deep: made, emptied and removed without a path longer than the system takes."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from itertools import count

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove(directory: str | os.PathLike[str]) -> None:
    """Remove a directory and everything in it, though it may be read-only; nothing if it is not there. A link is
    removed, not followed. Raises OSError for what cannot be removed.
    """
    try:
        if not stat.S_ISDIR(os.lstat(directory).st_mode):
            os.unlink(directory)
            return
        os.chmod(directory, 0o700)
        empty(directory)
        os.rmdir(directory)
    except FileNotFoundError:
        return


def empty(directory: str | os.PathLike[str]) -> None:
    """Remove everything in a directory, following no link. Raises OSError for what cannot be removed.

    What is in directories below is moved up into this one, so that nothing in it ever lies deeper than it can be named.
    """
    top = os.open(directory, _OPEN)
    try:
        mark, numbers = os.urandom(8).hex(), count()
        pending = list(_clear(top))
        while pending:
            name = pending.pop()
            here = os.open(name, _OPEN, dir_fd=top)
            try:
                for below in _clear(here):
                    raised = f".{mark}-{next(numbers)}"
                    os.rename(below, raised, src_dir_fd=here, dst_dir_fd=top)
                    pending.append(raised)
            finally:
                os.close(here)
            os.rmdir(name, dir_fd=top)
    finally:
        os.close(top)


def _clear(here: int) -> Iterator[str]:
    """Remove what is no directory from an open one; the names of the others, which may be written to now."""
    with os.scandir(here) as items:
        names = [(item.name, item.is_dir(follow_symlinks=False)) for item in items]
    for name, directory in names:
        if directory:
            os.chmod(name, 0o700, dir_fd=here)
            yield name
        else:
            os.unlink(name, dir_fd=here)


def make(directory: str | os.PathLike[str]) -> None:
    """Make a directory with those above it that are missing. Raises OSError."""
    missing = [os.path.abspath(directory)]
    while missing:
        try:
            os.mkdir(missing[-1])
        except FileNotFoundError:
            missing.append(os.path.dirname(missing[-1]))
            continue
        except FileExistsError:
            if not os.path.isdir(missing[-1]):
                raise
        missing.pop()
