"""How things end: what a result makes of its attempt and its task, tasks of their job, jobs of their run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from penstock.engine.retry import grown, next_try
from penstock.model.data import EMPTY
from penstock.model.moves import AttemptState, Outcome, Reason, TaskState
from penstock.model.run import Attempt, Job, Run, Task
from penstock.model.spec import Step
from penstock.model.wire import Result, Stats


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


def costs(job: Job, stats: Sequence[Stats]) -> dict[str, float]:
    """What a job has cost with some attempts more; every try counts."""
    return {
        "download_bytes": job.download_bytes + sum(item.download_bytes for item in stats),
        "upload_bytes": job.upload_bytes + sum(item.upload_bytes for item in stats),
        "download_seconds": job.download_seconds + sum(item.download_seconds for item in stats),
        "process_seconds": job.process_seconds + sum(item.process_seconds for item in stats),
        "upload_seconds": job.upload_seconds + sum(item.upload_seconds for item in stats),
        "cpu_seconds": job.cpu_seconds + sum(item.cpu_seconds for item in stats),
        "peak_memory": max(job.peak_memory, *(item.peak_memory for item in stats)),
    }


def stopping(job: Job, run: Run, step: Callable[[Job], Step]) -> str | None:
    """Why a job starts nothing more: somebody asked it or its run to end, or its first failed task is enough."""
    asked = job.stop or run.stop
    if asked is None and job.failed and step(job).fail == "fast":
        return Reason.TASKS
    return asked


def cancelled(task: Task, message: str, now: int) -> Task:
    """A task that somebody stopped while it had no attempt."""
    return replace(
        task, state=TaskState.DONE, outcome=Outcome.CANCELLED, reason=task.stop, message=message, finished=now
    )


def collided(task: Task, message: str, now: int) -> Task:
    """A task whose result was known before it ran, and cannot be had beside what another one wrote."""
    return replace(
        task, state=TaskState.DONE, outcome=Outcome.FAILED, reason=Reason.COLLISION, message=message, finished=now
    )


def after(task: Task, attempt: Attempt, result: Result, step: Step, stopping: str | None, now: int) -> Task:
    """The task after an attempt: done, or ready for another one. `stopping`: why its job starts nothing more."""
    used = task.tries + 1
    stopping = task.stop or stopping
    if stopping is None:
        if result.outcome == Outcome.CANCELLED or (result.outcome == Outcome.FAILED and task.again == attempt.number):
            return replace(task, state=TaskState.READY)
        cut = result.reason == Reason.WALLTIME and result.outcome == Outcome.FAILED
        if cut and task.crashes + 1 < step.retry.crashes:
            # Its place ended before it did; elsewhere there may be more time.
            return replace(task, state=TaskState.READY, crashes=task.crashes + 1, message=result.message)
        rule = next_try(step.retry, used, result.outcome, result.reason, result.exit_code)
        if rule is not None:
            memory, seconds = needs(task, step)
            seconds = seconds or step.retry.timeout
            more = grown(rule, result.reason, memory, seconds)
            changed = {} if more == (memory, seconds) else {"memory": more[0], "seconds": more[1]}
            return replace(
                task, state=TaskState.READY, tries=used, reason=result.reason, message=result.message, **changed
            )
    good = result.outcome == Outcome.SUCCEEDED
    return replace(
        task,
        state=TaskState.DONE,
        outcome=result.outcome,
        reason=stopping if result.outcome == Outcome.CANCELLED else result.reason,
        message=result.message,
        tries=used,
        output=result.output if good else EMPTY,
        files=result.files if good else 0,
        reading=result.reading if good else EMPTY,
        finished=now,
    )


def needs(task: Task, step: Step) -> tuple[int, float | None]:
    """The memory in bytes and the time in seconds that the next attempt of a task asks for."""
    return task.memory or step.resources.memory, task.seconds or step.resources.time


def fold_tasks(job: Job, stop: str | None) -> tuple[str, str | None, str]:
    """Outcome, reason and message of a job whose tasks are all done. `stop`: why it was asked to end."""
    if stop is not None and (job.cancelled or job.failed or job.unexported is not None):
        return Outcome.CANCELLED, stop, job.unexported or job.message
    if job.failed and job.failed == job.terminated:
        return Outcome.TERMINATED, Reason.WALLTIME, f"{job.failed} of {job.total} had to leave before the walltime"
    if job.failed:
        if job.reason is not None:  # of a lone job: that of its task
            return Outcome.FAILED, job.reason, job.message
        return Outcome.FAILED, Reason.TASKS, f"{job.failed} of {job.total} tasks failed"
    if job.cancelled:
        return Outcome.FAILED, Reason.TASKS, f"{job.cancelled} of {job.total} tasks were stopped"
    if job.unexported is not None:
        return Outcome.FAILED, Reason.EXPORT, job.unexported
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
    if Outcome.TERMINATED in outcomes:
        return Outcome.TERMINATED, Reason.WALLTIME
    return Outcome.CANCELLED, next((job.reason for job in jobs if job.outcome == Outcome.CANCELLED), None)


def fatal(task: Task, attempt: Attempt, limit: int, now: int) -> Result:
    """What is told of a task whose workers die."""
    lost = f"{limit} workers disappeared while they had it, the last one" if limit > 1 else "a worker disappeared"
    message = f"{lost} with nothing else; see .penstock/logs" if limit > 1 else f"{lost} while it had it"
    name = f"{task.id}-{attempt.number}"
    started = attempt.started or attempt.created
    return Result(
        task.id, name, attempt.token, Outcome.FAILED, Reason.LOST, None, message, EMPTY, 0, started, now, None
    )
