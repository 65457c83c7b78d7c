"""Frozen code on disk: one read-only layout per tree of code, in which publishing steps run.

Whoever may write anywhere (root) can write into a read-only directory too, by accident: there each slot has a layout of
its own, so that a stray file can be told, blamed on the one task that made it, and removed with the layout. Everybody
else is stopped by the permissions and shares one layout with all workers of this machine since it started (what was
written before a power cut may not be whole).
"""

from __future__ import annotations

import os
from collections.abc import Callable

from penstock.worker.files import STAMP, remove, stamp

#: Python puts these beside the modules it imports. They say nothing about the task.
_CACHES = {"__pycache__"}


class Code:
    """Layouts of frozen code. `lay_out(root, folder)` writes a tree of code read-only into a new folder."""

    def __init__(self, work: str, own: str, lay_out: Callable[[bytes, str], object], private: bool) -> None:
        self._lay_out = lay_out
        self._private = private
        self._own = own
        self._shared = os.path.join(work, "code", _boot())
        self._known: dict[str, dict[str, frozenset[str]]] = {}  # layout -> its directories -> names in them

    def place(self, root: bytes, slot: int) -> str:
        """The directory with the code `root` for a slot; laid out if it is not there. Raises what the layout raises."""
        name = root.hex()
        folder = os.path.join(self._own, f"code-{slot}", name) if self._private else os.path.join(self._shared, name)
        if folder not in self._known:
            if not os.path.isdir(folder):
                self._make(root, folder)
            self._known[folder] = _stamped(folder) if self._private else {}
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
        """The names that appeared in, or vanished from, a layout since it was made. One with any is removed."""
        found = []
        for place, names in self._known.get(folder, {}).items():
            try:
                if os.stat(place).st_mtime_ns == STAMP:
                    continue
                now = set(os.listdir(place)) - _CACHES
                stamp(place)
            except FileNotFoundError:
                now = set()
            found += [os.path.relpath(os.path.join(place, name), folder) for name in sorted(now ^ names)]
        if found:
            del self._known[folder]
            remove(folder)
        return found


def _stamped(folder: str) -> dict[str, frozenset[str]]:
    """Stamp every directory of a layout and note what it holds."""
    found = {}
    for place, folders, files in os.walk(folder):
        stamp(place)
        found[place] = frozenset(folders + files) - _CACHES
    return found


def _boot() -> str:
    """A name of the time since this machine started."""
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()
