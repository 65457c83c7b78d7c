"""`logs`: what the attempts of a run, a job or a task printed, from the workers' append files."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from msgspec import Struct

from penstock.model.errors import NotFound
from penstock.model.moves import JobState, TaskState
from penstock.model.run import Attempt, Job, Task
from penstock.objects.logs import read
from penstock.service import resolve
from penstock.service.parts import Parts

#: How often a follower looks, in seconds.
LOOK = 0.2
#: How many tasks are read at once.
PAGE = 500


class LogChunk(Struct, frozen=True):
    """What one attempt printed: stdout and stderr in the order they came."""

    task: str
    binding: tuple[str, ...]
    attempt: int
    data: bytes


def logs(parts: Parts, target: str, follow: bool = False) -> Iterator[LogChunk]:
    """The logs of a task, of every task of a job, or of every job of a run, in order.

    With `follow`, what is printed is told as it comes (after the first second of an attempt), until the job or run is
    done. Attempts that printed nothing are left out.
    """
    read_to: dict[tuple[int, int], int] = {}
    while True:
        tasks, over = _tasks(parts, target)
        for task in tasks:
            yield from _of_task(parts, task, read_to)
        if over or not follow:
            return
        time.sleep(LOOK)


def _of_task(parts: Parts, task: Task, read_to: dict[tuple[int, int], int]) -> Iterator[LogChunk]:
    """What a task's attempts printed since it was last asked; `read_to` remembers how far that was."""
    if task.attempts == 0:
        return
    for attempt in parts.store.load(Attempt, "attempts", task=task.seq):
        if attempt.log_file is None:
            continue
        key = (task.seq, attempt.number)
        start = read_to.get(key, 0)
        end = attempt.log_length if attempt.outcome is not None else _so_far(parts, attempt)
        if end > start:
            read_to[key] = end
            data = read(parts.layout.logs, attempt.log_file, attempt.log_offset + start, end - start)
            yield LogChunk(task.id, task.key, attempt.number, data)


def _so_far(parts: Parts, attempt: Attempt) -> int:
    """How much an attempt that still runs has printed: it is the last one in its file, which its first byte makes."""
    assert attempt.log_file is not None
    try:
        return (parts.layout.logs / attempt.log_file).stat().st_size - attempt.log_offset
    except FileNotFoundError:
        return 0


def _tasks(parts: Parts, target: str) -> tuple[Iterator[Task] | Sequence[Task], bool]:
    """The tasks a target means, and whether nothing more will come."""
    if target != "last" and not resolve.is_id(target):
        job = resolve.job(parts, target)
        return _of_job(parts, job), job.state == JobState.DONE
    try:
        run = resolve.run(parts, target)
    except NotFound:
        task = resolve.task(parts, target.partition("-")[0])
        return [task], task.state == TaskState.DONE
    jobs = parts.store.load(Job, "jobs_of_run", run=run.id)
    return (task for job in jobs for task in _of_job(parts, job)), all(job.state == JobState.DONE for job in jobs)


def _of_job(parts: Parts, job: Job) -> Iterator[Task]:
    after = 0
    while page := parts.store.load(Task, "tasks_of_job", job=job.seq, after=after, limit=PAGE):
        yield from page
        after = page[-1].seq
