"""Files put where people work: written beside their place and moved into it when they are whole, or not at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from penstock.model.errors import AlreadyExists
from penstock.objects.deep import remove

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def land(destination: Path, *, replace: bool = False) -> Iterator[Path]:
    """A fresh path for the block to make a file or a directory at; it becomes `destination` when the block ends well.

    A directory flows into one that is there: what it does not have stays, and no link inside is followed. With
    `replace` files give way to files. An exception removes what was made, the directories above `destination` too.
    Raises AlreadyExists before anything is moved.
    """
    home = destination if destination.is_dir() else destination.parent
    made = [above for above in (home, *home.parents) if not above.exists()]
    home.mkdir(parents=True, exist_ok=True)
    fresh = home / f".penstock-{os.getpid()}-{os.urandom(4).hex()}"
    try:
        yield fresh
        if fresh.is_symlink() or not fresh.is_dir():
            _move_file(fresh, destination, replace)
        elif os.path.lexists(destination):
            _merge(fresh, destination, replace)
        else:
            os.rename(fresh, destination)
    except BaseException:
        _remove(fresh)
        with suppress(OSError):  # somebody else has put something there meanwhile
            for above in made:
                above.rmdir()
        raise
    _remove(fresh)


def _move_file(source: Path, target: Path, replace: bool) -> None:
    if os.path.lexists(target) and (not replace or (target.is_dir() and not target.is_symlink())):
        raise AlreadyExists(f"{target}: exists already; remove it or name another destination")
    os.replace(source, target)


def _merge(source: Path, target: Path, replace: bool) -> None:
    here, there = os.open(source, _DIRECTORY), os.open(target, _DIRECTORY & ~os.O_NOFOLLOW)
    try:
        # All is looked at before anything moves.
        for path in list(_moves(here, there, target, replace)):
            os.replace(path, path, src_dir_fd=here, dst_dir_fd=there)
    finally:
        os.close(here)
        os.close(there)


def _moves(here: int, there: int, target: Path, replace: bool) -> Iterator[str]:
    """What to move, as paths that are the same on both sides: a directory whole where nothing has its name."""
    pending = [""]
    while pending:
        within = pending.pop()
        for name, directory in _names(here, within):
            path = within + name
            try:
                mode = os.lstat(path, dir_fd=there).st_mode
            except FileNotFoundError:
                yield path
                continue
            if directory and stat.S_ISDIR(mode):
                pending.append(f"{path}/")
            elif directory or stat.S_ISDIR(mode) or not replace:
                raise AlreadyExists(f"{target / path}: exists already; remove it or name another destination")
            else:
                yield path


def _names(top: int, within: str) -> list[tuple[str, bool]]:
    opened = os.open(within or ".", _DIRECTORY, dir_fd=top)
    try:
        with os.scandir(opened) as items:
            return [(item.name, item.is_dir(follow_symlinks=False)) for item in items]
    finally:
        os.close(opened)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        remove(path)
    else:
        path.unlink(missing_ok=True)
