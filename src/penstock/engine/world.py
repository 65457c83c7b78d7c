"""The rows that matter now: active runs with their jobs and edges, and the tasks in flight."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from msgspec import Struct, field

from penstock.engine import endings
from penstock.model.moves import AttemptState, JobState, RunState, TaskState
from penstock.model.run import Attempt, Edge, Job, Run, Task
from penstock.model.spec import Step


class World(Struct):
    """Indexed rows. `absorb` brings in the changes of a turn once the store has them."""

    step: Callable[[Job], Step]  #: the definition a job runs
    runs: dict[str, Run] = field(default_factory=dict)
    jobs: dict[int, Job] = field(default_factory=dict)
    down: dict[int, list[Edge]] = field(default_factory=dict)  #: upstream job -> edges from it
    turns: dict[str, list[int]] = field(default_factory=dict)  #: repo -> its publishing jobs not done, in order
    tasks: dict[int, Task] = field(default_factory=dict)  #: active ones
    attempts: dict[int, Attempt] = field(default_factory=dict)  #: task -> its live attempt
    flying: dict[int, int] = field(default_factory=dict)  #: job -> how many of its tasks are active
    stopped: list[Task] = field(default_factory=list)  #: tasks somebody stopped before they began, to be cancelled

    @classmethod
    def of(
        cls,
        step: Callable[[Job], Step],
        runs: Iterable[Run],
        jobs: Iterable[Job],
        edges: Iterable[Edge],
        flying: Iterable[tuple[Task, Attempt]] = (),
        stopped: Iterable[Task] = (),
    ) -> World:
        world = cls(step, {run.id: run for run in runs}, {job.seq: job for job in jobs})
        for edge in edges:
            world.down.setdefault(edge.upstream, []).append(edge)
        for job in sorted(world.jobs.values(), key=lambda job: job.seq):
            if job.repo is not None and job.state != JobState.DONE:
                world.turns.setdefault(job.repo, []).append(job.seq)
        world.absorb(row for task, attempt in flying for row in ((None, task), (None, attempt)))
        world.stopped = list(stopped)
        return world

    def in_state(self, state: str) -> Iterator[Job]:
        """The jobs in a state, oldest first."""
        return iter(sorted((job for job in self.jobs.values() if job.state == state), key=lambda job: job.seq))

    def stopping(self, job: Job) -> str | None:
        """Why a job starts nothing more, None if it does."""
        return endings.stopping(job, self.runs[job.run], self.step)

    def absorb(self, changes: Iterable[tuple[Any, Any]]) -> None:
        """Take over rows as the store now holds them."""
        self.stopped = []
        for _, row in changes:
            if isinstance(row, Task):
                self._absorb_task(row)
            elif isinstance(row, Attempt):
                if row.state == AttemptState.ENDED:
                    self.attempts.pop(row.task, None)
                else:
                    self.attempts[row.task] = row
            elif isinstance(row, Job):
                self.jobs[row.seq] = row
                if row.state == JobState.DONE and row.repo is not None:
                    self._leave_turn(row)
            elif isinstance(row, Run):
                self.runs[row.id] = row
                if row.state == RunState.DONE:
                    self._forget(row)

    def _absorb_task(self, task: Task) -> None:
        was = task.seq in self.tasks
        if task.state == TaskState.ACTIVE:
            self.tasks[task.seq] = task
            self.flying[task.job] = self.flying.get(task.job, 0) + (not was)
        elif was:
            del self.tasks[task.seq]
            self.flying[task.job] -= 1

    def _leave_turn(self, job: Job) -> None:
        assert job.repo is not None
        line = self.turns.get(job.repo, [])
        if job.seq in line:
            line.remove(job.seq)

    def _forget(self, run: Run) -> None:
        del self.runs[run.id]
        for seq in [seq for seq, job in self.jobs.items() if job.run == run.id]:
            del self.jobs[seq]
            self.down.pop(seq, None)
            self.flying.pop(seq, None)
