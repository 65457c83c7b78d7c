"""The local workers of an engine: started when there is work, given batches, heard, and ended with the engine."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct, field

from penstock.model.errors import PenstockError
from penstock.model.wire import Assignment, Batch, Hello, Recall, Recipe, Report, Result, Started, Stop
from penstock.runner.base import Launch
from penstock.runner.command import DEFAULT_PATH
from penstock.runner.pipe import Message, Pipe
from penstock.runner.process import Processes
from penstock.service.layout import Layout

#: Cores one worker process drives on a large node. On a small one two processes do better than one: while one of them
#: waits for a child to be started, the other starts the next.
CORES_PER_WORKER = 4
#: How much work a worker holds at most, in seconds.
AHEAD = 0.5
#: How many workers in a row die before they said hello until it is clear that none will.
STILLBORN = 3
#: How long a worker has to end its tasks and leave, in seconds.
LEAVING = 5.0
#: How many tasks a worker holds at most.
MOST = 2000


class Worker(Struct, eq=False):
    """One worker process, and what it holds: attempt -> task, in batches of which the unstarted can be recalled."""

    name: str
    slots: int
    handle: int
    pipe: Pipe
    heard: float  #: when it last reported, or was given something after it had nothing; monotonic seconds
    holds: dict[str, int] = field(default_factory=dict)
    batches: list[int] = field(default_factory=list)
    greeted: bool = False


class Heard(Struct):
    """What came in, by task: results, and what workers gave back unstarted or had when they were gone."""

    ended: list[tuple[int, Result]] = field(default_factory=list)
    began: list[tuple[int, Started]] = field(default_factory=list)
    back: list[int] = field(default_factory=list)
    packs: list[str] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)  #: names of workers


def search_path(env: Mapping[str, str], interpreter: str) -> str:
    """Where tasks look for programs: as the shell does that called Penstock.

    Only if that shell has activated no environment and does not know the one Penstock runs in, that one comes first:
    `python3` in a step is then the Python that Penstock and what was installed beside it belong to.

    >>> search_path({"PATH": "/usr/bin"}, "/lab/env/bin/python")
    '/lab/env/bin:/usr/bin'
    >>> search_path({"PATH": "/data/env/bin:/usr/bin", "VIRTUAL_ENV": "/data/env"}, "/lab/env/bin/python")
    '/data/env/bin:/usr/bin'
    """
    path = env.get("PATH", DEFAULT_PATH)
    known, own = path.split(":"), os.path.dirname(interpreter)
    active = (os.path.join(env[name], "bin") for name in ("VIRTUAL_ENV", "CONDA_PREFIX") if env.get(name))
    return path if own in known or any(folder in known for folder in active) else f"{own}:{path}"


class Crew:
    """Worker processes of one engine on this host."""

    def __init__(self, layout: Layout, cpus: int) -> None:
        self.layout = layout
        self.cpus = cpus
        self._share = max(1, min(CORES_PER_WORKER, cpus // 2))  # processors per worker
        self._unmanned = cpus  # processors that no worker drives yet
        self._processes = Processes()
        self._workers: list[Worker] = []
        self._batches = 0
        self._started = 0
        self._stillborn = 0

    def workers(self, widest: int = 1, tasks: int = 1) -> Sequence[Worker]:
        """The workers, as many started by now as can be of use for `tasks` that need up to `widest` processors each.

        While narrower ones still hold work, they are what there is: a node is never given out twice.
        """
        if widest > self._share and not self.holding:
            self._end_all()
            self._share = widest
        while self._unmanned and (not self._workers or self._slots < tasks * widest):
            share = min(self._share, self._unmanned)
            self._unmanned -= share
            self._workers.append(self._start(share))
        return self._workers

    @property
    def _slots(self) -> int:
        return sum(worker.slots for worker in self._workers)

    @property
    def holding(self) -> int:
        """How many attempts workers have."""
        return sum(len(worker.holds) for worker in self._workers)

    def _start(self, slots: int) -> Worker:
        self._started += 1
        # Unique over the life of the project: logs and slots of an earlier engine are never mixed with ours.
        name = f"{time.time_ns() // 1_000_000:x}-{os.getpid()}-{self._started}"
        theirs_in, ours_out = os.pipe2(os.O_CLOEXEC)
        ours_in, theirs_out = os.pipe2(os.O_CLOEXEC)
        complaints = os.open(
            self.layout.logs / "workers.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644
        )
        argv = (sys.executable, "-m", "penstock.worker", str(self.layout.home), name, str(slots))
        # Marked, so that an engine that takes over finds what this one left behind.
        env = {**os.environ, "PATH": search_path(os.environ, sys.executable)}
        env |= {"PENSTOCK_PROJECT": self.layout.id, "PENSTOCK_WORKER": name}
        try:
            handle = self._processes.start(Launch(argv, env, None, theirs_in, theirs_out, complaints))
        finally:
            for descriptor in (theirs_in, theirs_out, complaints):
                os.close(descriptor)
        return Worker(name, slots, handle, Pipe(ours_in, ours_out), time.monotonic())

    def give(self, worker: Worker, recipe: Recipe, given: Sequence[tuple[int, Assignment]]) -> None:
        """Hand over attempts, as (task, assignment). A worker that is gone is noticed by `hear`."""
        self._batches += 1
        worker.batches.append(self._batches)
        if not worker.holds:
            worker.heard = time.monotonic()
        worker.holds.update((assignment.attempt, task) for task, assignment in given)
        _tell(worker, Batch(self._batches, recipe, tuple(assignment for _, assignment in given)))

    def stop(self, tasks: Iterable[int] | None, kill: bool) -> None:
        """End attempts of these tasks (None: of all); they are reported as cancelled."""
        wanted = None if tasks is None else set(tasks)
        for worker in self._workers:
            named = tuple(attempt for attempt, task in worker.holds.items() if wanted is None or task in wanted)
            if named:
                _tell(worker, Stop(kill, named))

    def level(self) -> None:
        """When one worker has nothing to do and another sits on more than it can run, ask some of that back.

        A worker that still reports will be done with what it holds in a moment; only silence says that its tasks take
        longer than those before.
        """
        if all(worker.holds for worker in self._workers):
            return
        fullest = max(self._workers, key=lambda worker: len(worker.holds), default=None)
        if (
            fullest is not None
            and fullest.batches
            and len(fullest.holds) > fullest.slots
            and time.monotonic() - fullest.heard > AHEAD
        ):
            _tell(fullest, Recall(fullest.batches.pop()))

    def hear(self, timeout: float) -> Heard:
        """Wait at most `timeout` seconds for reports. A worker whose pipe ends or that misspeaks is gone."""
        if not self._workers:
            if timeout:
                time.sleep(timeout)
            return Heard()
        by_source = {worker.pipe.source: worker for worker in self._workers}
        waiting = [worker for worker in self._workers if worker.pipe.waiting]
        _, readable = self._processes.poll(0 if waiting else timeout, list(by_source))
        heard = Heard()
        gone: list[Worker] = []
        for worker in dict.fromkeys([*waiting, *(by_source[source] for source in readable)]):
            try:
                for message in worker.pipe.receive():
                    self._take(worker, message, heard)
            except EOFError:
                gone.append(worker)
        for worker in gone:
            heard.gone.append(worker.name)
            heard.lost += worker.holds.values()
            self._end(worker)
            self._stillborn += not worker.greeted
        if self._stillborn >= STILLBORN:
            raise PenstockError(f"no worker can be started: {self._last_words()}")
        return heard

    def _take(self, worker: Worker, message: Message, heard: Heard) -> None:
        """Sort one message into what was heard. What a worker does not hold any more is old news."""
        holds = worker.holds
        if isinstance(message, Report):
            worker.heard = time.monotonic()
            heard.packs += message.packs
            heard.began += ((holds[item.attempt], item) for item in message.running if item.attempt in holds)
            heard.ended += ((holds.pop(item.attempt), item) for item in message.results if item.attempt in holds)
            heard.back += (holds.pop(attempt) for attempt in message.recalled if attempt in holds)
            if not holds:
                worker.batches.clear()
        elif isinstance(message, Hello):
            worker.greeted = True
            self._stillborn = 0
        else:
            raise EOFError(f"worker {worker.name} sent a {type(message).__name__}")

    def _end(self, worker: Worker) -> None:
        self._processes.stop(worker.handle, kill=True)
        worker.pipe.close()
        self._workers.remove(worker)
        self._unmanned += worker.slots

    def _last_words(self) -> str:
        """The last line that a worker complained in."""
        lines = (self.layout.logs / "workers.log").read_text(errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "they say nothing; is the memory used up?")

    def close(self) -> list[str]:
        """End every worker; a worker whose pipe closes kills its tasks' process groups and leaves.

        Returns the names of those that did not in time and were killed: what they had started may still be there.
        """
        stubborn = self._end_all()
        self._processes.close()
        return stubborn

    def _end_all(self) -> list[str]:
        for worker in self._workers:
            worker.pipe.close()
        deadline = time.monotonic() + LEAVING
        left = {worker.handle: worker.name for worker in self._workers}
        while left and time.monotonic() < deadline:
            ended, _ = self._processes.poll(deadline - time.monotonic())
            for item in ended:
                left.pop(item.handle, None)
        for handle in left:
            self._processes.stop(handle, kill=True)
        self._workers = []
        self._unmanned = self.cpus
        return list(left.values())


def _tell(worker: Worker, message: Message) -> None:
    """Send a message; that nobody is there any more is noticed by `Crew.hear`."""
    with contextlib.suppress(BrokenPipeError):
        worker.pipe.send(message)
