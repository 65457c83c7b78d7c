"""The only place where attempts run: batches in, reports out, as many at once as there are slots.

One thread, one loop: `fill` starts what there is room for, `wait` sleeps until something ends, `reports` tells it. The
life of an attempt is `_start`, then `_finish`; whatever goes wrong in it ends that attempt with a reason and a
sentence, never the worker.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from penstock.engine.pack import MARGIN
from penstock.model.data import EMPTY
from penstock.model.errors import PenstockError
from penstock.model.moves import Outcome, Reason
from penstock.model.wire import Assignment, Batch, LogSpan, Report, Result, Stop
from penstock.runner.base import Ended, Runner
from penstock.worker import looking
from penstock.worker.attempt import (
    LEFT,
    SUCCESS,
    Failure,
    Flight,
    Unfinished,
    judge,
    not_kept,
    not_started,
    now,
    result,
    without_output,
)
from penstock.worker.capacity import Capacity, asked
from penstock.worker.environment import batch_environment
from penstock.worker.inplace import Places
from penstock.worker.launching import Launcher
from penstock.worker.servers import Servers
from penstock.worker.slot import Slot
from penstock.worker.waiting import Entry, Waiting

if TYPE_CHECKING:
    from penstock.worker.code import Code
    from penstock.worker.serving import Server
    from penstock.worker.storage import Storage

#: Seconds that results wait for others before they are told, while there is more to do.
PATIENCE = 0.1


class Executor:
    """Runs as many attempts at once as there are `slots` but one.

    The spare one lets the next attempt start before what the last one left is looked at, collected and put away, so
    that processors do not idle meanwhile. `parts` opens the project's bytes and code when the first task needs them.
    """

    def __init__(
        self,
        slots: list[Slot],
        runner: Runner,
        servers: Servers,
        parts: Callable[[], tuple[Storage, Code]],
        own: Mapping[str, str],
        capacity: Capacity | None = None,
        wanted: Callable[[], bool] = bool,
        project: str = "",
    ) -> None:
        self._slots = slots
        self._free = list(reversed(slots))
        self._capacity = capacity or Capacity(len(slots) - 1)
        self._launcher = Launcher(runner, servers, lambda: self._parts()[1], self._capacity.gpus, project)
        self._logs = {slot.log.source: slot.log for slot in slots}
        self._runner = runner
        self._servers = servers
        self._open_parts = parts
        self._opened: tuple[Storage, Code] | None = None
        self._own = own  # environment
        self._places = Places()
        self._wanted = wanted  # whether somebody wants this place back
        self._queue = Waiting()
        self._batches: dict[int, Unfinished] = {}
        self._recalled: dict[int, list[str]] = {}  # batch -> attempts given back and not yet told
        self._flights: dict[int, Flight] = {}
        self._tell_at = math.inf  # until when results, if there are any, may wait for others
        self._next_alarm = math.inf

    # what the engine asks --------------------------------------------------------------------------------------------

    def add(self, batch: Batch) -> None:
        """Take a batch into the queue."""
        environment = batch_environment(batch.recipe, self._own)
        unfinished = Unfinished(batch.id, batch.recipe, environment, len(batch.assignments))
        self._batches[batch.id] = unfinished
        self._give_back(self._queue.add(unfinished, batch.assignments))
        self._tell_at = self._tell_at if batch.assignments else 0.0

    def recall(self, batch: int) -> None:
        """Give back what has not started of a batch; a report says what that is, even if it is nothing."""
        self._recalled.setdefault(batch, [])
        self._give_back(self._queue.take(batch=batch))
        self._tell_at = 0.0

    def _give_back(self, entries: Iterable[Entry]) -> None:
        """Give attempts back unstarted, with what follows upon them."""
        for batch, assignment in entries:
            batch.left -= 1
            self._recalled.setdefault(batch.id, []).append(assignment.attempt)
            self._tell_at = 0.0
            self._give_back(self._queue.ended(assignment.attempt, good=False))

    def stop(self, request: Stop) -> None:
        """End attempts as cancelled: those that wait at once, those that run when their processes are gone."""
        wanted = None if request.attempts is None else set(request.attempts)
        for batch, assignment in self._queue.take(attempts=wanted):
            verdict = Outcome.CANCELLED, Reason.USER, "stopped before it began"
            self._tell(batch, result(assignment, verdict, now()))
        for handle, flight in self._flights.items():
            if wanted is None or flight.assignment.attempt in wanted:
                self._end(handle, flight, Reason.USER, request.kill)

    def ends_in(self, seconds: float, clear: bool) -> None:
        """This place ends earlier than was known; `clear`: what has not started is given back at once."""
        ends = self._capacity.ends = min(self._capacity.ends, time.monotonic() + seconds)
        for flight in self._flights.values():
            flight.must_leave(ends)
            self._next_alarm = min(self._next_alarm, flight.alarm)
        if clear:
            self._give_back(self._queue.take())

    @property
    def over(self) -> bool:
        """Whether this place has ended, and nothing runs here any more."""
        return not self._flights and self._capacity.over

    # the loop --------------------------------------------------------------------------------------------------------

    def fill(self) -> None:
        """Start attempts until no room or no attempt is left; what can no longer be done in time is given back."""
        while self._queue and self._free and not (self._capacity.full and self._flights):
            found = self._queue.next(self._capacity.fits, alone=not self._flights)
            if found is None:
                return
            if self._capacity.lasts(asked(found[0].recipe, found[1])):
                self._start(*found)
            else:
                self._give_back([found])

    def wait(self, watch: tuple[int, ...], timeout: float | None = None) -> list[int]:
        """Wait until an attempt ends, something is due, or one of `watch` can be read; returns which of these can."""
        due = min(self._next_alarm, self._tell_at, self._servers.next_alarm)
        if due < math.inf:
            rest = max(0.0, due - time.monotonic())
            timeout = rest if timeout is None else min(rest, timeout)
        ended, ready = self._runner.poll(timeout, (*watch, *self._logs, *self._servers.by_answers))
        readable = []
        answered: list[Ended] = []
        for descriptor in ready:
            if descriptor in self._logs:
                self._logs[descriptor].take()
            elif descriptor in self._servers.by_answers:
                answered += self._hear(descriptor)
            else:
                readable.append(descriptor)
        for end in ended:
            flight = self._flights.get(end.handle)
            if flight is not None and flight.server is None:
                flight.let_go(self._capacity)
        for end in answered:
            self._finish(end)
        for end in ended:
            self.fill()
            gone = self._servers.ended(end.handle)
            if end.handle in self._flights:
                self._finish(end)
            elif gone is not None and gone.attempt is None:  # else whoever holds it does
                self._bury(gone)
        moment = time.monotonic() if min(self._next_alarm, self._servers.next_alarm) < math.inf else 0.0
        if moment >= self._next_alarm:
            self._ring(moment)
        if moment >= self._servers.next_alarm:
            self._servers.ring(moment)
        return readable

    def _hear(self, descriptor: int) -> list[Ended]:
        """Take what a process that serves says; the end of its attempt, if that is what it says."""
        server = self._servers.by_answers[descriptor]
        said = server.hear(self._runner)
        flight = self._flights.get(server.handle)
        if server.silent or server.complaint:
            self._servers.unwatch(server)
        if said is None or flight is None:
            return []
        flight.answer = said
        flight.look(self._runner.measure(server.handle))
        return [Ended(server.handle, 0)]

    def reports(self) -> list[Report]:
        """What is due to be told: what all attempts of a batch came to, or what is old enough, or all when idle."""
        if self._tell_at == math.inf or (self._queue.more and time.monotonic() < self._tell_at):
            return []
        batches = self._batches.values()
        told = [
            batch for batch in batches if batch.results or batch.running or not batch.left or batch.id in self._recalled
        ]
        packs = self._seal(told)
        self._tell_at = math.inf
        reports: list[Report] = []
        for batch in told:
            back = tuple(self._recalled.pop(batch.id, ()))
            reports.append(batch.report(() if reports else packs, back))
            if not batch.left:
                del self._batches[batch.id]
        reports += [Report(batch_id, (), (), tuple(back)) for batch_id, back in self._recalled.items()]
        self._recalled.clear()
        return reports

    def close(self) -> None:
        """End everything that runs, with all its processes, and remove the slots. Nothing is reported any more."""
        self._runner.close()
        self._servers.close()
        self._launcher.close()
        for slot in self._slots:
            slot.close()
        if self._opened is not None:
            self._opened[1].close()
            self._opened[0].close()

    # a life ----------------------------------------------------------------------------------------------------------

    def _start(self, batch: Unfinished, assignment: Assignment) -> None:
        slot, recipe = self._free.pop(), batch.recipe
        flight = Flight(batch, assignment, slot, slot.log, now(), time.monotonic())
        try:
            slot.prepare(assignment.params)
            if assignment.data or recipe.data:
                slot.give_data(assignment.data)
            if assignment.inputs:
                flight.download_bytes = self._parts()[0].lay_out_inputs(
                    assignment.inputs, slot.input, (recipe.pipeline, recipe.step) if recipe.user is None else None
                )
                slot.seal_input()
            flight.around = self._places.begin(recipe, assignment)
            flight.spawned = time.monotonic()
            flight.hold(self._capacity)
            handle = self._launcher.begin(flight)
        except (PenstockError, OSError) as error:
            flight.let_go(self._capacity)
            self._put_away(flight, wrote=False, fresh=True)
            self._tell(batch, result(assignment, not_started(error, slot.path), flight.started))
            return
        self._logs[flight.log.source] = flight.log
        self._fly(handle, flight, flight.spawned)

    def _fly(self, handle: int, flight: Flight, moment: float) -> None:
        """A command of an attempt was started at this moment."""
        self._flights[handle] = flight
        flight.set_out(moment, self._capacity.ends)
        self._next_alarm = min(self._next_alarm, flight.alarm, flight.notice)

    def _finish(self, end: Ended) -> None:
        flight = self._flights.pop(end.handle)
        if end.exit_code in LEFT and flight.ending is None and self._wanted():
            flight.ending = Reason.WALLTIME  # who takes a place back may tell all processes there
        verdict = judge(flight, end)
        if verdict is not SUCCESS:
            verdict = verdict[0], verdict[1], verdict[2] + self._launcher.sweep(flight)
        argv, last = flight.second(verdict, end.exit_code)
        if argv:
            try:
                self._recover(flight, Failure(verdict, end, last), argv)
                return
            except (PenstockError, OSError) as error:
                which = "its `err_run`" if last else "what runs between tries"
                verdict = verdict[0], verdict[1], f"{verdict[2]}; {which} failed, too: {error}"
        over = time.monotonic()
        span = self._end_log(flight, cut_off=end.survivors > 0)
        root, files, size = EMPTY, 0, 0
        reading = EMPTY
        wrote, strays, data = False, [""], dict[str, Any]()
        try:
            strays = looking.strays(flight, self._opened and self._opened[1])
            data = flight.slot.take_data()
            if verdict is SUCCESS:
                self._places.check(flight.batch.recipe, flight.around)
                looking.accept(flight, strays)
                if wrote := flight.slot.wrote():
                    root, files, size = self._parts()[0].collect(flight.slot.output)
                if self._opened is not None:
                    reading = looking.reading(flight, *self._opened)
        except Exception as error:  # whatever a task has left, it ends no worker
            verdict = not_kept(error) if verdict is SUCCESS else verdict
        self._put_away(flight, wrote, fresh=verdict is not SUCCESS or end.survivors > 0)
        if flight.server is not None:
            self._release(flight, healthy=flight.answer is not None and flight.ending is None and not strays)
        stats = flight.stats(end, over, size, verdict[1])
        code = (flight.failure.end if flight.failure else end).exit_code if not flight.answer else None
        told = result(flight.assignment, verdict, flight.started, code, span, stats, (root, files))
        if data or reading != EMPTY:
            told = replace(told, data=data, reading=reading)
        self._tell(flight.batch, self._places.told(flight.batch.recipe, flight.around, told))

    def _recover(self, flight: Flight, failure: Failure, argv: tuple[str, ...]) -> None:
        """Start the command that follows a failure. Raises PenstockError, OSError."""
        handle = self._launcher.run(flight, argv, None)
        flight.failure, flight.ending = failure, None
        if flight.server is None:
            flight.hold(self._capacity)
        self._fly(handle, flight, time.monotonic())

    def _end_log(self, flight: Flight, cut_off: bool) -> LogSpan:
        log, source = flight.log, flight.log.source
        span = log.end(renew=cut_off, followed=flight.told)
        if log.source != source:
            self._logs[log.source] = self._logs.pop(source)
        return span

    def _put_away(self, flight: Flight, wrote: bool, fresh: bool) -> None:
        """Make an attempt's slot ready for the next one."""
        recipe = flight.batch.recipe
        if self._opened is not None:
            self._opened[0].settle(flight.slot.input, keep=not fresh and recipe.batch is None)
        fresh = fresh or recipe.user is not None
        flight.slot.recycle(bool(flight.assignment.inputs), wrote, fresh, elsewhere=recipe.batch is not None)
        self._free.append(flight.slot)

    def _release(self, flight: Flight, healthy: bool) -> None:
        """The process that served an attempt is free, or has ended."""
        assert flight.server is not None
        flight.let_go(self._capacity)
        if self._servers.release(flight.server, flight.batch.recipe, healthy):
            self._bury(flight.server)

    def _bury(self, server: Server) -> None:
        """Give back what an ended process held that served."""
        self._logs.pop(server.log.source, None)
        if self._opened is not None:
            self._opened[1].leave(server.folder)
        server.close()

    def _tell(self, batch: Unfinished, told: Result) -> None:
        """Note a result for the next report."""
        batch.left -= 1
        batch.results.append(told)
        self._give_back(self._queue.ended(told.attempt, told.outcome == Outcome.SUCCEEDED))
        if self._tell_at == math.inf:
            self._tell_at = time.monotonic() + PATIENCE

    # ending ----------------------------------------------------------------------------------------------------------

    def _end(self, handle: int, flight: Flight, reason: Reason, kill: bool) -> None:
        """Ask a command to leave; kill it if told to, or when its grace is over."""
        self._runner.stop(handle, kill)
        if kill:
            flight.alarm = math.inf
        elif flight.ending is None:
            flight.alarm = min(time.monotonic() + flight.batch.recipe.grace, self._capacity.ends - MARGIN)
            self._next_alarm = min(self._next_alarm, flight.alarm)
        flight.ending = flight.ending or reason

    def _ring(self, time_now: float) -> None:
        """Act on every attempt whose time has come."""
        if self._opened is not None:
            self._opened[1].look()
        for handle, flight in self._flights.items():
            if flight.alarm <= time_now:
                self._end(handle, flight, *flight.why(time_now))
            if flight.notice <= time_now:
                flight.notice = time_now + flight.interval
                flight.look(self._runner.measure(handle))
                if flight.outgrown:
                    self._end(handle, flight, Reason.MEMORY, kill=True)
                if not flight.told:
                    flight.told = True
                    flight.batch.running.append(flight.running())
                    self._tell_at = 0.0
        self._next_alarm = min(
            (min(flight.alarm, flight.notice) for flight in self._flights.values()), default=math.inf
        )

    def _parts(self) -> tuple[Storage, Code]:
        if self._opened is None:
            self._opened = self._open_parts()
        return self._opened

    def _seal(self, batches: list[Unfinished]) -> tuple[str, ...]:
        """Make the outputs of these batches durable. Those that cannot be are failed results from here on."""
        if self._opened is None:
            return ()
        try:
            return self._opened[0].seal()
        except OSError as error:
            for batch in batches:
                batch.results = [without_output(told, error) for told in batch.results]
            return ()
