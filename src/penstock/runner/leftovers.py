"""What an engine that died without a word left running on this host: found by its environment, ended, counted."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Sequence

from penstock.model.errors import PenstockError

#: Seconds that killed processes get to be gone.
_PATIENCE = 10.0


def end_leftovers(project: str, grace: float = 1.0, worker: str | None = None) -> int:
    """End every process on this host with `PENSTOCK_PROJECT=<project>` in its environment; return how many there were.

    With `worker` only those with `PENSTOCK_WORKER=<worker>` too: one worker that died, and its tasks. If it is one of a
    site, whose node may be this host, they have `<project>@<worker>`. Each gets SIGTERM and, after `grace` seconds,
    SIGKILL. Not counted: this process and those it descends from (a command of a task may run Penstock itself),
    zombies, and processes of other users, which we could not end.
    Raises PenstockError if one does not go: then the work it does may still change what we would hand out again.
    """
    wanted = [_marks(PENSTOCK_PROJECT=project)]
    if worker is not None:
        names = (project, f"{project}@{worker}")
        wanted = [_marks(PENSTOCK_PROJECT=name, PENSTOCK_WORKER=worker) for name in names]
    ours = _ancestors()
    found = _open(wanted, ours)
    count = len(found)
    _signal(found, signal.SIGTERM)
    _wait(found, grace)
    deadline = time.monotonic() + _PATIENCE
    # One may have started another between our look and its end, so look until there is none.
    while found := _open(wanted, ours):
        _signal(found, signal.SIGKILL)
        _wait(found, deadline - time.monotonic())
        if time.monotonic() > deadline:
            raise PenstockError(
                f"process {min(found)} of an earlier engine of this project does not end; end it, then try again"
            )
    return count


def attempt_around(project: str) -> str | None:
    """The attempt of a project that this process is a part of, however deep in it; None outside of all."""
    for variables in (dict(os.environ), *map(_environment, _ancestors())):
        attempt = variables.get("PENSTOCK_ATTEMPT")
        if attempt is not None and variables.get("PENSTOCK_PROJECT", "").partition("@")[0] == project:
            return attempt
    return None


def _environment(pid: int) -> dict[str, str]:
    """What a process was started with; nothing of one that is gone, or another user's."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            words = file.read().split(b"\0")
    except OSError:
        return {}
    return dict(os.fsdecode(word).partition("=")[::2] for word in words)


def _marks(**variables: str) -> set[bytes]:
    return {os.fsencode(f"{name}={value}") for name, value in variables.items()}


def _ancestors() -> set[int]:
    """This process and those above it."""
    pids, pid = set(), os.getpid()
    while pid > 0 and pid not in pids:
        pids.add(pid)
        pid = _parent(pid)
    return pids


def _parent(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except OSError:
        return 0


def _open(wanted: Sequence[set[bytes]], ours: set[int]) -> dict[int, int]:
    """The processes that carry one of these sets of variables: process number -> pidfd."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) not in ours and _carries(name, wanted):
            try:
                descriptor = os.pidfd_open(int(name))
            except ProcessLookupError:
                continue
            # The number may have passed to another process between the two looks.
            if _carries(name, wanted):
                found[int(name)] = descriptor
            else:
                os.close(descriptor)
    return found


def _carries(name: str, wanted: Sequence[set[bytes]]) -> bool:
    """Whether a process was started with one of these sets of variables. A zombie has no environment any more."""
    try:
        with open(f"/proc/{name}/environ", "rb") as file:
            there = set(file.read().split(b"\0"))
            return any(marks <= there for marks in wanted)
    except OSError:
        return False  # gone, or another user's


def _signal(found: dict[int, int], number: signal.Signals) -> None:
    for descriptor in found.values():
        try:
            signal.pidfd_send_signal(descriptor, number)
        except ProcessLookupError:
            continue  # it ended by itself


def _wait(found: dict[int, int], seconds: float) -> None:
    """Wait until all have ended, at most `seconds`; gives the descriptors back."""
    waiting = select.poll()
    for descriptor in found.values():
        waiting.register(descriptor, select.POLLIN)
    left, deadline = set(found.values()), time.monotonic() + seconds
    while left and (rest := deadline - time.monotonic()) > 0:
        for descriptor, _ in waiting.poll(rest * 1000):
            waiting.unregister(descriptor)
            left.discard(descriptor)
    for descriptor in found.values():
        os.close(descriptor)
