"""Reading what attempts printed: spans of append-only files below `.penstock/logs`."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from penstock.model.errors import NotFound
from penstock.model.paths import check_path


def read(logs: Path, file: str, offset: int, length: int) -> bytes:
    """Bytes [offset, offset + length) of the log `file`, fewer where it ends. No link is followed.

    Raises NotFound if there is no such file, BadPath if the name leads elsewhere.
    """
    *directories, name = check_path(file).split("/")
    here = -1
    try:
        here = os.open(logs, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        for directory in directories:
            here = _step(here, directory, os.O_DIRECTORY)
        here = _step(here, name, os.O_NONBLOCK)
        pieces = []
        while length > 0 and (piece := os.pread(here, length, offset)):
            pieces.append(piece)
            offset += len(piece)
            length -= len(piece)
        return b"".join(pieces)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            raise
        raise NotFound(f"log {logs / file} is not there; it may have been cleared away") from None
    finally:
        if here >= 0:
            os.close(here)


def _step(above: int, name: str, flags: int) -> int:
    """Open a name in an open directory, which is closed unless that fails."""
    here = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | flags, dir_fd=above)
    os.close(above)
    return here
