"""What a command and the processes below it use at this moment, read from `/proc`: microseconds per process."""

from __future__ import annotations

import os

from penstock.runner.base import Usage

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICK = os.sysconf("SC_CLK_TCK")
#: More processes than this are not looked at.
MOST = 1000


def measure(pid: int, afresh: bool) -> Usage:
    """See `Runner.measure`. Processes that end meanwhile are left out."""
    seconds, own, shared = 0.0, 0, 0
    todo = [pid]
    for process in todo:
        try:
            with open(f"/proc/{process}/stat", "rb") as file:
                words = file.read().rpartition(b")")[2].split()
            with open(f"/proc/{process}/statm", "rb") as file:
                _, resident, common, *_ = map(int, file.read().split())
            if len(todo) < MOST:
                todo += children(process)
        except OSError:
            continue
        seconds += sum(map(int, words[11:15])) / _TICK
        own += resident - common
        shared = max(shared, common)
    return Usage(seconds, (own + shared) * _PAGE, _peak(pid, afresh))


def children(pid: int) -> list[int]:
    """What a process has started that is still there. Raises OSError."""
    found: list[int] = []
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
            found += map(int, file.read().split())
    return found


def _peak(pid: int, afresh: bool) -> int:
    """The most one process had in memory."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            found = [line for line in file if line.startswith(b"VmHWM:")]
        if afresh:
            with open(f"/proc/{pid}/clear_refs", "wb") as file:
                file.write(b"5")
    except OSError:
        return 0
    return int(found[0].split()[1]) << 10 if found else 0
