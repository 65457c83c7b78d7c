"""One call of `react`: the rows changed so far over the world as it was, and what has to be written of them."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from penstock.engine import endings
from penstock.engine.world import World
from penstock.model.moves import check_move
from penstock.model.run import Attempt, Event, Job, Place, Run, Task


class Reaction(Struct):
    """What follows: rows to write (old, new; old None: to insert) and jobs whose ready tasks are all cancelled."""

    changes: list[tuple[Any, Any]] = field(default_factory=list)
    cancel_ready: list[tuple[int, str]] = field(default_factory=list)  #: (job, reason)
    events: list[Event] = field(default_factory=list)
    places: list[tuple[Place, bool]] = field(default_factory=list)  #: files in place; whether the try wrote them
    durable: bool = False  #: somebody is told about it: it must survive a power cut


class Turn:
    """Rows as they are by now, and the only ways to change them."""

    def __init__(self, world: World, now: int) -> None:
        self.world = world
        self.now = now
        self.jobs: dict[int, Job] = {}
        self.runs: dict[str, Run] = {}
        self.flying: dict[int, int] = {}
        self.may_begin: set[int] = set()
        self.begun: dict[int, Attempt] = {}
        self.ended: set[int] = set()
        self.inserted: list[tuple[Any, Any]] = []
        self.sent: dict[int, tuple[Task, Attempt]] = {}
        self.moved_heads: list[tuple[Any, Any]] = []
        self.out = Reaction()

    def job(self, seq: int) -> Job:
        return self.jobs.get(seq) or self.world.jobs[seq]

    def run(self, run_id: str) -> Run:
        return self.runs.get(run_id) or self.world.runs[run_id]

    def set_job(self, job: Job, **values: Any) -> Job:
        new = replace(job, **values)
        check_move("job", job.state, new.state)
        self.jobs[job.seq] = new
        return new

    def start_run(self, run_id: str) -> None:
        """Note that the first job of a run begins."""
        run = self.run(run_id)
        if run.started is None:
            self.set_run(run, started=self.now)

    def set_run(self, run: Run, **values: Any) -> Run:
        self.runs[run.id] = new = replace(run, **values)
        check_move("run", run.state, new.state)
        return new

    def tell(self, kind: str, run: str | None, subject: str, **data: Any) -> None:
        kept = {name: value for name, value in data.items() if value not in (None, "")}
        self.out.events.append(Event(self.now, kind, run, subject, kept))

    def asked(self, job: Job) -> str | None:
        """Why somebody asked a job to end."""
        return job.stop or self.run(job.run).stop

    def stopping(self, job: Job) -> str | None:
        """Why a job starts nothing more: somebody asked it to, or its first failure is enough."""
        return endings.stopping(job, self.run(job.run), self.world.step)

    def end_attempt(self, seq: int, token: int | None = None) -> tuple[Task, Attempt] | None:
        """A task and its live attempt, once, for whoever ends it; None when that is over, or fenced off by `token`."""
        task, attempt = self.sent.get(seq) or (self.world.tasks.get(seq), self.world.attempts.get(seq))
        if task is None or attempt is None or seq in self.ended or token not in (None, attempt.token):
            return None
        self.ended.add(seq)
        self.flying[task.job] = self.flying.get(task.job, 0) - 1
        return task, attempt

    def in_flight(self, job: int) -> int:
        return self.world.flying.get(job, 0) + self.flying.get(job, 0)

    def _tell_jobs(self) -> None:
        """One event for each job that moved on, however far."""
        for seq, job in self.jobs.items():
            if job.state != self.world.jobs[seq].state:
                self.tell(f"job.{job.state}", job.run, job.id, outcome=job.outcome, reason=job.reason)

    def reaction(self) -> Reaction:
        """All that changed."""
        self._tell_jobs()
        for run in self.runs.values():
            if run.state != self.world.runs[run.id].state:
                self.tell(f"run.{run.state}", run.id, run.id, outcome=run.outcome, reason=run.reason)
        changes = self.out.changes
        changes += [(self.world.jobs[seq], job) for seq, job in self.jobs.items()]
        changes += [(self.world.runs[key], run) for key, run in self.runs.items()]
        # A row changes once in a turn: what began and ended in it is written as ended.
        begun = ((seq, attempt) for seq, attempt in self.begun.items() if seq not in self.ended)
        changes += [(self.world.attempts[seq], attempt) for seq, attempt in begun]
        changes += self.inserted
        changes += ((None, row) for seq, rows in self.sent.items() if seq not in self.ended for row in rows)
        changes += self.moved_heads
        return self.out
