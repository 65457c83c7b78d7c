"""`react`: rows and facts in, changed rows out, nothing else. Every arrow of `model.moves` is taken here.

What has nothing to do in a state passes it in the same call, so one report can end a task, its job, its run, and begin
the jobs that waited for it. A function per fact, in the table at the end; `turn` holds the rows, `follow` what a
changed job leads to, `endings` how things end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import replace

from penstock.engine import endings, places
from penstock.engine.follow import begin_jobs, finish, settle, stop_or_settle
from penstock.engine.turn import Reaction, Turn
from penstock.engine.world import World
from penstock.model import facts as f
from penstock.model.moves import AttemptState, JobState, Outcome, Reason, TaskState, check_move, further
from penstock.model.run import Attempt, Job, Success, Task
from penstock.model.wire import Result

#: Counters of a job by the outcome of its tasks.
COUNTERS = {
    Outcome.SUCCEEDED: "processed",
    Outcome.FAILED: "failed",
    Outcome.CANCELLED: "cancelled",
    Outcome.TERMINATED: "failed",
    Outcome.RECOVERED: "recovered",
}


def react(world: World, facts: Sequence[f.Fact], now: int) -> Reaction:
    """Answer facts, in order. `now` in UTC microseconds. Raises IllegalMove on a defect, never on bad input."""
    turn = Turn(world, now)
    for fact in facts:
        _ANSWERS[type(fact)](turn, fact)
    begin_jobs(turn)
    return turn.reaction()


def _loaded(turn: Turn, _: f.Loaded) -> None:
    _recount(turn)
    for task in turn.world.stopped:
        if turn.job(task.job).state == JobState.OPEN:
            _cancel(turn, task, "stopped before it began")
    for seq in list(turn.world.jobs):
        job = turn.job(seq)
        if job.state != JobState.DONE:
            turn.may_begin.add(seq)
            stop_or_settle(turn, job)


def _recount(turn: Turn) -> None:
    """Count anew what jobs wait for: one may have been opened behind a job that ended before the engine knew."""
    waits: dict[int, int] = {}
    for upstream, edges in turn.world.down.items():
        if upstream in turn.world.jobs and turn.job(upstream).state != JobState.DONE:
            for edge in edges:
                waits[edge.job] = waits.get(edge.job, 0) + 1
    for seq in turn.world.jobs:
        job = turn.job(seq)
        if job.state == JobState.WAITING and job.waits != waits.get(seq, 0):
            turn.set_job(job, waits=waits.get(seq, 0))


def _cancel(turn: Turn, task: Task, message: str) -> None:
    """End a task that has no attempt because somebody stopped it."""
    job = turn.job(task.job)
    turn.out.changes.append((task, endings.cancelled(task, message, turn.now)))
    turn.set_job(job, cancelled=job.cancelled + 1, left=job.left - 1)


def _expanded(turn: Turn, fact: f.Expanded) -> None:
    job = turn.set_job(
        turn.job(fact.job),
        state=JobState.OPEN,
        inputs=fact.inputs,
        recipe=fact.recipe,
        parts=fact.parts,
        base=fact.base,
        ledger=fact.ledger,
        owners=fact.owners,
        tree=fact.tree,
        expanded=True,
        keys=fact.keys,
        total=fact.reused + fact.stored + len(fact.tasks),
        reused=fact.reused,
        failed=fact.failed,
        files=fact.files,
        message=fact.message,
        reading=fact.reading,
        layout=fact.layout,
        left=fact.stored + len(fact.tasks) - fact.failed,
    )
    turn.inserted += [(None, task) for task in fact.tasks]
    for task in fact.tasks:
        if task.state == TaskState.DONE:
            _tell_failed(turn, job, task)
    stop_or_settle(turn, job)


def _tell_failed(turn: Turn, job: Job, task: Task) -> None:
    """Tell of a task that failed without an attempt."""
    turn.tell("task.failed", job.run, task.id, job=job.id, reason=task.reason, message=task.message)


def _unreadable(turn: Turn, fact: f.Unreadable) -> None:
    # Its ledger lacks what its tasks gave, if any ran: no later job may build on it.
    job = turn.set_job(turn.job(fact.job), expanded=False)
    finish(turn, job, Outcome.FAILED, fact.reason, fact.message)


def _placed(turn: Turn, fact: f.Placed) -> None:
    job = turn.job(fact.job)
    for task, attempt in fact.placed:
        check_move("task", task.state, TaskState.ACTIVE)
        turn.out.changes.append((task, replace(task, state=TaskState.ACTIVE, attempts=attempt.number)))
        turn.out.changes.append((None, attempt))
    turn.flying[job.seq] = turn.flying.get(job.seq, 0) + len(fact.placed)
    _reach(turn, job, AttemptState.STAGING)


def _sent(turn: Turn, fact: f.Sent) -> None:
    job = turn.job(fact.job)
    if job.state != JobState.WAITING or job.waits:
        return  # it was promised to a worker, and something else happened
    check_move("job", job.state, JobState.EXPANDING)
    check_move("job", JobState.EXPANDING, JobState.OPEN)
    turn.start_run(job.run)
    turn.jobs[job.seq] = replace(
        job,
        state=JobState.OPEN,
        started=turn.now,
        expanded=True,
        parts=fact.parts,
        total=1,
        left=1,
        reached=AttemptState.STAGING,
    )
    turn.sent[fact.task.seq] = fact.task, fact.attempt
    turn.flying[job.seq] = 1


def _reach(turn: Turn, job: Job, state: str) -> Job:
    """Note how far an attempt of a job has come."""
    reached = further(job.reached, state)
    return job if reached == job.reached else turn.set_job(job, reached=reached)


def _reused(turn: Turn, fact: f.Reused) -> None:
    job = turn.job(fact.job)
    for task, known in fact.found:
        done = replace(
            task,
            state=TaskState.DONE,
            outcome=Outcome.SUCCEEDED,
            reason=None,
            message="",
            reused=True,
            output=known.output,
            files=known.files,
            reading=known.reading,
            finished=turn.now,
        )
        turn.out.changes.append((task, done))
    for task, message in fact.refused:
        failed = endings.collided(task, message, turn.now)
        turn.out.changes.append((task, failed))
        _tell_failed(turn, job, failed)
    good, bad = len(fact.found), len(fact.refused)
    job = turn.set_job(
        job,
        reused=job.reused + good,
        failed=job.failed + bad,
        left=job.left - good - bad,
        files=job.files + sum(known.files for _, known in fact.found),
    )
    stop_or_settle(turn, job)


def _began(turn: Turn, fact: f.Began) -> None:
    for seq, started in fact.running:
        attempt = turn.world.attempts.get(seq)
        if attempt is not None and attempt.token == started.token and attempt.started is None:
            turn.begun[seq] = replace(
                attempt,
                state=AttemptState.RUNNING,
                started=started.started,
                log_file=started.log_file,
                log_offset=started.log_offset,
            )
            _reach(turn, turn.job(turn.world.tasks[seq].job), AttemptState.RUNNING)


def _reported(turn: Turn, fact: f.Reported) -> None:
    by_job: dict[int, list[tuple[Task, Attempt, Result]]] = {}
    for seq, result in fact.results:
        # A report that comes twice, or after its lease was given to somebody else, changes nothing.
        mine = turn.end_attempt(seq, result.token)
        if mine is not None:
            by_job.setdefault(mine[0].job, []).append((*mine, result))
    for seq, ended in by_job.items():
        stop_or_settle(turn, _count(turn, _reach(turn, turn.job(seq), AttemptState.RUNNING), ended))


def _count(turn: Turn, job: Job, ended: list[tuple[Task, Attempt, Result]]) -> Job:
    """Write the ends of some attempts and add them up on their job."""
    step = turn.world.step(job)
    stopping = turn.stopping(job)
    added = dict.fromkeys((*COUNTERS.values(), "files", "terminated"), 0)
    left = 0
    moved: dict[str, None] = {}
    last: dict[str, Any] = {}
    for task, attempt, result in ended:
        stored = task.seq not in turn.sent
        new = endings.after(task, attempt, result, step, stopping, turn.now)
        turn.out.changes.append((task if stored else None, new))
        turn.out.changes.append((attempt if stored else None, endings.ended(attempt, result)))
        if new.state == TaskState.DONE:
            left += 1
            added[COUNTERS[Outcome(result.outcome)]] += 1
            added["terminated"] += result.outcome == Outcome.TERMINATED
            if step.lone:
                last = {"reason": new.reason, "message": new.message, "exit_code": result.exit_code}
            if new.outcome == Outcome.SUCCEEDED:
                added["files"] += new.files
                moved |= dict.fromkeys(result.moved)
                if task.reuse and not result.moved:
                    turn.out.changes.append((None, Success(task.fingerprint, new.reading, task.seq, turn.now)))
        turn.out.places += places.left(job, step, task, result)
        if result.outcome in (Outcome.FAILED, Outcome.RECOVERED):
            kind = "task.retry" if new.state != TaskState.DONE else f"task.{result.outcome}"
            turn.tell(kind, job.run, task.id, job=job.id, reason=result.reason, message=result.message)
    values = {name: getattr(job, name) + value for name, value in added.items() if value}
    if moved:
        last |= places.moved(job, moved)
    return turn.set_job(
        job, left=job.left - left, **values, **last, **endings.costs(job, [result.stats for *_, result in ended])
    )


def _returned(turn: Turn, fact: f.Returned) -> None:
    touched: dict[int, int] = {}
    for seq in fact.tasks:
        mine = turn.end_attempt(seq)
        if mine is None:
            continue
        task, attempt = mine
        over = replace(
            turn.begun.get(seq, attempt),
            state=AttemptState.ENDED,
            outcome=Outcome.FAILED if fact.lost else Outcome.CANCELLED,
            reason=Reason.LOST if fact.lost else Reason.USER,
            message=fact.message,
            ended=turn.now,
        )
        turn.out.changes.append((attempt, over))
        if task.stop is not None:
            _cancel(turn, task, "stopped")
        else:
            again = replace(task, state=TaskState.READY, crashes=task.crashes + fact.crashed)
            turn.out.changes.append((task, again))
        if fact.lost and over.started is not None:
            turn.out.places += places.lost(turn.job(task.job), turn.world.step(turn.job(task.job)), task)
        touched[task.job] = touched.get(task.job, 0) + 1
    for seq, count in touched.items():
        job = turn.job(seq)
        if fact.lost:
            turn.tell("task.lost", job.run, job.id, tasks=count, message=fact.message)
            job = turn.set_job(job, restarts=job.restarts + count)
        # Whoever asked the job to stop meant these too.
        stop_or_settle(turn, job)


def _exported(turn: Turn, fact: f.Exported) -> None:
    job = turn.job(fact.job)
    if job.state != JobState.EXPORTING:
        return  # somebody stopped it, and what is said of it comes too late
    if fact.trouble is not None:
        turn.tell("job.export", job.run, job.id, message=fact.trouble)
    state = JobState.CLOSING if fact.over else JobState.EXPORTING
    settle(turn, turn.set_job(job, state=state, unexported=fact.trouble))


def _closed(turn: Turn, fact: f.Closed) -> None:
    job = turn.job(fact.job)
    job = turn.set_job(
        job,
        ledger=fact.ledger,
        owners=fact.owners,
        tree=fact.tree,
        files=fact.files,
        size=fact.size,
        reading=fact.reading,
    )
    outcome, reason, message = endings.fold_tasks(job, turn.asked(job))
    turn.out.places += [(replace(place, good=outcome == Outcome.SUCCEEDED), True) for place in fact.places]
    if fact.commit is not None:
        good = outcome == Outcome.SUCCEEDED
        turn.inserted.append((None, fact.commit if good else replace(fact.commit, error=message or outcome)))
        if good and fact.branch is not None:
            turn.moved_heads.append((fact.branch, replace(fact.branch, head=fact.commit.id)))
        turn.out.durable = True
    finish(turn, job, outcome, reason, message or (fact.message if outcome == Outcome.SUCCEEDED else ""))


_ANSWERS: dict[type, Callable[[Turn, Any], None]] = {
    f.Loaded: _loaded,
    f.Expanded: _expanded,
    f.Unreadable: _unreadable,
    f.Placed: _placed,
    f.Sent: _sent,
    f.Reused: _reused,
    f.Began: _began,
    f.Reported: _reported,
    f.Returned: _returned,
    f.Exported: _exported,
    f.Closed: _closed,
}
