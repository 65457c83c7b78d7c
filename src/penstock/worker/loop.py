"""A worker on a pipe: takes batches, recalls and stops from the engine, tells it reports, dies with it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Mapping
from typing import TYPE_CHECKING

from penstock.model.wire import Batch, Hello, Recall, Stop
from penstock.runner.pipe import Message, Pipe
from penstock.runner.process import Processes
from penstock.worker.capacity import Capacity
from penstock.worker.execute import Executor
from penstock.worker.files import remove
from penstock.worker.log import Log
from penstock.worker.servers import Servers
from penstock.worker.slot import Slot

if TYPE_CHECKING:
    from penstock.worker.code import Code
    from penstock.worker.storage import Storage


class Worker:
    """One life of a worker. `home` is the project's `.penstock`; `name` is used by no other life of any worker."""

    def __init__(self, home: str, name: str, pipe: Pipe, own: Mapping[str, str], capacity: Capacity) -> None:
        self._home = os.path.abspath(home)
        self._name = name
        self._pipe = pipe
        self._place = os.path.join(self._home, "work", name)
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
        )
        self._slots = slots

    def _open_parts(self) -> tuple[Storage, Code]:
        storage_of, code_of = import_parts()
        work = os.path.join(self._home, "work")
        storage = storage_of(os.path.join(self._home, "objects"), work)
        return storage, code_of(work, self._place, storage.lay_out_code, private=os.geteuid() == 0)

    def run(self, leave: int) -> None:
        """Work until the engine hangs up or `leave` can be read; then nothing that was started runs any more."""
        executor, pipe = self._executor, self._pipe
        try:
            pipe.send(Hello(self._name, os.getpid(), self._slots))
            import_parts()  # while the engine makes up its first batch
            while True:
                executor.fill()
                reports = executor.reports()
                if reports:
                    pipe.send(*reports)
                readable = executor.wait((pipe.source, leave), 0.0 if pipe.waiting else None)
                if leave in readable:
                    return
                if pipe.waiting or pipe.source in readable:
                    for message in pipe.receive():
                        self._obey(message)
        except (BrokenPipeError, ConnectionResetError, EOFError):
            return  # nobody is left to work for
        finally:
            executor.close()
            with contextlib.suppress(OSError):  # what a task made impossible to remove is left to `gc`
                remove(self._place)

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


def leave_on_sigterm() -> int:
    """A descriptor that can be read once SIGTERM arrived. Ctrl-C is not for workers: the engine decides."""
    source, sink = os.pipe()
    os.set_blocking(sink, False)
    signal.set_wakeup_fd(sink)
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    return source
