"""`ready`: give tasks to workers, in batches that grow with how quickly they end."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from msgspec import Struct, field

from penstock.engine.world import World
from penstock.model.facts import Fact, Placed, Reused
from penstock.model.moves import JobState
from penstock.model.run import Attempt, Job, Success, Task
from penstock.model.spec import Step
from penstock.model.wire import Assignment, Recipe, Result
from penstock.service.bindings.work import decode_inputs
from penstock.service.driving.crew import AHEAD, MOST, Crew, Worker
from penstock.service.parts import Parts

#: Weight of the newest report in the running mean of how long a task takes.
NEWEST = 0.5
#: Seconds between SIGTERM and SIGKILL for a task that is ended.
DEFAULT_GRACE = 5.0


class Handover(Struct):
    """What a worker gets once the rows that say so are stored."""

    worker: Worker
    recipe: Recipe
    given: list[tuple[int, Assignment]]


class Placer(Struct):
    """Remembers, per job, how long its tasks take and whether others may do the same work at the same time."""

    parts: Parts
    crew: Crew
    token: int  #: the last fencing token given
    seconds: dict[int, float] = field(default_factory=dict)
    shared: set[int] = field(default_factory=set)
    #: Job -> task -> how many workers are gone that had it. Until these have ended, workers get the job's tasks singly.
    suspects: dict[int, dict[int, int]] = field(default_factory=dict)

    def learn(self, job: int, results: Sequence[Result]) -> None:
        """Take a report into the mean time of a job's tasks."""
        mean = sum(result.ended - result.started for result in results) / len(results) / 1e6
        self.seconds[job] = mean if job not in self.seconds else mean * NEWEST + self.seconds[job] * (1 - NEWEST)

    def lost(self, task: Task) -> int:
        """Note that a worker is gone that had a task; how many that makes."""
        known = self.suspects.setdefault(task.job, {})
        known[task.seq] = known.get(task.seq, 0) + 1
        return known[task.seq]

    def ended(self, job: int, tasks: Iterable[int]) -> None:
        """Note that tasks came to an end, so that they are no threat to a worker."""
        known = self.suspects.get(job, {})
        for task in tasks:
            known.pop(task, None)
        if not known:
            self.suspects.pop(job, None)

    def place(self, world: World, now: int) -> tuple[list[Fact], list[Handover]]:
        """Placements for every worker with room, oldest jobs first."""
        facts: list[Fact] = []
        handovers: list[Handover] = []
        open_jobs = [job for job in world.in_state(JobState.OPEN) if self._may_run(world, job)]
        reusing = [job.seq for job in open_jobs if world.step(job).reuse]
        if len(reusing) > 1:
            self.shared.update(reusing)
        room: dict[str, int] = {}
        for job in open_jobs:
            ready = job.left - world.flying.get(job.seq, 0)
            if ready <= 0:
                continue
            wanted = self._wanted(job, world.step(job).resources.cpus, ready, room)
            if not wanted:
                continue
            tasks = self._tasks(job, min(ready, sum(wanted.values())), facts)
            workers = [worker for worker in self.crew.workers() if worker.name in wanted]
            slots = sum(worker.slots for worker in workers)
            for worker in workers:
                # What there is is shared out by size, so that none ends long before the others.
                count = min(wanted[worker.name], -(-len(tasks) * worker.slots // slots))
                slots -= worker.slots
                mine, tasks = tasks[:count], tasks[count:]
                if not mine:
                    continue
                room[worker.name] = room.get(worker.name, 0) + len(mine)
                placed, handover = self._hand(world, job, worker, mine, now)
                facts.append(placed)
                handovers.append(handover)
        return facts, handovers

    @staticmethod
    def _may_run(world: World, job: Job) -> bool:
        run = world.runs[job.run]
        return not (job.hold or run.hold or world.stopping(job))

    def _wanted(self, job: Job, cpus: int, ready: int, room: dict[str, int]) -> dict[str, int]:
        """How many more tasks each worker should hold: half a second's worth, refilled at half of that."""
        wanted = {}
        for worker in self.crew.workers(cpus, ready):
            if worker.slots < cpus:
                continue
            alone = job.seq in self.suspects
            pace = None if alone else self.seconds.get(job.seq)
            slots = 1 if alone else worker.slots // cpus
            enough = slots if pace is None else int(slots * max(1.0, AHEAD / max(pace, 1e-6)))
            enough = min(enough, MOST)
            holds = len(worker.holds) + room.get(worker.name, 0)
            if holds <= enough // 2 or holds < slots:
                wanted[worker.name] = enough - holds
        return wanted

    def _tasks(self, job: Job, count: int, facts: list[Fact]) -> list[Task]:
        """Ready tasks, oldest first. What meanwhile succeeded elsewhere is reused; what is in flight there waits."""
        tasks = self.parts.store.load(Task, "ready_tasks", job=job.seq, after=0, limit=count)
        if job.seq not in self.shared:
            return tasks
        mine: list[Task] = []
        reused: list[tuple[Task, Success]] = []
        after = 0
        while tasks:
            for task in tasks:
                known = self.parts.store.load(Success, "success", fingerprint=task.fingerprint)
                if known:
                    reused.append((task, known[0]))
                elif not self.parts.store.load(Task, "twin", fingerprint=task.fingerprint):
                    mine.append(task)
            after = tasks[-1].seq
            if len(mine) >= count:
                break
            tasks = self.parts.store.load(Task, "ready_tasks", job=job.seq, after=after, limit=count)
        if reused:
            facts.append(Reused(job.seq, tuple(reused)))
        return mine[:count]

    def _hand(self, world: World, job: Job, worker: Worker, tasks: Sequence[Task], now: int) -> tuple[Placed, Handover]:
        shared = recipe(self.parts, job)
        placed, given = [], []
        for task in tasks:
            self.token += 1
            number = task.attempts + 1
            attempt = f"{task.id}-{number}"
            placed.append((task, Attempt(task.seq, number, self.token, worker.name, created=now)))
            inputs = decode_inputs(task.inputs) if task.inputs != NO_INPUTS else ()
            given.append((task.seq, Assignment(task.id, attempt, self.token, task.params, inputs, task.tries)))
        return Placed(job.seq, tuple(placed)), Handover(worker, shared, given)


def recipe(parts: Parts, job: Job) -> Recipe:
    """What all attempts of a job share."""
    step = parts.step(job)
    version = parts.version(job.pipeline, job.version)
    frozen = step.publishes and step.workdir is None
    return Recipe(
        run=job.run,
        job=job.id,
        pipeline=job.pipeline,
        step=job.step,
        argv=step.run,
        code=version.code if frozen else b"",
        workdir=None if frozen else os.path.join(parts.layout.root, step.workdir or ""),
        vars=step.env.vars,
        inherit=step.env.inherit or bool(step.env.image_id),  # that is for the client of the engine alone
        cpus=step.resources.cpus,
        timeout=step.retry.timeout,
        retry=step.retry,
        grace=DEFAULT_GRACE,
        accept_exit=step.accept_exit,
        stdin=step.stdin,
        err_argv=step.err_run,
        user=step.user,
        batch=step.batch,
        pfs=step.pfs,
        container=_container(step),
    )


def _container(step: Step) -> tuple[str, str] | None:
    if not step.env.image_id:
        return None
    from penstock.runner.containers import engine

    return engine(), step.env.image_id


#: The encoding of no inputs at all, which most plain commands have.
NO_INPUTS = b"\x90"
