"""How things end: what a result makes of its attempt and its task, tasks of their job, jobs of their run."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from penstock.model.data import EMPTY
from penstock.model.moves import AttemptState, Outcome, Reason, TaskState
from penstock.model.run import Attempt, Job, Task
from penstock.model.wire import Result


def ended(attempt: Attempt, result: Result) -> Attempt:
    """The attempt with all that its worker says of it."""
    log = result.log
    stats = result.stats
    return replace(
        attempt,
        state=AttemptState.ENDED,
        outcome=result.outcome,
        reason=result.reason,
        exit_code=result.exit_code,
        message=result.message,
        started=result.started,
        ended=result.ended,
        log_file=log.file if log else None,
        log_offset=log.offset if log else 0,
        log_length=log.length if log else 0,
        download_bytes=stats.download_bytes,
        upload_bytes=stats.upload_bytes,
        download_seconds=stats.download_seconds,
        process_seconds=stats.process_seconds,
        upload_seconds=stats.upload_seconds,
        cpu_seconds=stats.cpu_seconds,
        peak_memory=stats.peak_memory,
    )


def after(task: Task, result: Result, tries: int, stopping: str | None, now: int) -> Task:
    """The task after an attempt: done, or ready for another one."""
    used = task.tries + 1
    if result.outcome == Outcome.CANCELLED and stopping is None:
        return replace(task, state=TaskState.READY)
    # Writing over a sibling would only happen again.
    again = result.outcome == Outcome.FAILED and used < tries and stopping is None and result.reason != Reason.COLLISION
    if again:
        return replace(task, state=TaskState.READY, tries=used, reason=result.reason, message=result.message)
    good = result.outcome == Outcome.SUCCEEDED
    return replace(
        task,
        state=TaskState.DONE,
        outcome=result.outcome,
        reason=result.reason if stopping is None or good else result.reason or stopping,
        message=result.message,
        tries=used,
        output=result.output if good else EMPTY,
        files=result.files if good else 0,
        finished=now,
    )


def fold_tasks(job: Job, stop: str | None) -> tuple[str, str | None, str]:
    """Outcome, reason and message of a job whose tasks are all done. `stop`: why it was asked to end."""
    if stop is not None and (job.cancelled or job.failed):
        return Outcome.CANCELLED, stop, ""
    if job.failed:
        return Outcome.FAILED, Reason.TASKS, f"{job.failed} of {job.total} tasks failed"
    return Outcome.SUCCEEDED, None, ""


def fold_jobs(jobs: Sequence[Job], stop: str | None) -> tuple[str, str | None]:
    """Outcome and reason of a run whose jobs are all done. `stop`: why it was asked to end."""
    outcomes = {job.outcome for job in jobs}
    if outcomes <= {Outcome.SUCCEEDED}:
        return Outcome.SUCCEEDED, None
    if stop is not None:
        return Outcome.CANCELLED, stop
    if Outcome.FAILED in outcomes:
        return Outcome.FAILED, Reason.TASKS
    return Outcome.CANCELLED, next((job.reason for job in jobs if job.outcome == Outcome.CANCELLED), None)
