"""Why a run, a job or a task is as it is: pure, total functions. Every row has an answer, in sentences."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from penstock.engine.matching import show_key
from penstock.model.moves import JobState, Outcome, Reason, RunState, TaskState
from penstock.model.run import Attempt, Commit, Job, Run, Task

#: Reason -> what it means for the thing that ended.
REASONS: dict[str, str] = {
    Reason.USER: "somebody stopped it",
    Reason.UPSTREAM: "something it needs did not succeed",
    Reason.SUPERSEDED: "a newer version of the pipeline, or newer data, took its place; its good tasks stay reusable",
    Reason.TIMEOUT: "it took longer than its timeout allows",
    Reason.EXIT: "its command ended with an exit code that means failure",
    Reason.SIGNAL: "its command was killed by a signal that Penstock did not send",
    Reason.COMMAND: "its command could not be started",
    Reason.OUTPUT: "what it left cannot be kept",
    Reason.INPUT: "what it needs cannot be read",
    Reason.COLLISION: "it wrote a path that another task wrote",
    Reason.TASKS: "some of its tasks or jobs did not succeed",
    Reason.LOST: "its worker disappeared",
    Reason.WALLTIME: "its place was about to end",
    Reason.MEMORY: "it needed more memory than it asked for",
    Reason.UNRUNNABLE: "no node can ever run it",
    Reason.EXPORT: "its output could not be copied to where its step asks",
}

OUTCOMES: dict[str, str] = {
    Outcome.SUCCEEDED: "succeeded",
    Outcome.FAILED: "failed",
    Outcome.CANCELLED: "was cancelled",
    Outcome.TERMINATED: "was told to checkpoint before the walltime, and left",
    Outcome.RECOVERED: "failed, and its recovery command let the job go on without it",
}


class Around(Struct, frozen=True):
    """What the answer depends on beside the row itself; whoever asks looks it up."""

    engine: str | None = None  #: who drives the project
    waits_for: Sequence[str] = ()  #: jobs upstream that are not done
    ahead: Sequence[str] = ()  #: jobs of earlier runs that publish to the same repo first
    run_hold: str | None = None
    run_stop: str | None = None
    plain: bool = False  #: whether its step runs every time
    base: str | None = None  #: the job it took its ledger over from
    differences: Sequence[str] = ()  #: what is not as it was in the base
    left_out: Sequence[str] = ()  #: what its joins find no partner for
    site: str | None = None  #: what the site has lent that it could run at
    failures: Sequence[str] = ()  #: what its failed tasks say
    twin: str | None = None  #: a task in flight that does the same work
    made_by: str | None = None  #: the task whose result was reused


def explain_run(run: Run, jobs: Sequence[Job], commits: Sequence[Commit], around: Around) -> list[str]:
    """Why a run is as it is, and what opened it. `commits`: those with its id."""
    return [*_run_state(run, jobs, around), *_opened(run, commits)]


def _opened(run: Run, commits: Sequence[Commit]) -> list[str]:
    """What opened a run: the command, and the commits that nobody's job made."""
    new = [f"{item.repo}@{item.branch} ({item.message or item.origin})" for item in commits if item.origin != "job"]
    if run.origin == "put":
        return [f"new data opened it: {', '.join(new)}" if new else "a branch that moved opened it"]
    command = {"run": "`run`", "retry": "`retry` or `restart`"}.get(run.origin, run.origin)
    given = "".join(f" -p {name}={json.dumps(value, ensure_ascii=False)}" for name, value in run.params.items())
    version = f" of pipeline {run.pipeline}, version {run.version}" if run.pipeline else ""
    return [f"{command}{given} opened it{version}" + (f", with new data: {', '.join(new)}" if new else "")]


def _run_state(run: Run, jobs: Sequence[Job], around: Around) -> list[str]:
    done = sum(job.state == JobState.DONE for job in jobs)
    if run.state == RunState.DRAFT:
        return [f"run {run.id} is written down and was not started"]
    if run.state == RunState.ACTIVE:
        lines = [f"run {run.id} is active: {done} of {len(jobs)} jobs are done"]
        if run.stop:
            lines.append(f"it was asked to end ({run.stop}); what is in flight is ending")
        elif run.hold:
            lines.append(f"it is held by {run.hold}; `penstock release {run.id[:12]}` lets it go on")
        elif around.engine is None:
            lines.append("nobody drives it: `penstock run` or `penstock wait` does")
        else:
            lines.append(f"engine is {around.engine}")
        return lines
    lines = [f"run {run.id} {OUTCOMES[run.outcome or Outcome.FAILED]}{_because(run.reason)}"]
    lines += [
        f"{job.id} {OUTCOMES[job.outcome or Outcome.FAILED]}{_because(job.reason, job.message)}"
        for job in jobs
        if job.outcome != Outcome.SUCCEEDED
    ]
    return lines


def explain_job(job: Job, around: Around) -> list[str]:
    """Why a job waits, runs again, was reused or failed; at least one sentence."""
    lines = [_job_state(job, around)]
    stop = job.stop or around.run_stop
    if stop and job.state != JobState.DONE:
        lines.append(f"it was asked to end: {REASONS[stop]}")
    elif (job.hold or around.run_hold) and job.state != JobState.DONE:
        lines.append(f"it is held by {job.hold or around.run_hold}; `penstock release` lets it go on")
    elif job.state != JobState.DONE and around.engine is None:
        lines.append("nobody drives the project: `penstock run` or `penstock wait` does")
    if around.site is not None:
        lines.append(around.site)
    if job.kept is not None:
        lines.append(f"its work was done in run {job.kept}; nothing it depends on was different at the restart")
    elif job.expanded:
        lines += _why_it_ran(job, around)
    lines += around.failures
    return lines


def _job_state(job: Job, around: Around) -> str:
    if job.state == JobState.WAITING:
        if around.waits_for:
            return f"{job.id} waits for {', '.join(around.waits_for)}"
        if around.ahead:
            return f"{job.id} waits for its turn: {', '.join(around.ahead)} publishes to {job.repo} first"
        return f"{job.id} can start"
    if job.state == JobState.EXPANDING:
        return f"{job.id} is finding its bindings"
    if job.state == JobState.OPEN:
        return f"{job.id} is running: {job.left} of {job.total} tasks are left"
    if job.state == JobState.EXPORTING:
        trouble = f"; {job.unexported}" if job.unexported else ""
        return f"{job.id} is copying its output to where the step asks{trouble}"
    if job.state == JobState.CLOSING:
        return f"{job.id} is writing its ledger and its commit"
    return f"{job.id} {OUTCOMES[job.outcome or Outcome.FAILED]}{_because(job.reason, job.message)}"


def _why_it_ran(job: Job, around: Around) -> list[str]:
    if around.plain:
        return ["it runs every time: `reuse` is off, as it is for plain commands"]
    ran = job.total - job.reused
    if job.total == 0:
        lines = ["nothing matched its input, so there was no task"]
    elif ran == 0:
        lines = [f"no task had to run: all {job.total} were done before with the same inputs, code and parameters"]
    elif job.reused == 0:
        lines = ["its task had to run" if job.total == 1 else f"all {job.total} tasks had to run"]
    else:
        lines = [f"{ran} of {job.total} tasks had to run; the same inputs, code and parameters gave the others before"]
    lines += around.left_out
    if around.base is None:
        lines.append("it is the first job of this step")
    elif around.differences:
        lines.append(f"compared with {around.base}:")
        lines += [f"  {difference}" for difference in around.differences]
    else:
        lines.append(f"nothing changed since {around.base}")
    return lines


def explain_task(task: Task, job: Job, attempts: Sequence[Attempt], around: Around) -> list[str]:
    """Why a task waits, ran, was reused or failed; at least one sentence."""
    name = f"task {task.id[:12]} ({show_key(task.key)}) of {job.id}"
    if task.state == TaskState.READY:
        lines = [f"{name} is ready"]
        if task.tries:
            lines.append(f"attempt {task.tries} failed ({task.message}); it will be tried again")
        if task.hold:
            lines.append(f"it is held by {task.hold}; `penstock release {task.id[:12]}` lets it go on")
        elif around.twin:
            lines.append(f"same work as task {around.twin}: it waits for that result")
        elif job.hold or around.run_hold:
            lines.append(f"its job is held by {job.hold or around.run_hold}")
        elif around.engine is None:
            lines.append("nobody drives the project: `penstock run` or `penstock wait` does")
        else:
            lines.append("every worker is busy; it runs when one is free")
            lines += [around.site] if around.site is not None else []
        return lines
    if task.state == TaskState.ACTIVE:
        lines = [f"{name} is running on worker {attempts[-1].worker}" if attempts else f"{name} is being placed"]
        if task.stop:
            lines.append(f"it was asked to end: {REASONS[task.stop]}")
        return lines
    lines = [f"{name} {OUTCOMES[task.outcome or Outcome.FAILED]}{_because(task.reason, task.message)}"]
    if task.reused:
        lines.append(f"it was reused: the same work succeeded as task {around.made_by or 'before'}")
    elif attempts:
        lines += [_attempt(attempt) for attempt in attempts]
    elif task.reason == Reason.COLLISION:
        lines.append(f"it did not run: the same work was done as task {around.made_by or 'before'}")
    lines += around.differences
    return lines


def _attempt(attempt: Attempt) -> str:
    if attempt.outcome is None:
        return f"attempt {attempt.number} is {attempt.state} on {attempt.worker}"
    seconds = f" in {attempt.process_seconds:.2f}s" if attempt.process_seconds else ""
    return f"attempt {attempt.number} {OUTCOMES[attempt.outcome]}{seconds}{_because(attempt.reason, attempt.message)}"


def _because(reason: str | None, message: str = "") -> str:
    if reason is None:
        return f": {message}" if message else ""
    return f": {REASONS[reason]}{f' ({message})' if message else ''}"


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What differs between the recipes of two jobs, by name."""
    lines = []
    if old.get("command") != new.get("command"):
        lines.append(f"the command changed: {_words(old.get('command'))} became {_words(new.get('command'))}")
    lines += _changed_keys("code file", old.get("code", {}), new.get("code", {}), show=False)
    lines += _changed_keys("file", old.get("files", {}), new.get("files", {}), show=False)
    if old.get("given") != new.get("given"):
        lines.append("its user data changed")
    lines += _changed_keys("parameter", old.get("params", {}), new.get("params", {}))
    lines += _changed_keys("variable", old.get("vars", {}), new.get("vars", {}))
    if old.get("environment") != new.get("environment"):
        lines.append(f"the environment changed: {old.get('environment')} became {new.get('environment')}")
    if old.get("shape") != new.get("shape"):
        lines.append("the step's input or `each` changed")
    if old.get("salt") != new.get("salt"):
        lines.append("the pipeline was applied to be reprocessed")
    return lines


def _changed_keys(what: str, old: Mapping[str, Any], new: Mapping[str, Any], show: bool = True) -> list[str]:
    lines = []
    for name in sorted({*old, *new}):
        if name not in old:
            lines.append(f"{what} {name} is new")
        elif name not in new:
            lines.append(f"{what} {name} is gone")
        elif old[name] != new[name]:
            lines.append(f"{what} {name} changed" + (f": {old[name]!r} became {new[name]!r}" if show else ""))
    return lines


def _words(argv: Any) -> str:
    return " ".join(argv) if argv else "nothing"
