"""The rows that matter now: active runs with their jobs and edges, and the tasks in flight."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct, field

from penstock.engine import endings
from penstock.model.moves import AttemptState, JobState, RunState, TaskState
from penstock.model.run import Attempt, Edge, Job, Run, Task
from penstock.model.spec import Placing, Step

#: States that are looked for at every turn, so that nobody has to look at all jobs.
_SOUGHT = (JobState.EXPANDING, JobState.OPEN, JobState.EXPORTING, JobState.CLOSING)


class Kind(Struct, frozen=True):
    """What lone jobs have in common that are placed alike."""

    run: str
    pipeline: str
    version: int
    placing: Placing


class World(Struct):
    """Indexed rows. `absorb` brings in the changes of a turn.

    `ready` holds the lone jobs (one task, nothing stored that it depends on) that wait for nothing; nothing is written
    of them until there is room for their task.
    """

    step: Callable[[Job], Step]  #: the definition a job runs
    runs: dict[str, Run] = field(default_factory=dict)
    jobs: dict[int, Job] = field(default_factory=dict)
    down: dict[int, list[Edge]] = field(default_factory=dict)  #: upstream job -> edges from it
    turns: dict[str, list[int]] = field(default_factory=dict)  #: repo -> its publishing jobs not done, in order
    tasks: dict[int, Task] = field(default_factory=dict)  #: active ones
    attempts: dict[int, Attempt] = field(default_factory=dict)  #: task -> its live attempt
    flying: dict[int, int] = field(default_factory=dict)  #: job -> how many of its tasks are active
    stopped: list[Task] = field(default_factory=list)  #: tasks somebody stopped before they began, to be cancelled
    ready: dict[Kind, dict[int, None]] = field(default_factory=dict)  #: lone jobs that may begin, in the order of that
    hungry: dict[int, None] = field(default_factory=dict)  #: open jobs with tasks nobody has begun
    states: dict[str, dict[int, None]] = field(default_factory=lambda: {state: {} for state in _SOUGHT})

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
        world = cls(step, {run.id: run for run in runs})
        for edge in edges:
            world.down.setdefault(edge.upstream, []).append(edge)
        in_order = sorted(jobs, key=lambda job: job.seq)
        world.absorb((None, job) for job in in_order)
        for job in in_order:
            if job.repo is not None and job.state != JobState.DONE:
                world.turns.setdefault(job.repo, []).append(job.seq)
        world.absorb(row for task, attempt in flying for row in ((None, task), (None, attempt)))
        world.stopped = list(stopped)
        return world

    def in_state(self, state: str) -> Iterator[Job]:
        """The jobs in a state after `waiting` and before `done`, oldest first."""
        return map(self.jobs.__getitem__, sorted(self.states[state]))

    def stopping(self, job: Job) -> str | None:
        """Why a job starts nothing more, None if it does."""
        return endings.stopping(job, self.runs[job.run], self.step)

    def may_run(self, job: Job) -> bool:
        """Whether tasks of a job may be started now."""
        return not (job.hold or self.runs[job.run].hold or self.stopping(job))

    def ready_tasks(self, job: Job) -> int:
        """How many tasks of an open job nobody has begun."""
        return job.left - self.flying.get(job.seq, 0)

    def kind(self, job: Job) -> Kind:
        """What a lone job has in common with others."""
        return Kind(job.run, job.pipeline, job.version, self.step(job).placing)

    def absorb(self, changes: Iterable[tuple[Any, Any]]) -> None:
        """Take over rows as they are now."""
        self.stopped = []
        touched: set[int] = set()
        for _, row in changes:
            take = _TAKERS.get(type(row))
            if take is not None:
                take(self, row)
                if isinstance(row, (Job, Task)):
                    touched.add(row.seq if isinstance(row, Job) else row.job)
        for seq in touched:
            job = self.jobs.get(seq)
            if job is not None and job.state == JobState.OPEN and self.ready_tasks(job) > 0:
                self.hungry[seq] = None
            else:
                self.hungry.pop(seq, None)

    def _absorb_task(self, task: Task) -> None:
        was = task.seq in self.tasks
        if task.state == TaskState.ACTIVE:
            self.tasks[task.seq] = task
            self.flying[task.job] = self.flying.get(task.job, 0) + (not was)
        elif was:
            del self.tasks[task.seq]
            self.flying[task.job] -= 1

    def _absorb_attempt(self, attempt: Attempt) -> None:
        if attempt.state == AttemptState.ENDED:
            self.attempts.pop(attempt.task, None)
        else:
            self.attempts[attempt.task] = attempt

    def _absorb_job(self, job: Job) -> None:
        before = self.jobs.get(job.seq)
        self.jobs[job.seq] = job
        if before is None or before.state != job.state:
            if before is not None and before.state in self.states:
                del self.states[before.state][job.seq]
            if job.state in self.states:
                self.states[job.state][job.seq] = None
        if _may_begin(job):
            if self.step(job).lone:
                self.ready.setdefault(self.kind(job), {})[job.seq] = None
        elif before is not None and _may_begin(before):
            self._leave_ready(before)
        if job.state == JobState.DONE:
            self.flying.pop(job.seq, None)
            if job.repo is not None:
                self._leave_turn(job.repo, job.seq)

    def _leave_ready(self, job: Job) -> None:
        if self.step(job).lone:
            kind = self.kind(job)
            line = self.ready.get(kind, {})
            line.pop(job.seq, None)
            if not line:
                self.ready.pop(kind, None)

    def _absorb_run(self, run: Run) -> None:
        self.runs[run.id] = run
        if run.state == RunState.DONE:
            self._forget(run)

    def _leave_turn(self, repo: str, seq: int) -> None:
        line = self.turns.get(repo, [])
        if seq in line:
            line.remove(seq)

    def _forget(self, run: Run) -> None:
        del self.runs[run.id]
        for seq in [seq for seq, job in self.jobs.items() if job.run == run.id]:
            del self.jobs[seq]
            self.down.pop(seq, None)
            self.flying.pop(seq, None)
            self.hungry.pop(seq, None)


def _may_begin(job: Job) -> bool:
    return job.state == JobState.WAITING and job.waits == 0


_TAKERS: Mapping[type, Callable[[World, Any], None]] = {
    Task: World._absorb_task,
    Attempt: World._absorb_attempt,
    Job: World._absorb_job,
    Run: World._absorb_run,
}
