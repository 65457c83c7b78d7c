"""The local workers of an engine: started when there is work, given batches, heard, and ended with the engine."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct, field

from penstock.model.errors import PenstockError
from penstock.model.wire import Assignment, Batch, Hello, Recipe, Report, Result, Started, Stop
from penstock.runner.base import Launch
from penstock.runner.command import DEFAULT_PATH
from penstock.runner.pipe import Pipe
from penstock.runner.process import Processes
from penstock.service.layout import Layout

#: Cores one worker process drives, unless a task needs more.
CORES_PER_WORKER = 8
#: How much work a worker holds at most, in seconds.
AHEAD = 0.5
#: How many workers in a row die before they said hello until it is clear that none will.
STILLBORN = 3
#: How many tasks a worker holds at most.
MOST = 2000


class Worker(Struct, eq=False):
    """One worker process, and what it holds: attempt -> task."""

    name: str
    slots: int
    handle: int
    pipe: Pipe
    holds: dict[str, int] = field(default_factory=dict)
    greeted: bool = False


class Heard(Struct, frozen=True):
    """What came in, by task: results, what was given back unstarted, and what workers that are gone had."""

    ended: tuple[tuple[int, Result], ...] = ()
    began: tuple[tuple[int, Started], ...] = ()
    packs: tuple[str, ...] = ()
    lost: tuple[int, ...] = ()
    gone: tuple[str, ...] = ()  #: names of workers


def search_path(env: Mapping[str, str], interpreter: str) -> str:
    """Where tasks look for programs: as the shell does that called Penstock.

    Only if that shell has activated no environment and does not know the one Penstock runs in, that one comes first:
    `python3` in a step is then the Python that Penstock and what was installed beside it belong to.

    >>> search_path({"PATH": "/usr/bin"}, "/lab/env/bin/python")
    '/lab/env/bin:/usr/bin'
    >>> search_path({"PATH": "/work/env/bin:/usr/bin", "VIRTUAL_ENV": "/work/env"}, "/lab/env/bin/python")
    '/work/env/bin:/usr/bin'
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
        self._processes = Processes()
        self._workers: list[Worker] = []
        self._batches = 0
        self._started = 0
        self._stillborn = 0

    def workers(self, widest: int = 1) -> Sequence[Worker]:
        """The workers, started now if they were not; some of them as wide as a task that needs `widest` processors.

        While narrower ones still hold work, they are what there is: a node is never given out twice.
        """
        wide_enough = any(worker.slots >= min(widest, self.cpus) for worker in self._workers)
        if self._workers and not wide_enough and not self.holding:
            self._end_all()
        if not self._workers:
            count = max(1, self.cpus // max(CORES_PER_WORKER, widest))
            share, rest = divmod(self.cpus, count)
            self._workers = [self._start(share + (place < rest)) for place in range(count)]
        return self._workers

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
        return Worker(name, slots, handle, Pipe(ours_in, ours_out))

    def give(self, worker: Worker, recipe: Recipe, given: Sequence[tuple[int, Assignment]]) -> None:
        """Hand over attempts, as (task, assignment). A worker that is gone is noticed by `hear`."""
        self._batches += 1
        worker.holds.update((assignment.attempt, task) for task, assignment in given)
        try:
            worker.pipe.send(Batch(self._batches, recipe, tuple(assignment for _, assignment in given)))
        except BrokenPipeError:
            return

    def stop(self, tasks: Iterable[int] | None, kill: bool) -> None:
        """End attempts of these tasks (None: of all); they are reported as cancelled."""
        wanted = None if tasks is None else set(tasks)
        for worker in self._workers:
            named = tuple(attempt for attempt, task in worker.holds.items() if wanted is None or task in wanted)
            if named:
                try:
                    worker.pipe.send(Stop(kill, named))
                except BrokenPipeError:
                    continue

    def hear(self, timeout: float) -> Heard:
        """Wait at most `timeout` seconds for reports. A worker whose pipe ends or that misspeaks is gone."""
        if not self._workers:
            if timeout:
                time.sleep(timeout)
            return Heard()
        by_source = {worker.pipe.source: worker for worker in self._workers}
        waiting = [worker for worker in self._workers if worker.pipe.waiting]
        _, readable = self._processes.poll(0 if waiting else timeout, list(by_source))
        ended: list[tuple[int, Result]] = []
        began: list[tuple[int, Started]] = []
        packs: list[str] = []
        lost: list[int] = []
        gone: list[Worker] = []
        for worker in dict.fromkeys([*waiting, *(by_source[source] for source in readable)]):
            try:
                for message in worker.pipe.receive():
                    if isinstance(message, Report):
                        packs += message.packs
                        began += (
                            (worker.holds[started.attempt], started)
                            for started in message.running
                            if started.attempt in worker.holds
                        )
                        ended += (
                            (worker.holds.pop(result.attempt), result)
                            for result in message.results
                            if result.attempt in worker.holds
                        )
                    elif isinstance(message, Hello):
                        worker.greeted = True
                        self._stillborn = 0
                    else:
                        raise EOFError(f"worker {worker.name} sent a {type(message).__name__}")
            except EOFError:
                gone.append(worker)
        for worker in gone:
            lost += worker.holds.values()
            self._end(worker)
            self._stillborn += not worker.greeted
        if self._stillborn >= STILLBORN:
            raise PenstockError(f"no worker can be started: {self._last_words()}")
        return Heard(tuple(ended), tuple(began), tuple(packs), tuple(lost), tuple(worker.name for worker in gone))

    def _end(self, worker: Worker) -> None:
        self._processes.stop(worker.handle, kill=True)
        worker.pipe.close()
        self._workers.remove(worker)

    def _last_words(self) -> str:
        """The last line that a worker complained in."""
        lines = (self.layout.logs / "workers.log").read_text(errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "they say nothing; is the memory used up?")

    def close(self) -> None:
        """End every worker; a worker whose pipe closes kills its tasks' process groups and leaves."""
        self._end_all()
        self._processes.close()

    def _end_all(self) -> None:
        for worker in self._workers:
            worker.pipe.close()
        deadline = time.monotonic() + 5.0
        left = {worker.handle for worker in self._workers}
        while left and time.monotonic() < deadline:
            ended, _ = self._processes.poll(deadline - time.monotonic())
            left -= {item.handle for item in ended}
        self._workers = []
