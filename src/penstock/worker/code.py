"""Frozen code on disk: one read-only layout per tree of code, in which publishing steps run.

Whoever may write anywhere (root) can write into a read-only directory too, by accident: there each slot has a layout of
its own, so that a stray file can be told, blamed on the one task that made it, and removed with the layout. Everybody
else is stopped by the permissions and shares one layout with all workers of this machine since it started (what was
written before a power cut may not be whole).
"""

from __future__ import annotations

import os
from collections.abc import Callable

from penstock.worker.files import remove

#: Python puts these beside the modules it imports. They say nothing about the task.
_CACHES = {"__pycache__"}
#: What `lstat` says of a file: mode, inode, size, times. Empty for a directory.
Look = tuple[int, ...]


class Code:
    """Layouts of frozen code. `lay_out(root, folder)` writes a tree of code read-only into a new folder."""

    def __init__(self, work: str, own: str, lay_out: Callable[[bytes, str], object], private: bool) -> None:
        self._lay_out = lay_out
        self._private = private
        self._own = own
        self._shared = os.path.join(work, "code", boot())
        self._known: dict[str, dict[str, Look]] = {}  # layout -> its files and directories as they were laid out

    def place(self, root: bytes, who: str | int) -> str:
        """The directory with the code `root` for a slot or a process, laid out if missing. Raises what that raises."""
        name = root.hex()
        folder = os.path.join(self._own, f"code-{who}", name) if self._private else os.path.join(self._shared, name)
        if folder not in self._known:
            if not os.path.isdir(folder):
                self._make(root, folder)
            self._known[folder] = _looks(folder) if self._private else {}
        return folder

    def _make(self, root: bytes, folder: str) -> None:
        passing = f"{folder}.{os.getpid()}"
        remove(passing)
        os.makedirs(passing)
        try:
            self._lay_out(root, passing)
            os.rename(passing, folder)
        except BaseException:
            remove(passing)
            if not os.path.isdir(folder):  # another worker may have been quicker
                raise

    def strays(self, folder: str) -> list[str]:
        """What appeared in, changed in, or vanished from a layout since it was made. One with any is removed."""
        before = self._known.get(folder)
        if not before:
            return []
        now = _looks(folder)
        found = sorted(
            os.path.relpath(path, folder) for path in before.keys() | now.keys() if before.get(path) != now.get(path)
        )
        if found:
            del self._known[folder]
            remove(folder)
        return found


def _looks(folder: str) -> dict[str, Look]:
    """Every file of a layout with what changes when it is written or replaced; of directories, that they are."""
    found: dict[str, Look] = {}
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _CACHES]
        found |= dict.fromkeys((os.path.join(place, name) for name in folders), ())
        for name in files:
            path = os.path.join(place, name)
            seen = os.lstat(path)
            found[path] = (seen.st_mode, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)
    return found


def boot() -> str:
    """A name of the time since this machine started."""
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()
