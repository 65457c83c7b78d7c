"""What an engine asks to end: attempts of jobs that start nothing more, single ones, and jobs that take too long."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.engine.world import World
from penstock.model.moves import JobState
from penstock.model.run import Job
from penstock.model.spec import Step


class Stopping:
    """Remembers what was asked, so that everything is asked once."""

    def __init__(self) -> None:
        self._suspects: set[int] = set()  # jobs that may be ones to start nothing more
        self._jobs: set[int] = set()
        self._attempts: set[tuple[int, int]] = set()  # (task, number)
        self._limits: dict[int, int] = {}  # job -> when it has taken longer than its step allows

    def watch(self, job: Job, step: Step) -> None:
        """Take in how a job stands."""
        if job.state == JobState.DONE:
            self._limits.pop(job.seq, None)
        elif job.state == JobState.OPEN and job.started is not None:
            if job.failed or job.stop:
                self._suspects.add(job.seq)
            if step.timeout is not None:
                self._limits[job.seq] = job.started + int(step.timeout * 1e6)

    def suspect(self, jobs: Iterable[int]) -> None:
        """Rows were read anew: somebody may have asked these jobs, or their runs, to end."""
        self._suspects.update(jobs)

    def of_jobs(self, world: World) -> list[int]:
        """The tasks in flight of jobs that are to start nothing more."""
        suspects, self._suspects = self._suspects, set()
        told = {
            seq
            for seq in suspects - self._jobs
            if world.flying.get(seq) and seq in world.jobs and world.stopping(world.jobs[seq])
        }
        self._jobs |= told
        return [task.seq for task in world.tasks.values() if task.job in told] if told else []

    def of_tasks(self, world: World) -> list[int]:
        """The tasks in flight that somebody stopped, or wants to be tried again."""
        named = [
            task
            for task in world.tasks.values()
            if (task.stop or task.again == task.attempts) and (task.seq, task.attempts) not in self._attempts
        ]
        self._attempts.update((task.seq, task.attempts) for task in named)
        return [task.seq for task in named]

    def overdue(self, world: World, now: int) -> list[int]:
        """Jobs that take longer than their steps allow."""
        over = [seq for seq, limit in self._limits.items() if now > limit]
        for seq in over:
            del self._limits[seq]
        jobs = (world.jobs.get(seq) for seq in over)
        at_work = (JobState.OPEN, JobState.EXPORTING)
        return [job.seq for job in jobs if job is not None and job.state in at_work and not job.stop]
