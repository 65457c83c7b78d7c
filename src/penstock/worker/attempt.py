"""One attempt: what is known of it while it runs, and what its end means."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Sequence
from resource import RUSAGE_SELF, getrusage

from msgspec import Struct, field
from msgspec.structs import replace

from penstock.engine.pack import MARGIN
from penstock.engine.retry import next_try
from penstock.model.data import EMPTY
from penstock.model.errors import BadCommand, Corrupt, NotFound, PenstockError
from penstock.model.moves import Outcome, Reason
from penstock.model.wire import Assignment, LogSpan, Recipe, Report, Result, Started, Stats
from penstock.runner.base import Ended, Usage
from penstock.runner.command import without_shell
from penstock.worker.capacity import Asked, Capacity, asked
from penstock.worker.files import describe
from penstock.worker.inplace import Around
from penstock.worker.log import Log
from penstock.worker.serving import Server
from penstock.worker.slot import Slot
from penstock.worker.standing import Standing

#: Seconds after which an attempt that still runs is told, so that people can read what it prints; and between two looks
#: at what it uses.
LONG = 1.0
#: The same for the first attempt of a batch, so that people see that a job has begun; and for one with a limit.
SOON = 0.1
#: The exit code of a container whose first process was killed, as it is for using too much memory.
KILLED = 137
#: How a command ends that was asked to leave: by SIGTERM, or as a shell tells that.
LEFT = (-signal.SIGTERM, 128 + signal.SIGTERM)
#: Ends of a command that its `err_run` may judge.
_RECOVERABLE = {Reason.EXIT, Reason.SIGNAL, Reason.TIMEOUT}
#: How an attempt ended, why if it did not succeed, and one line for people.
Verdict = tuple[Outcome, Reason | None, str]
SUCCESS: Verdict = (Outcome.SUCCEEDED, None, "")


class Unfinished(Struct, eq=False):
    """A batch that is not done: what of it is known and not yet told."""

    id: int
    recipe: Recipe
    environment: dict[str, str]
    left: int  #: attempts without result
    begun: bool = False  #: whether one of them was started
    results: list[Result] = field(default_factory=list)
    running: list[Started] = field(default_factory=list)

    def report(self, packs: tuple[str, ...], back: tuple[str, ...]) -> Report:
        """What is known of it and not yet told; from here on it is."""
        told = Report(self.id, tuple(self.results), packs, back, tuple(self.running))
        self.results.clear()
        self.running.clear()
        return told


class Flight(Struct, eq=False):
    """An attempt in a slot. `started` in UTC microseconds, the other times in seconds of the monotonic clock."""

    batch: Unfinished
    assignment: Assignment
    slot: Slot
    log: Log  #: of its slot, or of the process that serves it
    started: int
    began: float
    folder: str = ""  #: where it runs
    download_bytes: int = 0
    spawned: float = 0.0  #: when its command was started
    alarm: float = math.inf  #: when it has run too long, or had long enough to leave
    last_call: float = math.inf  #: when it has to end because its place does
    ending: Reason | None = None  #: why we ended it, if we did
    notice: float = math.inf  #: when to look at it and tell that it is still running
    told: bool = False  #: whether that was told
    seen: Usage = field(default_factory=Usage)  #: the most that was seen of it while it ran
    server: Server | None = None  #: the process that serves it with others
    answer: str | None = None  #: what that process said: why it failed, "" that it is done
    asked: Asked | None = None  #: what it was given of the worker's capacity, as long as it has it
    gpus: tuple[int, ...] = ()  #: the devices among that
    standing: Standing | None = None  #: its files in place, where it runs in frozen code
    around: Around | None = None  #: what is known of files in place around it
    set_out_at: float = 0.0  #: when its command was started; monotonic seconds
    failure: Failure | None = None  #: how its command failed, while another one decides what that means

    def hold(self, capacity: Capacity) -> None:
        """Take what it asks for."""
        self.asked = asked(self.batch.recipe, self.assignment)
        self.gpus = capacity.take(self.asked)

    def let_go(self, capacity: Capacity) -> None:
        """Give back what it holds, if it does."""
        if self.asked is not None:
            capacity.give_back(self.asked, self.gpus)
            self.asked = None

    def set_out(self, moment: float, ends: float) -> None:
        """Its command was started at this moment, in a place that ends then."""
        timeout = self.timeout
        self.notice = moment + (self.interval if self.batch.begun else SOON)
        self.batch.begun = True
        self.alarm = math.inf if timeout is None else moment + timeout
        self.set_out_at = moment
        self.must_leave(ends)

    def must_leave(self, ends: float) -> None:
        """Its place ends then."""
        recipe = self.batch.recipe
        self.last_call = ends - MARGIN - (recipe.grace if recipe.terminates else 0.0)
        wanted = self.assignment.seconds or recipe.time
        if wanted is not None and self.set_out_at + wanted <= ends - MARGIN:
            self.last_call = max(self.last_call, self.set_out_at + wanted)  # it began because that is left
        self.alarm = min(self.alarm, self.last_call if self.ending is None else ends - MARGIN)

    def why(self, moment: float) -> tuple[Reason, bool]:
        """Why its alarm rings, and whether it is to be killed: it was asked before, or would not know what to do."""
        last = self.last_call <= moment
        kill = self.ending is not None or (last and not self.batch.recipe.terminates)
        return (Reason.WALLTIME if last else Reason.TIMEOUT), kill

    @property
    def interval(self) -> float:
        """Seconds between two looks at what it uses."""
        return SOON if self.memory else LONG

    @property
    def outgrown(self) -> bool:
        """Whether it was seen to use more memory than it may. Of a process that serves many, nobody knows for whom."""
        return 0 < self.memory < self.seen.peak and self.server is None

    @property
    def memory(self) -> int:
        """Bytes it may use; 0: not limited."""
        return self.assignment.memory or self.batch.recipe.memory

    @property
    def timeout(self) -> float | None:
        """Seconds it may take. One that is to have more time than its step says has so much more of this, too."""
        recipe, more = self.batch.recipe, self.assignment.seconds
        if recipe.timeout is None or more is None:
            return recipe.timeout
        return recipe.timeout * more / (recipe.time or recipe.timeout)

    def running(self) -> Started:
        """That it runs, and where its output so far lies."""
        return Started(self.assignment.attempt, self.assignment.token, self.started, self.log.name, self.log.offset)

    def look(self, usage: Usage) -> None:
        """Remember what it uses at this moment if that is more than before."""
        seconds, peak = usage.cpu_seconds, usage.memory
        if self.server is not None and self.failure is None:
            seconds -= self.server.before.cpu_seconds
            peak = max(peak, usage.peak)  # counted since it was given this attempt
        self.seen = Usage(max(self.seen.cpu_seconds, seconds), 0, max(self.seen.peak, peak))

    def stats(self, end: Ended, over: float, uploaded: int, reason: Reason | None) -> Stats:
        """What it cost; its command was over at that moment, and so many bytes of output are stored by now. `reason`
        tells whether it broke its limit of memory; the number says the same.
        """
        used = self.used(end)
        peak = used.peak
        if self.memory:
            peak = max(peak, self.memory) if reason == Reason.MEMORY else min(peak, self.memory)
        return Stats(
            download_bytes=self.download_bytes,
            upload_bytes=uploaded,
            download_seconds=self.spawned - self.began,
            process_seconds=over - self.spawned,
            upload_seconds=time.monotonic() - over,
            cpu_seconds=used.cpu_seconds,
            peak_memory=peak,
        )

    def second(self, verdict: Verdict, exit_code: int) -> tuple[tuple[str, ...], bool]:
        """What is started, if anything, in its place when it failed: `between` two tries, or `err_run` after the last
        one; and whether it was the last.
        """
        recipe, (outcome, reason, _) = self.batch.recipe, verdict
        if self.failure is not None:
            return (), False
        rule = next_try(recipe.retry, self.assignment.tries + 1, outcome, reason, exit_code)
        if rule is not None:
            return rule.between, False
        return (recipe.err_argv if reason in _RECOVERABLE else ()), True

    def used(self, end: Ended) -> Usage:
        """What it used, all in all: by its commands' own account, or what was seen of them."""
        ends = [end] if self.failure is None else [self.failure.end, end]
        seconds = sum(item.cpu_seconds for item in ends)
        if self.server is not None and self.answer is None:
            seconds -= self.server.before.cpu_seconds  # told by its end: of its whole life
        peak = max(item.peak_memory for item in ends)
        return Usage(max(seconds, self.seen.cpu_seconds), 0, max(peak, self.seen.peak))


class Failure(Struct, frozen=True):
    """A command that failed."""

    verdict: Verdict
    end: Ended
    last: bool  #: whether there is no other try


def now() -> int:
    """UTC microseconds."""
    return time.time_ns() // 1000


def result(
    task: Assignment,
    verdict: Verdict,
    started: int,
    exit_code: int | None = None,
    log: LogSpan | None = None,
    stats: Stats | None = None,
    output: tuple[bytes, int] = (EMPTY, 0),
) -> Result:
    """The result of an attempt that is over now; `output` is the root of what it wrote and its number of files."""
    outcome, reason, message = verdict
    return Result(
        task.task,
        task.attempt,
        task.token,
        outcome.value,
        None if reason is None else reason.value,
        exit_code,
        message if message.isprintable() else _printable(message),
        *output,
        started,
        now(),
        log,
        stats or Stats(),
    )


def judge(flight: Flight, end: Ended) -> Verdict:
    """What the end of its command means for an attempt."""
    recipe = flight.batch.recipe
    program = recipe.argv[0]
    if flight.ending == Reason.USER:
        return Outcome.CANCELLED, Reason.USER, "stopped"
    if flight.failure is not None:
        return _judge_recovery(flight, flight.failure, end)
    if flight.ending == Reason.TIMEOUT:
        return Outcome.FAILED, Reason.TIMEOUT, f"{program} took longer than {flight.timeout or 0:g} s"
    if flight.ending == Reason.WALLTIME:
        if recipe.terminates:
            return Outcome.TERMINATED, Reason.WALLTIME, f"{program} was told to leave, its place was about to end"
        return Outcome.FAILED, Reason.WALLTIME, f"{program} was ended, its place was about to end"
    if flight.server is not None:
        return _judge_service(flight, flight.server, end)
    lacked = _lacked_memory(flight, end)
    if lacked:
        return Outcome.FAILED, Reason.MEMORY, f"{program} {lacked}"
    return SUCCESS if end.exit_code in recipe.accept_exit else _judge_exit(recipe.argv, end)


def _lacked_memory(flight: Flight, end: Ended) -> str:
    """How it broke its limit of memory, "" if it did not: whichever of its processes did, and whatever the others then
    made of that.
    """
    limit, used = flight.memory, flight.used(end).peak
    if not limit:
        return ""
    if flight.batch.recipe.container is not None and end.exit_code == KILLED and flight.ending is None:
        return f"was killed in its container, which may use {_mib(limit)}"
    # What the system tells of a command begins at what this process had when it started it.
    known = max(flight.seen.peak, used if used > getrusage(RUSAGE_SELF).ru_maxrss << 10 else 0)
    if known > limit or flight.ending == Reason.MEMORY:
        return f"used {_mib(known or used)} of memory, it asked for {_mib(limit)}"
    return f"needed more memory than the {_mib(limit)} it asked for" if end.starved else ""


def _mib(size: int) -> str:
    return f"{size / (1 << 20):.1f} MiB"


def _judge_recovery(flight: Flight, failure: Failure, end: Ended) -> Verdict:
    """What the end of the command after a failure means: `err_run` may recover the task, `between` only helps."""
    outcome, reason, message = failure.verdict
    if end.exit_code == 0 and flight.ending is None and not end.starved:
        return (Outcome.RECOVERED, reason, message) if failure.last else failure.verdict
    return failure.verdict if failure.last else (outcome, reason, f"{message}; what runs between tries failed, too")


def _judge_service(flight: Flight, server: Server, end: Ended) -> Verdict:
    """What a process that serves many said of this attempt, or its end."""
    program = flight.batch.recipe.argv[0]
    if flight.answer is not None:
        return (Outcome.FAILED, Reason.EXIT, flight.answer) if flight.answer else SUCCESS
    if server.complaint:
        return Outcome.FAILED, Reason.EXIT, f"{program} broke off: {server.complaint}"
    if end.exit_code == 0:
        return Outcome.FAILED, Reason.EXIT, f"{program} ended before it was done with this task"
    return _judge_exit(flight.batch.recipe.argv, end)


def _judge_exit(argv: Sequence[str], end: Ended) -> Verdict:
    if end.exit_code > 0:
        return Outcome.FAILED, Reason.EXIT, f"{argv[0]} ended with exit code {end.exit_code}{without_shell(argv)}"
    if end.exit_code < 0:
        return Outcome.FAILED, Reason.SIGNAL, f"{argv[0]} was killed by {_signal_name(-end.exit_code)}"
    return SUCCESS


def not_started(error: PenstockError | OSError, place: str) -> Verdict:
    """Why an attempt could not be started; `place` is its directory."""
    if isinstance(error, BadCommand):
        return Outcome.FAILED, Reason.COMMAND, str(error)
    if isinstance(error, OSError):
        return Outcome.FAILED, Reason.INPUT, f"its inputs cannot be laid out: {describe(error, place)}"
    if isinstance(error, Corrupt | NotFound):
        return Outcome.FAILED, Reason.INPUT, f"its inputs cannot be read: {error}"
    return Outcome.FAILED, Reason.INPUT, str(error)


def not_kept(error: Exception) -> Verdict:
    """Why what an attempt wrote could not be kept."""
    if isinstance(error, PenstockError):
        return Outcome.FAILED, Reason.OUTPUT, str(error)
    why = describe(error, ".penstock") if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
    return Outcome.FAILED, Reason.OUTPUT, f"its output cannot be stored: {why}"


def without_output(told: Result, error: OSError) -> Result:
    """A result whose output was lost on its way to the disk; one that had none stays as it is."""
    if told.output == EMPTY:
        return told
    outcome, reason, message = not_kept(error)
    return replace(told, outcome=outcome.value, reason=str(reason), message=message, output=EMPTY, files=0)


def few(names: list[str]) -> str:
    """Some names for one line.

    >>> few(["a", "b", "c", "d", "e"])
    "'a', 'b', 'c' and 2 more"
    """
    shown = ", ".join(repr(name) for name in names[:3])
    return shown + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _printable(text: str) -> str:
    """One line that every terminal and every encoding takes, whatever names a task gave its files."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def _signal_name(number: int) -> str:
    try:
        return f"{signal.Signals(number).name} (signal {number})"
    except ValueError:
        return f"signal {number}"
