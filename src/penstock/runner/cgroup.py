"""Control groups, in which the kernel itself ends what uses more memory than it may. Version 1 and 2.

They are made below the group of this process, where that is allowed: to root, or where the group was delegated. Version
2 wants a group to hold either processes or groups, so there what is in ours moves into one below it first; that is done
only in a group that says it was delegated.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from itertools import count

from penstock.runner.usage import children

#: Seconds that killed processes get to be out of their group.
_PATIENCE = 1.0


class Group:
    """One group: a limit, and whether it was passed."""

    def __init__(self, path: str, limit_file: str, events_file: str, limit: int) -> None:
        self._path = path
        self.limit = limit  #: bytes
        self._events = os.path.join(path, events_file)
        os.mkdir(path)
        try:
            _write(os.path.join(path, limit_file), str(limit))
            for name in ("memory.memsw.limit_in_bytes", "memory.swap.max"):  # else it would be swapped out instead
                with suppress(OSError):
                    _write(os.path.join(path, name), "0" if name.endswith("max") else str(limit))
        except OSError:
            os.rmdir(path)
            raise

    def add(self, pid: int) -> None:
        """Take in a process that was just started, what it has started by now, and all it will."""
        todo = [pid]
        for process in todo:
            with suppress(OSError):  # it has ended
                _write(os.path.join(self._path, "cgroup.procs"), str(process))
                todo += children(process)

    @property
    def passed(self) -> bool:
        """Whether the kernel ended a process here for want of memory."""
        with suppress(OSError), open(self._events) as file:
            return any(line.startswith("oom_kill ") and int(line.split()[1]) > 0 for line in file)
        return False

    def close(self) -> None:
        """Remove it. What is still in it, and cannot be killed, keeps it there."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                os.rmdir(self._path)
                return
            except OSError:
                if not os.path.exists(self._path) or time.monotonic() > deadline:
                    return
                time.sleep(0.001)


class Groups:
    """Where groups can be made."""

    def __init__(self, base: str, limit_file: str, events_file: str) -> None:
        self._base, self._limit_file, self._events_file = base, limit_file, events_file
        self._numbers = count(1)
        self._sweep()

    def _sweep(self) -> None:
        """Remove what was left by processes that were killed."""
        for name in os.listdir(self._base):
            owner = name.removeprefix("penstock-").partition("-")[0]
            if name.startswith("penstock-") and owner.isdigit() and not os.path.exists(f"/proc/{owner}"):
                with suppress(OSError):  # something of it lives
                    os.rmdir(os.path.join(self._base, name))

    @classmethod
    def here(cls, tree: str = "/sys/fs/cgroup", own: str = "/proc/self/cgroup") -> Groups | None:
        """Below the group of this process; None where nobody lets us."""
        with suppress(OSError, ValueError), open(own) as file:
            paths = {kinds: path for _, kinds, path in (line.rstrip("\n").split(":", 2) for line in file)}
            mine = next((path for kinds, path in paths.items() if "memory" in kinds.split(",")), None)
            if mine is not None:
                return cls._first(os.path.join(tree, "memory"), mine)
            if "" in paths:
                return cls._second(os.path.join(tree, paths[""].lstrip("/")))
        return None

    @classmethod
    def _first(cls, tree: str, mine: str) -> Groups | None:
        base = os.path.join(tree, mine.lstrip("/"))
        base = base if os.path.isdir(base) else tree  # a container sees its own group as the root
        return cls(base, "memory.limit_in_bytes", "memory.oom_control") if os.access(base, os.W_OK) else None

    @classmethod
    def _second(cls, base: str) -> Groups | None:
        with open(os.path.join(base, "cgroup.controllers")) as file:
            if "memory" not in file.read().split() or not os.access(base, os.W_OK):
                return None
        with open(os.path.join(base, "cgroup.subtree_control")) as file:
            ready = "memory" in file.read().split()
        if not ready:
            if not _delegated(base):
                return None
            rest = os.path.join(base, "penstock")
            os.makedirs(rest, exist_ok=True)
            with open(os.path.join(base, "cgroup.procs")) as file:
                for pid in file.read().split():
                    with suppress(OSError):  # it ended meanwhile
                        _write(os.path.join(rest, "cgroup.procs"), pid)
            _write(os.path.join(base, "cgroup.subtree_control"), "+memory")
        return cls(base, "memory.max", "memory.events")

    def make(self, limit: int) -> Group | None:
        """A group for so many bytes; None if the kernel refuses one."""
        path = os.path.join(self._base, f"penstock-{os.getpid()}-{next(self._numbers)}")
        with suppress(OSError):
            return Group(path, self._limit_file, self._events_file, limit)
        return None


def _delegated(base: str) -> bool:
    """Whether who manages groups here gave us this one, as systemd says it."""
    for name in ("user.delegate", "trusted.delegate"):
        with suppress(OSError):
            if os.getxattr(base, name) == b"1":
                return True
    return False


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)
