"""stop, hold, release, retry: what people do to runs and jobs. They write rows; the engine, if one is up, obeys."""

from __future__ import annotations

from penstock.model.errors import Refused
from penstock.model.moves import JobState, Outcome, Reason, RunState
from penstock.model.run import Job, Run
from penstock.service import resolve
from penstock.service.opening.launch import Opening, open_run
from penstock.service.parts import Parts
from penstock.service.role import engine_role, holder


def _target(parts: Parts, text: str) -> Run | Job:
    """A run by id, or a job by `step@run` or `step`."""
    return resolve.run(parts, text) if text == "last" or resolve.is_id(text) else resolve.job(parts, text)


def _name(found: Run | Job) -> str:
    return f"run {found.id}" if isinstance(found, Run) else f"job {found.id}"


def _refuse_done(found: Run | Job) -> None:
    if found.state in (RunState.DONE, JobState.DONE):
        raise Refused(f"{_name(found)} is done already ({found.outcome})")


def stop(parts: Parts, target: str) -> str:
    """End a run or a job: what is in flight is told to leave, what waits is cancelled; good results stay."""
    found = _target(parts, target)
    _refuse_done(found)
    with parts.store.transaction(durable=True):
        if isinstance(found, Run):
            parts.store.execute("stop_run", id=found.id, reason=Reason.USER)
        else:
            parts.store.execute("stop_job", seq=found.seq, reason=Reason.USER)
    with engine_role(parts.layout.lock) as mine:
        if mine:
            # Nothing is in flight: say at once what follows.
            from penstock.service.driving.loop import Engine

            engine = Engine(parts)
            try:
                engine.settle()
            finally:
                engine.close()
            return f"{_name(found)} is stopped"
    return f"{_name(found)} is asked to stop; engine is {holder(parts.layout.lock)}"


def hold(parts: Parts, target: str) -> str:
    """Let a run or a job start nothing new; what is in flight goes on."""
    return _set_hold(parts, target, "user")


def release(parts: Parts, target: str) -> str:
    """Let a held run or job go on."""
    return _set_hold(parts, target, None)


def _set_hold(parts: Parts, target: str, who: str | None) -> str:
    found = _target(parts, target)
    _refuse_done(found)
    with parts.store.transaction(durable=True):
        if isinstance(found, Run):
            parts.store.execute("hold_run", id=found.id, hold=who)
        else:
            parts.store.execute("hold_job", seq=found.seq, hold=who)
    return f"{_name(found)} is {'held' if who else 'released'}"


def _check_still_its_turn(parts: Parts, job: Job) -> None:
    """A publishing job may be tried again while its repo is its step's, and nothing newer was published there."""
    owners = {row["repo"]: (row["pipeline"], row["step"]) for row in parts.store.fetch("publishers")}
    if job.repo is None or owners.get(job.repo) != (job.pipeline, job.step):
        raise Refused(f"{job.id} cannot be tried again: step {job.step!r} does not publish to {job.repo!r} any more")
    newest = parts.store.load(Job, "jobs_of_step", step=job.step, pipeline=job.pipeline, before=1 << 62, limit=1)[0]
    if newest.seq != job.seq and newest.outcome == Outcome.SUCCEEDED:
        raise Refused(f"{job.id} cannot be tried again: {newest.id} has published newer data; use `penstock run`")


def retry(parts: Parts, target: str) -> Run:
    """A new run over what did not succeed in an old one, and all downstream: same versions, same inputs, same
    parameters. Good tasks are reused by their fingerprints.
    """
    old = resolve.run(parts, target)
    if old.state != RunState.DONE:
        raise Refused(f"run {old.id} is not done; `penstock wait {old.id[:12]}` goes on with it")
    jobs = parts.store.load(Job, "jobs_of_run", run=old.id)
    bad = {(job.pipeline, job.step) for job in jobs if job.outcome != Outcome.SUCCEEDED}
    if not bad:
        raise Refused(f"run {old.id} succeeded; there is nothing to try again")
    for job in jobs:
        if (job.pipeline, job.step) in bad and job.repo is not None:
            _check_still_its_turn(parts, job)
    versions = {job.pipeline: (job.version, parts.pipeline(job.pipeline, job.version)) for job in jobs}
    pinned = {(item.repo, item.branch): item.commit for job in jobs for item in job.inputs if item.commit}
    opening = Opening("retry", old.pipeline, old.version, old.params, pinned)
    with parts.store.transaction(durable=True):
        _, run = open_run(parts, [], bad, {**parts.pipelines(), **versions}, opening, parts.new_id())
    assert run is not None  # there are seeds
    return run
