"""Processes that serve many attempts of a job, one after the other, so that an expensive start-up is paid once.

Such a process reads a line of JSON from its standard input for each attempt, and answers with one on descriptor 3 when
it is done with it:

    {"task": "…", "attempt": "…", "in": "/…/in", "out": "/…/out", "params": "/…/params.json"}
    {"attempt": "…"}                        it is done
    {"attempt": "…", "failed": "why"}       it failed, and the process takes the next one

Whatever else it says there, and closing that descriptor, ends it: the attempt it has fails, the next one gets a new
process. The end of its standard input means: leave.
"""

from __future__ import annotations

import fcntl
import math
import os
from collections.abc import Mapping

import msgspec
from msgspec import Struct, field

from penstock.model.wire import Assignment, Recipe
from penstock.runner.base import Launch, Runner, Usage, View
from penstock.runner.namespace import Namespace
from penstock.worker.log import Log
from penstock.worker.slot import Slot

#: Tells a process that it serves many tasks, and where it answers.
VARIABLE = "PENSTOCK_BATCH"
#: Bytes of an answer.
LONGEST = 65536
_READ = 1 << 16
#: Descriptors below may be what a command finds as its own.
_FIRST = 10


class Answer(Struct):
    attempt: str
    failed: str | None = None


class Server(Struct, eq=False):
    """A process that serves attempts of one job."""

    job: tuple[str, str]
    log: Log
    folder: str  #: where it runs
    namespace: Namespace | None
    requests: int = -1
    answers: int = -1
    handle: int = 0
    served: int = 0
    attempt: str | None = None  #: the one it has
    idle_until: float = math.inf  #: when it leaves if nothing comes; monotonic seconds
    before: Usage = field(default_factory=Usage)
    silent: bool = False  #: it will not answer any more; most often because it is about to end
    complaint: str = ""  #: why it is being ended
    _buffer: bytearray = field(default_factory=bytearray)

    def start(self, runner: Runner, argv: tuple[str, ...], env: Mapping[str, str], recipe: Recipe) -> None:
        """Start the process; raises BadCommand, OSError."""
        theirs, self.requests = os.pipe2(os.O_CLOEXEC)
        self.answers, low = os.pipe2(os.O_CLOEXEC)
        high = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, _FIRST)
        try:
            sink = self.log.sink
            view = View(self.namespace, {}) if self.namespace is not None else None
            full = {**env, VARIABLE: "3"}
            launch = Launch(argv, full, self.folder, theirs, sink, sink, recipe.cpus, answers=high, view=view)
            self.handle = runner.start(launch)
        finally:
            for descriptor in (theirs, low, high):
                os.close(descriptor)
        os.set_blocking(self.requests, False)
        os.set_blocking(self.answers, False)

    def give(self, runner: Runner, assignment: Assignment, slot: Slot) -> None:
        """Hand over an attempt whose slot is ready. Raises PenstockError where it cannot see it."""
        if self.namespace is not None:
            self.namespace.point(slot.places())
        self.before = runner.measure(self.handle, afresh=True)
        self.attempt, self.served, self.idle_until = assignment.attempt, self.served + 1, math.inf
        paths = {"in": slot.input, "out": slot.output, "params": slot.variables["PENSTOCK_PARAMS"]}
        line = msgspec.json.encode({"task": assignment.task, "attempt": assignment.attempt, **paths}) + b"\n"
        try:
            complete = os.write(self.requests, line) == len(line)
        except BlockingIOError:
            complete = False
        except BrokenPipeError:
            return  # it has ended, which the runner is about to tell
        if not complete:
            self.complain(runner, "it does not read its tasks")

    def hear(self, runner: Runner) -> str | None:
        """What it says of the attempt it has: why it failed, "" if it is done, None if nothing yet."""
        try:
            chunk = os.read(self.answers, _READ)
        except BlockingIOError:
            return None
        if not chunk:
            self.silent = True
            return None
        self._buffer += chunk
        line, newline, rest = bytes(self._buffer).partition(b"\n")
        if not newline and len(line) < LONGEST:
            return None
        try:
            answer = msgspec.json.decode(line, type=Answer)
        except msgspec.MsgspecError:
            answer = None
        if answer is None or answer.attempt != self.attempt or rest:
            shown = ascii(bytes(self._buffer[:80]).decode(errors="replace"))
            self.complain(runner, f"it answered {shown}, which is no answer to {self.attempt or 'anything'}")
            return None
        self._buffer.clear()
        return answer.failed or ""

    def complain(self, runner: Runner, what: str) -> None:
        """End a process that breaks the rules; its end is told by the runner."""
        if not self.complaint:
            self.complaint = what
            runner.stop(self.handle, kill=True)

    def hang_up(self) -> None:
        """Let it find the end of its tasks."""
        if self.requests >= 0:
            os.close(self.requests)
            self.requests = -1

    def close(self) -> None:
        """Give back everything; the process has ended, or the runner sees to it."""
        self.hang_up()
        if self.answers >= 0:
            os.close(self.answers)
        if self.namespace is not None:
            self.namespace.close()
        self.log.close()
