"""Lone jobs that follow one upon the other: a worker that has one gets those behind it, too, so that a chain of quick
commands goes on without a question between two of them.

Nothing is written of such a job before the one it waits for has succeeded: until then it is a promise, known to its
worker and here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Set

from penstock.engine.world import World
from penstock.model.facts import Reported, Sent
from penstock.model.moves import JobState
from penstock.model.run import Job
from penstock.model.wire import Result
from penstock.service.driving.crew import AHEAD, MOST, Worker


class Promises:
    """What workers were given of jobs that may not begin yet."""

    def __init__(self) -> None:
        self._sent: dict[int, Sent] = {}  # by task
        self._jobs: set[int] = set()

    @property
    def tasks(self) -> Set[int]:
        """The tasks that were promised."""
        return self._sent.keys()

    def job_of(self, task: int) -> int | None:
        """The job of a task that was promised."""
        return self._sent[task].job if task in self._sent else None

    def add(self, sent: Sent) -> None:
        self._sent[sent.task.seq] = sent
        self._jobs.add(sent.job)

    def take(self, task: int) -> Sent | None:
        """How the job of a task begins, if that was promised; it is no promise any more."""
        sent = self._sent.pop(task, None)
        if sent is not None:
            self._jobs.discard(sent.job)
        return sent

    def reported(self, ended: Iterable[tuple[int, Result]]) -> Iterator[Sent | Reported]:
        """What workers say, in their order, and before the end of each task that was promised how its job began."""
        group: list[tuple[int, Result]] = []
        for task, result in ended:
            sent = self.take(task)
            if sent is not None:
                if group:
                    yield Reported(tuple(group))
                    group = []
                yield sent
            group.append((task, result))
        if group:
            yield Reported(tuple(group))

    def due(self, world: World) -> list[Sent]:
        """How jobs begin that were promised and may begin by now."""
        ready = [task for task, sent in self._sent.items() if _is(world, sent.job, waits=0)]
        return [sent for sent in map(self.take, ready) if sent is not None]

    def drop_broken(self, world: World) -> None:
        """Forget the tasks whose jobs will not begin any more, or not before somebody lets them."""
        jobs = ((task, world.jobs.get(sent.job)) for task, sent in self._sent.items())
        for task in [task for task, job in jobs if job is None or not _is(world, job.seq) or not world.may_run(job)]:
            self.take(task)

    def extend(
        self,
        world: World,
        worker: Worker,
        fresh: Iterable[tuple[Job, str]],
        pace: Callable[[Job], float | None],
        give: Callable[[Job, str], Sent],
        room: Callable[[Job], bool],
    ) -> None:
        """Give a worker what follows upon what it has (`fresh`: what it gets now, as job and attempt) until that is
        enough. `pace` is how long a task of a job takes, `room` whether one may be given out here, `give` does it.
        """
        line = [*self._has(world, worker), *fresh]
        for before, attempt in line:
            for edge in world.down.get(before.seq, ()):
                if edge.job in self._jobs or not _is(world, edge.job, waits=1):
                    continue
                job = world.jobs[edge.job]
                seconds = pace(job)
                if seconds is None or len(line) >= min(MOST, AHEAD / max(seconds, 1e-6)):
                    return
                if room(job):
                    sent = give(job, attempt)
                    self.add(sent)
                    line.append((job, f"{sent.task.id}-{sent.attempt.number}"))

    def _has(self, world: World, worker: Worker) -> Iterator[tuple[Job, str]]:
        for attempt, (task, _) in worker.holds.items():
            sent = self._sent.get(task)
            if sent is None and task not in world.tasks:
                continue
            job = world.jobs.get(sent.job if sent is not None else world.tasks[task].job)
            if job is not None and job.seq in world.down:
                yield job, attempt


def _is(world: World, seq: int, waits: int | None = None) -> bool:
    """Whether a job waits, for so many others."""
    job = world.jobs.get(seq)
    return job is not None and job.state == JobState.WAITING and waits in (None, job.waits)
