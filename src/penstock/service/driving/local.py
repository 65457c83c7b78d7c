"""The workers on this machine: processes of the engine, started when there is work and ended with it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from glob import glob

from msgspec.structs import replace

from penstock.engine.pack import MARGIN, Needs, Wish, lasts
from penstock.model.errors import PenstockError
from penstock.model.wire import Hello
from penstock.runner.base import Launch
from penstock.runner.command import DEFAULT_PATH
from penstock.runner.devices import DEVICES, device_names
from penstock.runner.isolated import python
from penstock.runner.pipe import Pipe
from penstock.runner.process import Processes
from penstock.service.driving.crew import Crew, Heard, Node, Worker
from penstock.service.layout import Layout

#: Cores one worker process drives on a large node. On a small one two processes do better than one: while one of them
#: waits for a child to be started, the other starts the next.
CORES_PER_WORKER = 4
#: How many workers in a row die before they said hello until it is clear that none will.
STILLBORN = 3
#: How long a worker has to end its tasks and leave, in seconds.
LEAVING = 5.0


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


def this_machine(cpus: int | None = None, most: int | None = None) -> Node:
    """What this machine has; of its processors as many as this process may use and at most `most`, or so many.

    GPUs are those of CUDA_VISIBLE_DEVICES if that is set, else as many as PENSTOCK_GPUS says, else all there are. In a
    job of Slurm it is what that was given.
    """
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    there = len(os.sched_getaffinity(0))
    if "SLURM_JOB_ID" in os.environ:
        from penstock.runner.slurm import granted

        given = granted(os.environ)
        there, memory = given.cpus, given.memory or memory
    return Node(cpus or min(there, most or there), memory, _gpus(os.environ))


def _gpus(env: Mapping[str, str]) -> int:
    visible, said = env.get(DEVICES[0]), env.get("PENSTOCK_GPUS", "")
    if visible is not None:
        return len(device_names(visible))
    if said.isascii() and said.isdigit():
        return int(said)
    return len(glob("/dev/nvidia[0-9]*")) or (len(glob("/dev/dri/renderD*")) if os.path.exists("/dev/kfd") else 0)


class LocalCrew(Crew):
    """Worker processes of one engine on this host. `ends` (monotonic seconds) is when this place ends, if it does."""

    def __init__(self, layout: Layout, node: Node, ends: float | None = None) -> None:
        super().__init__(node)
        self.layout = layout
        self._ends = ends
        self._whole = None if ends is None else ends - time.monotonic()
        self._share = self._part(max(1, min(CORES_PER_WORKER, node.cpus // 2)))
        self._unmanned = node.cpus  # processors that no worker drives yet
        names = device_names(os.environ.get(DEVICES[0], ""))
        self._devices = [*names, *map(str, range(len(names), node.gpus))][: node.gpus]  # those no worker has, by name
        self._lent: dict[int, list[str]] = {}  # handle of a worker -> its devices
        self._processes = Processes()
        self._started = 0
        self._stillborn = 0

    def _part(self, cpus: int) -> Node:
        """What a worker with so many of the processors may give to tasks."""
        return Node(cpus, self.node.memory * cpus // self.node.cpus, self.node.gpus * cpus // self.node.cpus)

    def expect(self, needs: Sequence[Needs]) -> None:
        """See `Crew.expect`: where one worker's share is too small for a task, one worker has it all."""
        wide = any(self.node.fits(item) and not self._share.fits(item) for item in needs)
        if wide and not self.holding and self._share.cpus < self.node.cpus:
            self._end_all()
            self._share = self.node

    def workers(self, wishes: Sequence[Wish]) -> Sequence[Worker]:
        """The workers, as many started by now as can be of use for these tasks; none as long as others hold what was
        given to narrower ones: a node is never given out twice.
        """
        if self._over:
            return self._workers  # one that has left is not followed by another
        needs = [wish.needs for wish in wishes]
        if any(self.node.fits(item) and not self._share.fits(item) for item in needs):
            self.expect(needs)
            if self._share.cpus < self.node.cpus:
                return ()
        cpus = sum(wish.count for wish in wishes) * max((item.cpus for item in needs), default=1)
        while self._unmanned and (not self._workers or self._slots < cpus):
            share = min(self._share.cpus, self._unmanned)
            devices = len(self._devices) * share // self._unmanned
            self._unmanned -= share
            self._workers.append(self._start(replace(self._part(share), gpus=devices)))
        return self._workers

    def too_late(self, needs: Needs) -> bool:
        """See `Crew.too_late`."""
        left = None if self._ends is None else self._ends - time.monotonic()
        return not lasts(left, needs.seconds, needs.grace, self._whole)

    @property
    def _over(self) -> bool:
        """Whether nothing may begin here any more."""
        return self._ends is not None and self._ends - time.monotonic() <= MARGIN

    @property
    def _slots(self) -> int:
        return sum(worker.node.cpus for worker in self._workers)

    def _start(self, node: Node) -> Worker:
        self._started += 1
        # Unique over the life of the project: logs and slots of an earlier engine are never mixed with ours.
        name = f"{time.time_ns() // 1_000_000:x}-{os.getpid()}-{self._started}"
        theirs_in, ours_out = os.pipe2(os.O_CLOEXEC)
        ours_in, theirs_out = os.pipe2(os.O_CLOEXEC)
        complaints = os.open(
            self.layout.logs / "workers.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644
        )
        ends = () if self._ends is None else (repr(self._ends),)  # both read one clock, and leave at one moment
        has = (str(node.cpus), str(node.memory), str(node.gpus), *ends)
        argv = python("penstock.worker", str(self.layout.home), name, *has)
        # Marked, so that an engine that takes over finds what this one left behind.
        env = {**os.environ, "PATH": search_path(os.environ, sys.executable)}
        env |= {"PENSTOCK_PROJECT": self.layout.id, "PENSTOCK_WORKER": name}
        devices, self._devices = self._devices[: node.gpus], self._devices[node.gpus :]
        if self.node.gpus:
            env[DEVICES[0]] = ",".join(devices)
        try:
            handle = self._processes.start(Launch(argv, env, None, theirs_in, theirs_out, complaints))
        finally:
            for descriptor in (theirs_in, theirs_out, complaints):
                os.close(descriptor)
        self._lent[handle] = devices
        return Worker(name, node, handle, Pipe(ours_in, ours_out), time.monotonic(), ends=self._ends, whole=self._whole)

    def hear(self, timeout: float) -> Heard:
        """Wait at most `timeout` seconds for reports. A worker whose pipe ends or that misspeaks is gone."""
        if not self._workers:
            if timeout:
                time.sleep(timeout)
            return Heard()
        by_source = {worker.channel.source: worker for worker in self._workers}  # type: ignore[attr-defined]
        waiting = [worker for worker in self._workers if worker.channel.waiting]
        _, readable = self._processes.poll(0 if waiting else timeout, list(by_source))
        heard = Heard()
        for worker in dict.fromkeys([*waiting, *(by_source[source] for source in readable)]):
            if not self._receive(worker, heard):
                self._bury(worker, heard)
        if self._stillborn >= STILLBORN:
            raise PenstockError(f"no worker can be started: {self._last_words()}")
        return heard

    def _greet(self, worker: Worker, hello: Hello) -> None:
        worker.greeted = True
        self._stillborn = 0

    def _bury(self, worker: Worker, heard: Heard) -> None:
        if self._over:
            # It has left because this place ends, and had begun nothing of what it was given in the last moment.
            heard.back += (worker.drop(attempt) for attempt in list(worker.holds))
        super()._bury(worker, heard)
        self._processes.stop(worker.handle, kill=True)
        worker.channel.close()
        self._take_back(worker)
        self._stillborn += not worker.greeted

    def _take_back(self, worker: Worker) -> None:
        """What a worker had is for another one."""
        self._unmanned += worker.node.cpus
        self._devices += self._lent.pop(worker.handle)

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
            worker.channel.close()
        deadline = time.monotonic() + LEAVING
        left = {worker.handle: worker.name for worker in self._workers}
        while left and time.monotonic() < deadline:
            ended, _ = self._processes.poll(deadline - time.monotonic())
            for item in ended:
                left.pop(item.handle, None)
        for handle in left:
            self._processes.stop(handle, kill=True)
        for worker in self._workers:
            self._take_back(worker)
        self._workers = []
        return list(left.values())
