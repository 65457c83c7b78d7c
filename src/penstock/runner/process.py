"""Local processes: one posix_spawn each, one poll for all of them, nobody left behind.

A command is the leader of a session, so there is no terminal it could ask on and be stopped for, and of the process
group of the same number, which it cannot leave. Its pidfd becomes readable when it ends; until it is waited for, its
number cannot be given to another process, so the group is killed at that moment and never somebody else's.

A *reaper* (a process that exists to run commands: a worker) also becomes the parent of what its commands orphan. Then
whatever outlives a command must show up among our own children: one read of the kernel's list of them, a microsecond
when there is nothing, tells whether a command left anything, even in another group or session.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Collection
from typing import TYPE_CHECKING

from penstock.model.errors import BadCommand
from penstock.runner.base import Ended, Launch, Usage, View
from penstock.runner.command import find, refusal
from penstock.runner.usage import measure

if TYPE_CHECKING:
    import resource

    from penstock.runner.cgroup import Group, Groups

#: Signals that Python or a worker ignores; ignoring is inherited, so a command gets the default back.
_DEFAULTS = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGPIPE, signal.SIGXFSZ)
#: Seconds to wait for a killed process to be gone. One that stays longer hangs in the kernel.
_STUBBORN = 2.0
_PR_SET_CHILD_SUBREAPER = 36


class Processes:
    """A `Runner` of local processes. A reaper takes in orphans: one per process, in its main thread.

    A launch with a `cwd` changes the current directory of this process, so its owner must be single-threaded; one
    without leaves it alone.
    """

    def __init__(self, reaper: bool = False) -> None:
        self._live: dict[int, tuple[int, str]] = {}  # handle (pid) -> pidfd, PENSTOCK_ATTEMPT
        self._leaders: dict[int, int] = {}  # pidfd -> handle
        self._events = select.poll()
        self._closed = False
        self._watched: tuple[int, ...] = ()
        self._children = -1
        self._owners: dict[int, frozenset[int]] = {}  # orphan -> launches it may belong to
        self._stuck: set[int] = set()  # killed, and not gone in time
        self._groups: Groups | None = None  # where memory can be limited, once that was asked for
        self._looked = False
        self._group_of: dict[int, Group] = {}  # handle -> its group
        if reaper:
            _become_reaper(True)
            self._children = os.open(f"/proc/self/task/{os.getpid()}/children", os.O_RDONLY | os.O_CLOEXEC)

    def start(self, launch: Launch) -> int:
        """See `Runner.start`. Costs microseconds beside the spawn itself."""
        group = self._group(launch.memory) if launch.memory else None
        try:
            pid = self._spawn(launch)
        except BadCommand:
            if group is not None:
                group.close()
            raise
        if group is not None:
            group.add(pid)
        try:
            descriptor = os.pidfd_open(pid)
        except OSError as error:  # out of descriptors: it must not run unwatched
            _signal_group(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            if group is not None:
                group.close()
            raise BadCommand(f"command {launch.argv[0]!r} cannot be watched: {error.strerror}") from error
        if group is not None:
            self._group_of[pid] = group
        self._live[pid] = descriptor, launch.env.get("PENSTOCK_ATTEMPT", "")
        self._leaders[descriptor] = pid
        self._events.register(descriptor, select.POLLIN)
        return pid

    def _group(self, memory: int) -> Group | None:
        """A group in which the kernel limits memory, where it lets us."""
        if not self._looked:
            from penstock.runner.cgroup import Groups

            self._groups, self._looked = Groups.here(), True
        return self._groups.make(memory) if self._groups is not None else None

    def _spawn(self, launch: Launch) -> int:
        actions = [
            (os.POSIX_SPAWN_DUP2, launch.stdin, 0),
            (os.POSIX_SPAWN_DUP2, launch.stdout, 1),
            (os.POSIX_SPAWN_DUP2, launch.stderr, 2),
        ]
        if launch.answers is not None:
            actions.append((os.POSIX_SPAWN_DUP2, launch.answers, 3))
        try:
            if launch.cwd is not None:
                os.chdir(launch.cwd)
            program = find(launch.argv[0], launch.env) if launch.argv else None
            if program is None:
                raise refusal(launch, None)
            if launch.view is not None:
                return _fork(program, launch, launch.view)
            return os.posix_spawn(
                program,
                launch.argv,
                launch.env,
                file_actions=actions,
                setsid=True,
                setsigmask=(),
                setsigdef=_DEFAULTS,
            )
        except (OSError, ValueError) as error:
            raise refusal(launch, error) from error

    def poll(self, timeout: float | None, watch: Collection[int] = ()) -> tuple[list[Ended], list[int]]:
        """See `Runner.poll`."""
        if tuple(watch) != self._watched:
            self._watch(tuple(watch))
        over, readable = [], []
        for descriptor, _ in self._events.poll(None if timeout is None else timeout * 1000):
            handle = self._leaders.get(descriptor)
            if handle is None:
                readable.append(descriptor)
            else:
                over.append(handle)
        waited = [(handle, *self._wait(handle)) for handle in over]
        survivors = self._end_orphans() if self._children >= 0 else 0
        return [self._ended(handle, status, usage, survivors) for handle, status, usage in waited], readable

    def _ended(self, handle: int, status: int, usage: resource.struct_rusage, survivors: int) -> Ended:
        """What is told of a command that ended; its group is not needed any more."""
        group, starved = self._group_of.pop(handle, None), False
        if group is not None:
            starved = group.passed
            group.close()
        return Ended(
            handle,
            os.waitstatus_to_exitcode(status),
            cpu_seconds=usage.ru_utime + usage.ru_stime,
            peak_memory=_counted(usage.ru_maxrss << 10, group),
            survivors=survivors,
            starved=starved,
        )

    def _watch(self, watch: tuple[int, ...]) -> None:
        # Made anew, and no epoll set: a descriptor that its owner closed may be another one's by now, even a pidfd, and
        # an epoll set would go on to tell of the old one while a command just started has a copy of it.
        self._events = select.poll()
        for descriptor in (*self._leaders, *watch):
            self._events.register(descriptor, select.POLLIN)
        self._watched = watch

    def _wait(self, handle: int) -> tuple[int, resource.struct_rusage]:
        """Kill what is left of the group of a leader that ended, and take the leader's exit status."""
        _signal_group(handle, signal.SIGKILL)
        _, status, usage = os.wait4(handle, 0)
        descriptor, _ = self._live.pop(handle)
        del self._leaders[descriptor]
        self._events.unregister(descriptor)
        os.close(descriptor)
        return status, usage

    def measure(self, handle: int, afresh: bool = False) -> Usage:
        """See `Runner.measure`."""
        if handle not in self._live:
            return Usage()
        used, group = measure(handle, afresh), self._group_of.get(handle)
        return Usage(used.cpu_seconds, _counted(used.memory, group), _counted(used.peak, group))

    def stop(self, handle: int, kill: bool) -> None:
        """See `Runner.stop`. Signals the whole process group."""
        if handle in self._live:
            _signal_group(handle, signal.SIGKILL if kill else signal.SIGTERM)

    def close(self) -> None:
        """See `Runner.close`."""
        if self._closed:
            return
        self._closed = True
        for handle in self._live:
            _signal_group(handle, signal.SIGKILL)
        deadline = time.monotonic() + _STUBBORN
        while self._live and time.monotonic() < deadline:
            self.poll(deadline - time.monotonic())
        for descriptor in self._leaders:
            os.close(descriptor)
        self._live.clear()
        self._leaders.clear()
        if self._children >= 0:
            self._end_orphans()
            os.close(self._children)
            _become_reaper(False)

    # orphans -----------------------------------------------------------------------------------------------------

    def _end_orphans(self) -> int:
        """Kill every child that no living launch can claim, wait until they are gone, return how many there were."""
        count = 0
        while (data := self._read_children()).count(b" ") != len(self._live):
            strays = [pid for pid in map(int, data.split()) if pid not in self._live and not self._reaped(pid)]
            doomed = [pid for pid in strays if not self._claimed(pid)]
            if not doomed:
                break
            count += len(doomed)
            _kill_and_wait(doomed)
            # Their own children are ours now, so look again; what did not go is not looked at again.
            self._stuck.update(pid for pid in doomed if not self._reaped(pid))
        return count

    def _read_children(self) -> bytes:
        """The process number of every child of ours, each followed by a space."""
        data = chunk = os.pread(self._children, 65536, 0)
        while len(chunk) > 4000:  # the kernel answers in pages; a short one was the last
            chunk = os.pread(self._children, 65536, len(data))
            data += chunk
        return data

    def _reaped(self, pid: int) -> bool:
        """Whether this orphan is dead; if so it is forgotten."""
        if os.waitpid(pid, os.WNOHANG)[0] == 0:
            return False
        self._owners.pop(pid, None)
        self._stuck.discard(pid)
        return True

    def _claimed(self, pid: int) -> bool:
        """Whether an orphan belongs, or may belong, to a command that still runs (or cannot be killed)."""
        if pid not in self._owners:
            attempt = _attempt_of(pid)
            owners = frozenset(handle for handle, (_, name) in self._live.items() if name == attempt)
            # Without a readable name it may be any that runs now, so it lives until all of these are over.
            self._owners[pid] = owners if attempt else frozenset(self._live)
        return pid in self._stuck or not self._owners[pid].isdisjoint(self._live)


def _counted(used: int, group: Group | None) -> int:
    """Bytes as whoever enforces the limit counts them: in a group that is the kernel, which leaves out what a command
    shares with others.
    """
    return used if group is None else min(used, group.limit)


def _fork(program: str, launch: Launch, view: View) -> int:
    """Start a command in a view of its own, which `posix_spawn` cannot. Raises OSError, BadCommand."""
    told, tell = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            view.namespace.enter(view.places)
            os.chdir(launch.cwd or "/")
            for number in _DEFAULTS:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            for target, source in enumerate((launch.stdin, launch.stdout, launch.stderr, launch.answers)):
                if source is not None:
                    os.dup2(source, target)
            os.execve(program, launch.argv, dict(launch.env))
        except BaseException as error:
            os.write(tell, f"{getattr(error, 'errno', None) or 0} {error}".encode(errors="replace"))
        os._exit(127)
    os.close(tell)
    code, _, trouble = os.read(told, 4096).decode(errors="replace").partition(" ")
    os.close(told)
    if not code:
        return pid
    os.waitpid(pid, 0)
    if code == "0":
        raise BadCommand(f"command {launch.argv[0]!r} cannot be started: {trouble}")
    raise OSError(int(code), os.strerror(int(code)))


def _signal_group(group: int, number: signal.Signals) -> None:
    """Signal a process group. One that became another user's (`sudo`) cannot be; its leader decides when it ends."""
    with contextlib.suppress(PermissionError):
        os.killpg(group, number)


def _kill_and_wait(pids: list[int]) -> None:
    """Kill children of ours and wait, not for ever, until they have ended (they stay to be reaped)."""
    waiting, left = select.poll(), set()
    descriptors = [os.pidfd_open(pid) for pid in pids]
    for descriptor in descriptors:
        with contextlib.suppress(PermissionError):  # another user's by now: it will count as stuck
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            waiting.register(descriptor, select.POLLIN)
            left.add(descriptor)
    deadline = time.monotonic() + _STUBBORN
    while left and (rest := deadline - time.monotonic()) > 0:
        for descriptor, _ in waiting.poll(rest * 1000):
            waiting.unregister(descriptor)
            left.discard(descriptor)
    for descriptor in descriptors:
        os.close(descriptor)


def _attempt_of(pid: int) -> str:
    """PENSTOCK_ATTEMPT in the environment a process was started with, "" if it has none or may not be read."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            words = file.read().split(b"\0")
    except OSError:
        return ""
    return next((word[17:].decode(errors="replace") for word in words if word.startswith(b"PENSTOCK_ATTEMPT=")), "")


def _become_reaper(on: bool) -> None:
    """Have the orphans of our descendants become our children (or no longer)."""
    import ctypes

    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, int(on), 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"cannot become the parent of orphans: {os.strerror(code)}")
