"""stop, hold, release, retry: what people do to runs, jobs and tasks. They write rows; an engine that is up obeys."""

from __future__ import annotations

from collections.abc import Collection

from penstock.model.errors import NotFound, Refused
from penstock.model.moves import JobState, Outcome, Reason, RunState, TaskState
from penstock.model.run import Job, Run, Task
from penstock.service import resolve
from penstock.service.opening.drafts import give_up_draft
from penstock.service.opening.launch import Opening, advance
from penstock.service.parts import Parts
from penstock.service.role import engine_role, holder

Target = Run | Job | Task


def _target(parts: Parts, text: str) -> Target:
    """A run or a task by id, or a job by `step@run` or `step`."""
    if text != "last" and not resolve.is_id(text):
        return resolve.job(parts, text)
    try:
        return resolve.run(parts, text)
    except NotFound:
        return resolve.task(parts, text)


def _name(found: Target) -> str:
    return f"{type(found).__name__.lower()} {found.id}"


def _refuse_done(parts: Parts, found: Target) -> None:
    """Raise Refused for what is over, and for a task that is not counted yet."""
    if found.state in (RunState.DONE, JobState.DONE, TaskState.DONE):
        raise Refused(f"{_name(found)} is done already ({found.outcome})")
    if isinstance(found, Task):
        job = parts.store.load(Job, "job", seq=found.job)[0]
        if job.state == JobState.EXPANDING:
            raise Refused(f"{job.id} is still finding its tasks; try again when it has, or name the job")


def stop(parts: Parts, target: str) -> str:
    """End a run, a job or a task: what is in flight is told to leave, what waits is cancelled; good results stay."""
    found = _target(parts, target)
    _refuse_done(parts, found)
    with parts.store.transaction(durable=True):
        if isinstance(found, Run) and found.state == RunState.DRAFT:
            assert found.pipeline is not None  # as every draft's
            give_up_draft(parts, found.pipeline)
            return f"{_name(found)}, which was not started, is given up"
        if isinstance(found, Run):
            parts.store.execute("stop_run", id=found.id, reason=Reason.USER)
        elif isinstance(found, Job):
            parts.store.execute("stop_job", seq=found.seq, reason=Reason.USER)
        else:
            parts.store.execute("stop_task", seq=found.seq, reason=Reason.USER)
    if _settle(parts):
        return f"{_name(found)} is stopped"
    return f"{_name(found)} is asked to stop; engine is {holder(parts.layout.lock)}"


def _settle(parts: Parts) -> bool:
    """Say at once what follows from new rows if nobody drives the project, so that nothing is in flight."""
    with engine_role(parts.layout.lock) as mine:
        if mine:
            from penstock.service.driving.loop import Engine

            engine = Engine(parts)
            try:
                engine.settle()
            finally:
                engine.close()
        return mine


def hold(parts: Parts, target: str) -> str:
    """Let a run, a job or a task start nothing new; what is in flight goes on."""
    return _set_hold(parts, target, "user")


def release(parts: Parts, target: str) -> str:
    """Let a held run, job or task go on."""
    return _set_hold(parts, target, None)


def _set_hold(parts: Parts, target: str, who: str | None) -> str:
    found = _target(parts, target)
    _refuse_done(parts, found)
    with parts.store.transaction(durable=True):
        if isinstance(found, Run):
            parts.store.execute("hold_run", id=found.id, hold=who)
        elif isinstance(found, Job):
            parts.store.execute("hold_job", seq=found.seq, hold=who)
        else:
            parts.store.execute("hold_task", seq=found.seq, hold=who)
    return f"{_name(found)} is {'held' if who else 'released'}"


def retry(parts: Parts, target: str) -> Run | str:
    """Try again what did not succeed.

    Of a run or a job that is done: a new run over that and all downstream, of the same versions with the same inputs
    and parameters; good tasks are kept. Of a task in flight: its attempt ends and another one
    follows; what is said is a sentence. Of a task that is done: as of its job.
    """
    found = _target(parts, target)
    if isinstance(found, Task):
        if found.state != TaskState.DONE:
            return _try_again(parts, found)
        if found.outcome == Outcome.SUCCEEDED:
            raise Refused(f"{_name(found)} succeeded; there is nothing to try again")
        found = parts.store.load(Job, "job", seq=found.job)[0]
    if found.state not in (RunState.DONE, JobState.DONE):
        run_id = found.id if isinstance(found, Run) else found.run
        raise Refused(f"{_name(found)} is not done; `penstock wait {run_id[:12]}` goes on with it")
    old = found if isinstance(found, Run) else resolve.run(parts, found.run)
    jobs = parts.store.load(Job, "jobs_of_run", run=old.id)
    wanted = jobs if isinstance(found, Run) else [found]
    bad = [job for job in wanted if job.outcome != Outcome.SUCCEEDED or job.recovered]
    if not bad:
        raise Refused(f"{_name(found)} succeeded; there is nothing to try again")
    return _open_again(parts, old, jobs, bad)


def _open_again(parts: Parts, old: Run, jobs: Collection[Job], bad: Collection[Job]) -> Run:
    for job in bad:
        if job.repo is not None:
            _check_still_its_turn(parts, job)
    versions = {job.pipeline: (job.version, parts.pipeline(job.pipeline, job.version)) for job in jobs}
    pinned = {(item.repo, item.branch): item.commit for job in jobs for item in job.inputs if item.commit}
    again = {(job.pipeline, job.step): job for job in bad}
    opening = Opening("retry", old.pipeline, old.version, old.params, pinned, rest_of=again)
    with parts.store.transaction(durable=True):
        in_force = {**parts.pipelines(), **versions}
        run = advance(parts, {}, parts.new_id(), opening=opening, seeds=again.keys(), in_force=in_force)
        if run is None:
            steps = ", ".join(job.step for job in bad)
            raise Refused(f"what did not succeed is of disabled steps ({steps}); `penstock pipeline enable` them first")
    return run


def _try_again(parts: Parts, task: Task) -> str:
    if task.state == TaskState.READY:
        raise Refused(f"{_name(task)} waits to be started; there is no attempt to end")
    with parts.store.transaction(durable=True):
        parts.store.execute("try_again", seq=task.seq, attempt=task.attempts)
    return f"attempt {task.attempts} of {_name(task)} ends, and another one follows"


def _check_still_its_turn(parts: Parts, job: Job) -> None:
    """A publishing job may be tried again while its repo is its step's, and nothing newer was published there."""
    owners = {row["repo"]: (row["pipeline"], row["step"]) for row in parts.store.fetch("publishers")}
    if job.repo is None or owners.get(job.repo) != (job.pipeline, job.step):
        raise Refused(f"{job.id} cannot be tried again: step {job.step!r} does not publish to {job.repo!r} any more")
    newest = parts.store.load(Job, "jobs_of_step", step=job.step, pipeline=job.pipeline, before=1 << 62, limit=1)[0]
    if newest.seq != job.seq and newest.outcome == Outcome.SUCCEEDED:
        raise Refused(f"{job.id} cannot be tried again: {newest.id} has published newer data; use `penstock run`")
