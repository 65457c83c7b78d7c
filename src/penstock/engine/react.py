"""`react`: rows and facts in, changed rows out, nothing else. Every arrow of `model.moves` is taken here.

What has nothing to do in a state passes it in the same call, so one report can end a task, its job, its run, and begin
the jobs that waited for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from penstock.engine import endings
from penstock.engine.world import World
from penstock.model import facts as f
from penstock.model.moves import (
    AttemptState,
    JobState,
    Outcome,
    Reason,
    RunState,
    TaskState,
    check_move,
    further,
)
from penstock.model.run import Attempt, Event, Job, Run, Success, Task
from penstock.model.wire import Result

#: Counters of a job by the outcome of its tasks.
COUNTERS = {
    Outcome.SUCCEEDED: "processed",
    Outcome.FAILED: "failed",
    Outcome.CANCELLED: "cancelled",
    Outcome.TERMINATED: "failed",
    Outcome.RECOVERED: "recovered",
}


class Reaction(Struct):
    """What follows: rows to write (old, new; old None: to insert) and jobs whose ready tasks are all cancelled."""

    changes: list[tuple[Any, Any]] = field(default_factory=list)
    cancel_ready: list[tuple[int, str]] = field(default_factory=list)  #: (job, reason)
    events: list[Event] = field(default_factory=list)
    durable: bool = False  #: somebody is told about it: it must survive a power cut


def react(world: World, facts: Sequence[f.Fact], now: int) -> Reaction:
    """Answer facts, in order. `now` in UTC microseconds. Raises IllegalMove on a defect, never on bad input."""
    turn = _Turn(world, now)
    for fact in facts:
        turn.handlers[type(fact)](fact)
    turn.begin_jobs()
    return turn.reaction()


class _Turn:
    """One call of `react`: the rows changed so far, over the world as it was."""

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
        self.moved_heads: list[tuple[Any, Any]] = []
        self.out = Reaction()
        self.handlers: dict[type, Callable[[Any], None]] = {
            f.Loaded: self.loaded,
            f.Expanded: self.expanded,
            f.Unreadable: self.unreadable,
            f.Placed: self.placed,
            f.Reused: self.reused,
            f.Began: self.began,
            f.Reported: self.reported,
            f.Returned: self.returned,
            f.Closed: self.closed,
        }

    # Rows as they are now, and how they change.

    def job(self, seq: int) -> Job:
        return self.jobs.get(seq) or self.world.jobs[seq]

    def run(self, run_id: str) -> Run:
        return self.runs.get(run_id) or self.world.runs[run_id]

    def set_job(self, job: Job, **values: Any) -> Job:
        new = replace(job, **values)
        check_move("job", job.state, new.state)
        self.jobs[job.seq] = new
        if new.state != job.state:
            self.tell(f"job.{new.state}", job.run, job.id, outcome=new.outcome, reason=new.reason)
        return new

    def tell(self, kind: str, run: str | None, subject: str, **data: Any) -> None:
        kept = {name: value for name, value in data.items() if value not in (None, "")}
        self.out.events.append(Event(self.now, kind, run, subject, kept))

    def end_attempt(self, seq: int, token: int | None = None) -> tuple[Task, Attempt] | None:
        """A task and its live attempt, once, for whoever ends it; None when that is over, or fenced off by `token`."""
        task, attempt = self.world.tasks.get(seq), self.world.attempts.get(seq)
        if task is None or attempt is None or seq in self.ended or token not in (None, attempt.token):
            return None
        self.ended.add(seq)
        self.flying[task.job] = self.flying.get(task.job, 0) - 1
        return task, attempt

    def in_flight(self, job: int) -> int:
        return self.world.flying.get(job, 0) + self.flying.get(job, 0)

    def reaction(self) -> Reaction:
        changes = self.out.changes
        changes += [(self.world.jobs[seq], job) for seq, job in self.jobs.items()]
        changes += [(self.world.runs[key], run) for key, run in self.runs.items()]
        # A row changes once in a turn: what began and ended in it is written as ended.
        begun = ((seq, attempt) for seq, attempt in self.begun.items() if seq not in self.ended)
        changes += [(self.world.attempts[seq], attempt) for seq, attempt in begun]
        changes += self.inserted
        changes += self.moved_heads
        return self.out

    # Facts.

    def loaded(self, _: f.Loaded) -> None:
        self.recount()
        for seq in list(self.world.jobs):
            job = self.job(seq)
            if job.state == JobState.DONE:
                continue
            self.may_begin.add(seq)
            reason = job.stop or self.run(job.run).stop
            if reason is not None:
                self.stop_job(job, reason)
            else:
                self.settle(job)

    def recount(self) -> None:
        """Count anew what jobs wait for: one may have been opened behind a job that ended before the engine knew."""
        waits: dict[int, int] = {}
        for upstream, edges in self.world.down.items():
            if upstream in self.world.jobs and self.job(upstream).state != JobState.DONE:
                for edge in edges:
                    waits[edge.job] = waits.get(edge.job, 0) + 1
        for seq in self.world.jobs:
            job = self.job(seq)
            if job.state == JobState.WAITING and job.waits != waits.get(seq, 0):
                self.set_job(job, waits=waits.get(seq, 0))

    def stop_job(self, job: Job, reason: str) -> None:
        if job.state in (JobState.WAITING, JobState.EXPANDING):
            self.finish(job, Outcome.CANCELLED, reason)
        elif job.state == JobState.OPEN:
            ready = job.left - self.in_flight(job.seq)
            if ready:
                self.out.cancel_ready.append((job.seq, reason))
                job = self.set_job(job, cancelled=job.cancelled + ready, left=job.left - ready)
            self.settle(job)

    def expanded(self, fact: f.Expanded) -> None:
        job = self.job(fact.job)
        job = self.set_job(
            job,
            state=JobState.OPEN,
            inputs=fact.inputs,
            recipe=fact.recipe,
            parts=fact.parts,
            base=fact.base,
            ledger=fact.ledger,
            owners=fact.owners,
            tree=fact.tree,
            expanded=True,
            total=fact.reused + len(fact.tasks),
            reused=fact.reused,
            files=fact.files,
            message=fact.message,
            left=len(fact.tasks),
        )
        self.inserted += [(None, task) for task in fact.tasks]
        self.settle(job)

    def unreadable(self, fact: f.Unreadable) -> None:
        # Its ledger lacks what its tasks gave, if any ran: no later job may build on it.
        job = self.set_job(self.job(fact.job), expanded=False)
        self.finish(job, Outcome.FAILED, fact.reason, fact.message)

    def placed(self, fact: f.Placed) -> None:
        job = self.job(fact.job)
        for task, attempt in fact.placed:
            check_move("task", task.state, TaskState.ACTIVE)
            self.out.changes.append((task, replace(task, state=TaskState.ACTIVE, attempts=attempt.number)))
            self.out.changes.append((None, attempt))
        self.flying[job.seq] = self.flying.get(job.seq, 0) + len(fact.placed)
        if job.reached != AttemptState.RUNNING:
            self.set_job(job, reached=further(job.reached, AttemptState.RUNNING))

    def reused(self, fact: f.Reused) -> None:
        job = self.job(fact.job)
        for task, success in fact.found:
            done = replace(
                task,
                state=TaskState.DONE,
                outcome=Outcome.SUCCEEDED,
                reason=None,
                message="",
                reused=True,
                output=success.output,
                files=success.files,
                finished=self.now,
            )
            self.out.changes.append((task, done))
        count = len(fact.found)
        files = sum(success.files for _, success in fact.found)
        self.settle(self.set_job(job, reused=job.reused + count, left=job.left - count, files=job.files + files))

    def began(self, fact: f.Began) -> None:
        for seq, started in fact.running:
            attempt = self.world.attempts.get(seq)
            if attempt is not None and attempt.token == started.token and attempt.started is None:
                self.begun[seq] = replace(
                    attempt,
                    state=AttemptState.RUNNING,
                    started=started.started,
                    log_file=started.log_file,
                    log_offset=started.log_offset,
                )

    def reported(self, fact: f.Reported) -> None:
        by_job: dict[int, list[tuple[Task, Attempt, Result]]] = {}
        for seq, result in fact.results:
            # A report that comes twice, or after its lease was given to somebody else, changes nothing.
            mine = self.end_attempt(seq, result.token)
            if mine is not None:
                by_job.setdefault(mine[0].job, []).append((*mine, result))
        for seq, ended in by_job.items():
            self.settle(self.count(self.job(seq), ended))

    def count(self, job: Job, ended: list[tuple[Task, Attempt, Result]]) -> Job:
        """Write the ends of some attempts and add them up on their job."""
        tries = self.world.step(job).retry.tries
        stopping = job.stop or self.run(job.run).stop
        added = dict.fromkeys((*COUNTERS.values(), "files", "download_bytes", "upload_bytes"), 0)
        seconds, left = 0.0, 0
        for task, attempt, result in ended:
            self.out.changes.append((attempt, endings.ended(attempt, result)))
            new = endings.after(task, result, tries, stopping, self.now)
            self.out.changes.append((task, new))
            added["download_bytes"] += result.stats.download_bytes
            added["upload_bytes"] += result.stats.upload_bytes
            seconds += result.stats.process_seconds
            if new.state == TaskState.DONE:
                left += 1
                added[COUNTERS[Outcome(result.outcome)]] += 1
                if new.outcome == Outcome.SUCCEEDED:
                    added["files"] += new.files
                    if task.reuse:
                        self.out.changes.append(
                            (None, Success(task.fingerprint, new.output, new.files, task.id, job.id, self.now))
                        )
            if result.outcome == Outcome.FAILED:
                kind = "task.failed" if new.state == TaskState.DONE else "task.retry"
                self.tell(kind, job.run, task.id, job=job.id, reason=result.reason, message=result.message)
        values: dict[str, Any] = {name: getattr(job, name) + value for name, value in added.items() if value}
        values["process_seconds"] = job.process_seconds + seconds
        return self.set_job(job, left=job.left - left, **values)

    def returned(self, fact: f.Returned) -> None:
        touched: dict[int, int] = {}
        for seq in fact.tasks:
            mine = self.end_attempt(seq)
            if mine is None:
                continue
            task, attempt = mine
            reason = Reason.LOST if fact.lost else Reason.USER
            over = replace(
                self.begun.get(seq, attempt),
                state=AttemptState.ENDED,
                outcome=Outcome.FAILED if fact.lost else Outcome.CANCELLED,
                reason=reason,
                message=fact.message,
                ended=self.now,
            )
            self.out.changes.append((attempt, over))
            self.out.changes.append((task, replace(task, state=TaskState.READY)))
            touched[task.job] = touched.get(task.job, 0) + 1
        for seq, count in touched.items():
            job = self.job(seq)
            if fact.lost:
                self.tell("task.lost", job.run, job.id, tasks=count, message=fact.message)
            # Whoever asked the job to stop meant these too.
            reason_to_stop = job.stop or self.run(job.run).stop
            if reason_to_stop is not None:
                self.stop_job(job, reason_to_stop)

    def closed(self, fact: f.Closed) -> None:
        job = self.job(fact.job)
        job = self.set_job(
            job, ledger=fact.ledger, owners=fact.owners, tree=fact.tree, files=fact.files, size=fact.size
        )
        outcome, reason, message = endings.fold_tasks(job, job.stop or self.run(job.run).stop)
        if fact.commit is not None:
            good = outcome == Outcome.SUCCEEDED
            self.inserted.append((None, fact.commit if good else replace(fact.commit, error=message or outcome)))
            if good and fact.branch is not None:
                self.moved_heads.append((fact.branch, replace(fact.branch, head=fact.commit.id)))
            self.out.durable = True
        self.finish(job, outcome, reason, message)

    # Consequences.

    def settle(self, job: Job) -> None:
        """Move a job on as far as nothing has to be done for it."""
        if job.state == JobState.OPEN and job.left == 0:
            job = self.set_job(job, state=JobState.EXPORTING)
        if job.state == JobState.EXPORTING:
            job = self.set_job(job, state=JobState.CLOSING)
        if job.state == JobState.CLOSING and job.repo is None and job.files == 0:
            outcome, reason, message = endings.fold_tasks(job, job.stop or self.run(job.run).stop)
            self.finish(job, outcome, reason, message)

    def finish(self, job: Job, outcome: str, reason: str | None, message: str = "") -> None:
        """End a job, and every job downstream that cannot go on without it."""
        # Not a recursion: a chain of jobs may be longer than the stack is deep.
        over = [self.end_job(job, outcome, reason, message)]
        for upstream in over:
            for edge in self.world.down.get(upstream.seq, ()):
                known = edge.job in self.world.jobs
                if known and self.job(edge.job).state == JobState.WAITING:
                    over += self.upstream_ended(self.job(edge.job), upstream, edge.needs)

    def end_job(self, job: Job, outcome: str, reason: str | None, message: str = "") -> Job:
        said = message or job.message
        job = self.set_job(job, state=JobState.DONE, outcome=outcome, reason=reason, message=said, finished=self.now)
        if job.repo is not None:
            self.may_begin.update(self.world.turns.get(job.repo, ()))
        run = self.run(job.run)
        self.runs[run.id] = run = replace(run, left=run.left - 1)
        if run.left == 0:
            self.finish_run(run)
        return job

    def upstream_ended(self, job: Job, upstream: Job, needs: str) -> list[Job]:
        """One wait less for a job; or its own end, which is returned."""
        goes_on = upstream.outcome == Outcome.SUCCEEDED or needs == "end"
        if goes_on or self.world.step(job).on_upstream_failure == "continue" and not _reads(job, upstream):
            self.set_job(job, waits=job.waits - 1)
            self.may_begin.add(job.seq)
            return []
        stop = job.stop or self.run(job.run).stop
        if stop is not None:
            return [self.end_job(job, Outcome.CANCELLED, stop)]
        job = self.set_job(job, failed_upstream=upstream.id)
        return [self.end_job(job, Outcome.CANCELLED, Reason.UPSTREAM, f"{upstream.id} did not succeed")]

    def finish_run(self, run: Run) -> None:
        jobs = [self.job(seq) for seq, job in self.world.jobs.items() if job.run == run.id]
        outcome, reason = endings.fold_jobs(jobs, run.stop)
        self.runs[run.id] = replace(run, state=RunState.DONE, outcome=outcome, reason=reason, finished=self.now)
        check_move("run", run.state, RunState.DONE)
        self.tell("run.done", run.id, run.id, outcome=outcome, reason=reason)
        self.out.durable = True

    def begin_jobs(self) -> None:
        """Let every waiting job begin that waits for nothing and whose turn it is."""
        for seq in sorted(self.may_begin):
            job = self.job(seq)
            if job.state != JobState.WAITING or job.waits or job.hold:
                continue
            run = self.run(job.run)
            if run.state != RunState.ACTIVE or run.hold or not self.its_turn(job):
                continue
            if run.started is None:
                self.runs[run.id] = replace(run, started=self.now)
            self.set_job(job, state=JobState.EXPANDING, started=self.now)

    def its_turn(self, job: Job) -> bool:
        if job.repo is None:
            return True
        ahead = (seq for seq in self.world.turns.get(job.repo, ()) if seq < job.seq)
        return all(self.job(seq).state == JobState.DONE for seq in ahead)


def _reads(job: Job, upstream: Job) -> bool:
    return upstream.repo is not None and any(item.repo == upstream.repo for item in job.inputs)
