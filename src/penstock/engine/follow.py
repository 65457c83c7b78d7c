"""What follows from a changed row: jobs that settle, end or begin, and runs that end with their last job."""

from __future__ import annotations

from penstock.engine import endings, places
from penstock.engine.turn import Turn
from penstock.model.moves import JobState, Outcome, Reason, RunState
from penstock.model.run import Job, Run


def settle(turn: Turn, job: Job) -> None:
    """Move a job on as far as nothing has to be done for it."""
    if job.state == JobState.OPEN and job.left == 0:
        job = turn.set_job(job, state=JobState.EXPORTING)
    if job.state == JobState.EXPORTING:
        job = _past_export(turn, job)
    closes = job.repo is not None or job.files > 0 or places.shares(turn.world.step(job))
    if job.state == JobState.CLOSING and not closes:
        finish(turn, job, *endings.fold_tasks(job, turn.asked(job)))


def _past_export(turn: Turn, job: Job) -> Job:
    """Move a job on whose output is copied nowhere: only what is good is, and only until somebody stops it."""
    if turn.world.step(job).export is None or job.failed or job.cancelled:
        return turn.set_job(job, state=JobState.CLOSING)
    if turn.asked(job) is not None:
        why = job.unexported or "stopped before its output was copied"
        return turn.set_job(job, state=JobState.CLOSING, unexported=why)
    return job


def stop_or_settle(turn: Turn, job: Job) -> None:
    """Cancel what a job has not begun if it is to start nothing more; then see where it stands."""
    reason = turn.stopping(job)
    if reason is None:
        settle(turn, job)
    elif job.state in (JobState.WAITING, JobState.EXPANDING):
        if job.state == JobState.EXPANDING:
            turn.out.cancel_ready.append((job.seq, reason))  # what an engine stored of its tasks that then died
        finish(turn, job, Outcome.CANCELLED, reason)
    elif job.state in (JobState.OPEN, JobState.EXPORTING):
        ready = job.left - turn.in_flight(job.seq)
        if ready:
            turn.out.cancel_ready.append((job.seq, reason))
            job = turn.set_job(job, cancelled=job.cancelled + ready, left=job.left - ready)
        settle(turn, job)


def finish(turn: Turn, job: Job, outcome: str, reason: str | None, message: str = "") -> None:
    """End a job, and every job downstream that cannot go on without it."""
    # Not a recursion: a chain of jobs may be longer than the stack is deep.
    over = [_end_job(turn, job, outcome, reason, message)]
    for upstream in over:
        for edge in turn.world.down.get(upstream.seq, ()):
            known = edge.job in turn.world.jobs
            if known and turn.job(edge.job).state == JobState.WAITING:
                over += _upstream_ended(turn, turn.job(edge.job), upstream, edge.needs)


def _end_job(turn: Turn, job: Job, outcome: str, reason: str | None, message: str = "") -> Job:
    said = message or job.message
    job = turn.set_job(job, state=JobState.DONE, outcome=outcome, reason=reason, message=said, finished=turn.now)
    if job.repo is not None:
        turn.may_begin.update(turn.world.turns.get(job.repo, ()))
    run = turn.run(job.run)
    run = turn.set_run(run, left=run.left - 1)
    if run.left == 0:
        _finish_run(turn, run)
    return job


def _upstream_ended(turn: Turn, job: Job, upstream: Job, needs: str) -> list[Job]:
    """One wait less for a job; or its own end, which is returned."""
    goes_on = upstream.outcome == Outcome.SUCCEEDED or needs == "end"
    if goes_on or turn.world.step(job).on_upstream_failure == "continue" and not _reads(job, upstream):
        turn.set_job(job, waits=job.waits - 1)
        turn.may_begin.add(job.seq)
        return []
    stop = turn.asked(job)
    if stop is not None:
        return [_end_job(turn, job, Outcome.CANCELLED, stop)]
    job = turn.set_job(job, failed_upstream=upstream.id)
    return [_end_job(turn, job, Outcome.CANCELLED, Reason.UPSTREAM, f"{upstream.id} did not succeed")]


def _reads(job: Job, upstream: Job) -> bool:
    return upstream.repo is not None and any(item.repo == upstream.repo for item in job.inputs)


def _finish_run(turn: Turn, run: Run) -> None:
    jobs = [turn.job(seq) for seq, job in turn.world.jobs.items() if job.run == run.id]
    outcome, reason = endings.fold_jobs(jobs, run.stop)
    turn.set_run(run, state=RunState.DONE, outcome=outcome, reason=reason, finished=turn.now)
    turn.out.durable = True


def begin_jobs(turn: Turn) -> None:
    """Let every waiting job begin that waits for nothing and whose turn it is; a lone one when there is room for it."""
    for seq in sorted(turn.may_begin):
        job = turn.job(seq)
        if job.state != JobState.WAITING or job.waits or job.hold:
            continue
        run = turn.run(job.run)
        if run.state != RunState.ACTIVE or run.hold or not _its_turn(turn, job) or turn.world.step(job).lone:
            continue
        turn.start_run(job.run)
        turn.set_job(job, state=JobState.EXPANDING, started=turn.now)


def _its_turn(turn: Turn, job: Job) -> bool:
    if job.repo is None:
        return True
    ahead = (seq for seq in turn.world.turns.get(job.repo, ()) if seq < job.seq)
    return all(turn.job(seq).state == JobState.DONE for seq in ahead)
