"""What the kernel tells of directories: which names in them were opened, and which were changed (inotify)."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator

#: A directory was opened or changed, and not a file.
IS_DIRECTORY = 0x40000000
#: More happened than the kernel keeps; what it was is lost.
OVERFLOW = 0x4000
OPENED = 0x20
CAME = 0x80 | 0x100  #: was moved here, or made
WENT = 0x40 | 0x200  #: was moved away, or removed
#: Was written, may have been written, or has another mode.
WRITTEN = 0x2 | 0x8 | 0x4

_ONLY_DIRECTORIES = 0x01000000
_FOLLOW_NO_LINK = 0x02000000
_MASK = OPENED | CAME | WENT | WRITTEN | _ONLY_DIRECTORIES | _FOLLOW_NO_LINK
_EVENT = struct.Struct("iIII")
_READ = 1 << 16


class Inotify:
    """Watches of directories. What happens in one, not below, is kept by the kernel until `events` asks."""

    def __init__(self) -> None:
        """Raises OSError where the system lets nobody watch any more."""
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._file = _checked(self._libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK))

    def add(self, directory: str) -> int:
        """Watch a directory; the number by which `events` names it. Raises OSError."""
        return _checked(self._libc.inotify_add_watch(self._file, os.fsencode(directory), _MASK))

    def remove(self, watch: int) -> None:
        """Watch a directory no more; one that is gone is not watched anyway."""
        self._libc.inotify_rm_watch(self._file, watch)

    def events(self) -> Iterator[tuple[int, int, str]]:
        """What happened since the last time: number of the directory, a mask, a name in it ("": itself)."""
        while True:
            try:
                data = os.read(self._file, _READ)
            except BlockingIOError:
                return
            at = 0
            while at < len(data):
                watch, mask, _, length = _EVENT.unpack_from(data, at)
                at += _EVENT.size
                yield watch, mask, os.fsdecode(data[at : at + length].rstrip(b"\0"))
                at += length

    def close(self) -> None:
        os.close(self._file)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
