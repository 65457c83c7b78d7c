"""A worker: takes batches, recalls and stops from the engine, tells it reports, dies with it."""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from penstock.engine.pack import MARGIN
from penstock.model.cycles import rarely_looked_for
from penstock.model.wire import Batch, Hello, Recall, Stop
from penstock.objects.deep import remove
from penstock.runner.frames import Message
from penstock.runner.process import Processes
from penstock.worker.capacity import Capacity
from penstock.worker.execute import Executor
from penstock.worker.log import Log
from penstock.worker.servers import Servers
from penstock.worker.slot import Slot

if TYPE_CHECKING:
    from penstock.worker.code import Code
    from penstock.worker.storage import Storage


#: Seconds within which a signal reaches all processes that it is meant for.
SOON = 0.05


class Channel(Protocol):
    """One end of a conversation with the engine. `receive` waits unless `source` can be read or `waiting` is set."""

    source: int
    waiting: bool

    def send(self, *messages: Message) -> None: ...

    def receive(self) -> list[Message]: ...


class Notices:
    """Signals as something to wait for. `leads`: signal -> how many seconds after it the place ends; 0: at once.

    Ctrl-C is not for workers: the engine decides.
    """

    def __init__(self, leads: Mapping[int, float]) -> None:
        self.source, sink = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(sink, False)
        signal.set_wakeup_fd(sink)
        self._leads = dict(leads)
        self._given_up = False  # somebody wants it back
        for number in leads:
            signal.signal(number, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)

    def take(self) -> tuple[float, bool]:
        """In how many seconds the place ends, and whether somebody wants it back; may be called when `source` can be
        read. Who wants it back a second time gets it at once.
        """
        numbers = [number for number in os.read(self.source, 4096) if number in self._leads]
        seconds = min((self._leads[number] for number in numbers), default=math.inf)
        wanted = signal.SIGTERM in numbers
        if wanted:
            self._leads[signal.SIGTERM] = 0.0
            self._given_up = True
        return seconds, wanted

    def wanted(self) -> bool:
        """Whether somebody wants the place back, or is just about to say so."""
        return self._given_up or bool(select.select([self.source], [], [], SOON)[0])


class Worker:
    """One life of a worker. `home` is the project's `.penstock`; `name` is used by no other life of any worker. What it
    needs space for lies in `place`; without one, below the project's `work`, where it shares with its neighbours.
    """

    def __init__(
        self,
        home: str,
        name: str,
        channel: Channel,
        own: Mapping[str, str],
        capacity: Capacity,
        notices: Notices,
        place: str | None = None,
    ) -> None:
        self._home = os.path.abspath(home)
        self._name = name
        self._channel = channel
        self._notices = notices
        self._shared = os.path.join(self._home, "work") if place is None else place
        self._place = os.path.join(self._shared, name) if place is None else place
        logs = os.path.join(self._home, "logs")
        os.makedirs(logs, exist_ok=True)
        runner, slots = Processes(reaper=True), capacity.cpus
        self._executor = Executor(
            [
                Slot(number, os.path.join(self._place, str(number)), Log(logs, f"{name}-{number}.log"))
                for number in range(slots + 1)  # one spare, see Executor
            ],
            runner,
            Servers(slots, runner, lambda number: Log(logs, f"{name}-batch-{number}.log"), self._place),
            self._open_parts,
            dict(own),  # looking at it costs nothing, unlike at `os.environ`
            capacity,
            notices.wanted,
            os.path.dirname(self._home),
        )
        self._slots = slots
        self._capacity = capacity

    def _open_parts(self) -> tuple[Storage, Code]:
        storage_of, code_of = import_parts()
        storage = storage_of(os.path.join(self._home, "objects"), self._shared)
        return storage, code_of(self._shared, self._place, storage.layouts)

    @rarely_looked_for()
    def run(self) -> bool:
        """Work until the engine hangs up or the place ends; then nothing that was started runs any more. Whether it
        was the place that ended.
        """
        executor, channel, notices = self._executor, self._channel, self._notices
        try:
            self._greet(self._slots)
            import_parts()  # while the engine makes up its first batch
            while True:
                executor.fill()
                reports = executor.reports()
                if reports:
                    channel.send(*reports)
                if executor.over:
                    return True
                readable = executor.wait((channel.source, notices.source), 0.0 if channel.waiting else self._rest())
                if notices.source in readable and self._ends():
                    return True
                if channel.waiting or channel.source in readable:
                    for message in channel.receive():
                        self._obey(message)
        except (BrokenPipeError, ConnectionResetError, EOFError):
            return False  # nobody is left to work for
        finally:
            executor.close()
            with contextlib.suppress(OSError):  # what a task made impossible to remove is left to `gc`
                remove(self._place)

    def _greet(self, slots: int) -> None:
        capacity = self._capacity
        self._channel.send(Hello(self._name, os.getpid(), slots, capacity.memory, capacity.gpus, capacity.left))

    def _rest(self) -> float | None:
        """Seconds to wait at most: until nothing may begin here any more, or an hour, which any system can count."""
        left = self._capacity.left
        return None if left is None else min(max(0.0, left - MARGIN), 3600.0)

    def _ends(self) -> bool:
        """The place ends earlier than was known; whether it does now. Who wants it back gets no more work done."""
        seconds, wanted = self._notices.take()
        if seconds <= 0:
            return True
        self._executor.ends_in(seconds, clear=wanted)
        self._greet(0 if wanted else self._slots)
        return False

    def _obey(self, message: Message) -> None:
        if isinstance(message, Batch):
            self._executor.add(message)
        elif isinstance(message, Recall):
            self._executor.recall(message.batch)
        elif isinstance(message, Stop):
            self._executor.stop(message)


def import_parts() -> tuple[type[Storage], type[Code]]:
    """What touches the project's bytes; plain commands need none of it, so the first Hello does not wait for it."""
    from penstock.worker.code import Code
    from penstock.worker.storage import Storage

    return Storage, Code
