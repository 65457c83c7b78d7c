"""The end of a run as people read it: a table of its jobs, how it ended, what failed, and what to do next."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING

from penstock.cli.output import short, show_table, talk
from penstock.text.units import show_seconds, show_size

if TYPE_CHECKING:
    from penstock.model.views import CommitView, JobView, RunView, TaskView
    from penstock.service.parts import Parts

#: How many jobs, failed jobs, failed tasks of one, and last lines of a log are shown.
MANY_JOBS = 50
FEW_JOBS = 5
FEW_TASKS = 3
LAST_LINES = 10


def show_run(run: RunView) -> None:
    """A run's jobs and how it ended, on stdout."""
    if run.jobs:
        show_jobs(run.jobs)
    spent = took(run.started or run.created, run.finished)
    reason = f" ({run.reason})" if run.reason and run.state != "success" else ""
    print(f"run {run.run} {run.state}{reason}{f' in {spent}' if spent else ''}")


def show_jobs(jobs: Sequence[JobView], of_many_runs: bool = False) -> None:
    """A table of jobs on stdout; of very many those that did not succeed come first."""
    shown = jobs
    if len(jobs) > MANY_JOBS and not of_many_runs:
        shown = sorted(jobs, key=lambda job: job.state == "success")[:MANY_JOBS]
    several = len({job.pipeline for job in jobs}) > 1
    rows = [
        (
            (f"{job.pipeline}." if several else "") + (short(job.job) if of_many_runs else job.step),
            tasks(job),
            took(job.started, job.finished),
            job.state,
            short(job.output) if job.state == "success" else "",
        )
        for job in shown
    ]
    show_table(("JOB" if of_many_runs else "STEP", "TASKS", "TIME", "STATE", "OUTPUT"), rows, right=("TIME",))
    if len(shown) < len(jobs):
        talk(f"and {len(jobs) - len(shown)} more jobs")


def show_commits(commits: Sequence[CommitView]) -> None:
    """The commits of one run in all repos, on stdout."""
    rows = [
        (item.repo, item.branch, item.files, show_size(item.size), item.origin if item.finished else "open", item.error)
        for item in commits
    ]
    show_table(("REPO", "BRANCH", "FILES", "SIZE", "ORIGIN", "ERROR"), rows, right=("FILES", "SIZE"))


def tasks(job: JobView) -> str:
    """`processed + reused / total`, and what else there was."""
    count = job.tasks
    others = [
        f"{number} {name}"
        for name, number in (("failed", count.failed), ("cancelled", count.cancelled), ("recovered", count.recovered))
        if number
    ]
    return f"{count.processed} + {count.reused} / {count.total}" + (f", {', '.join(others)}" if others else "")


def took(start: str | None, end: str | None) -> str:
    """How long from one RFC 3339 time to another."""
    if start is None or end is None:
        return ""
    moments = [datetime.datetime.fromisoformat(moment) for moment in (start, end)]
    return show_seconds((moments[1] - moments[0]).total_seconds())


def show_notes(parts: Parts, jobs: Sequence[JobView]) -> None:
    """What is odd about jobs that succeeded, such as that nothing matched, and which tasks any job went on without; on
    stderr.
    """
    noted = [job for job in jobs if job.state == "success" and job.message]
    for job in noted[:FEW_JOBS]:
        talk(f"note: {job.step}: {job.message}")
    if len(noted) > FEW_JOBS:
        talk(f"and {len(noted) - FEW_JOBS} more notes: penstock job list {_run_of(noted[0])}")

    without = [job for job in jobs if job.finished is not None and job.tasks.recovered]
    for job in without[:FEW_JOBS]:
        _show_left_out(parts, job)
    if len(without) > FEW_JOBS:
        talk(f"and {len(without) - FEW_JOBS} more jobs left tasks out: penstock job list {_run_of(without[0])}")


def _show_left_out(parts: Parts, job: JobView) -> None:
    """The tasks that a job went on without, by name."""
    from penstock.model.words import left_out_words
    from penstock.service.answers.lists import left_out_tasks

    for task in left_out_tasks(parts, job, FEW_TASKS):
        talk(f"note: {job.step}: {binding(task.binding)} is {left_out_words(task.message)}")
    if job.tasks.recovered > FEW_TASKS:
        talk(f"note: {job.step}: and {job.tasks.recovered - FEW_TASKS} more: penstock task list {short(job.job)}")


def _run_of(job: JobView) -> str:
    return job.job.rpartition("@")[2]


def show_failures(parts: Parts, jobs: Sequence[JobView]) -> None:
    """What failed and the end of what it printed, with the command that tells more, on stderr."""
    from penstock.service.answers.lists import failed_tasks

    failed = [job for job in jobs if job.finished is not None and job.state not in ("success", "unrunnable")]
    for job in failed[:FEW_JOBS]:
        talk("")
        talk(f"{short(job.job)}: {job.state}" + (f", {job.message}" if job.message else ""))
        shown: dict[tuple[str, ...], str] = {}
        for task in failed_tasks(parts, job, FEW_TASKS):
            _show_task(parts, task, shown)
        if job.tasks.failed > FEW_TASKS:
            more = f"penstock task list {short(job.job)} --state failed"
            talk(f"  and {job.tasks.failed - FEW_TASKS} more failed tasks: {more}")
        talk(f"  why: penstock explain {job.step}")
    if len(failed) > FEW_JOBS:
        talk(f"and {len(failed) - FEW_JOBS} more jobs: penstock job list {_run_of(failed[0])}")


def _show_task(parts: Parts, task: TaskView, shown: dict[tuple[str, ...], str]) -> None:
    """One that failed. `shown`: what others printed that were shown before, and their names: nothing is told twice."""
    from penstock.service.answers.hints import hint

    lines = tuple(_last_lines(parts, task.task))
    talk(f"  task {short(task.task)} {binding(task.binding)}: {task.message or task.reason or task.state}")
    if lines and lines in shown:
        talk(f"    | as task {shown[lines]}")
        return
    shown[lines] = short(task.task)
    for line in lines:
        talk(f"    | {line}")
    if (advice := hint(parts, lines)) is not None:
        talk(f"  {advice}")
    talk(f"  all it printed: penstock logs {short(task.task)}")


def _last_lines(parts: Parts, task: str) -> list[str]:
    """The end of what the last attempt of a task printed."""
    from penstock.model.errors import NotFound
    from penstock.service.answers.logs import logs

    try:
        chunks = list(logs(parts, task))
    except NotFound as gone:
        return [str(gone)]
    last = [chunk.data for chunk in chunks if chunk.attempt == chunks[-1].attempt]
    return b"".join(last).decode(errors="replace").splitlines()[-LAST_LINES:]


def binding(key: Sequence[str]) -> str:
    """A binding as one word per input: the paths it is made of, `/` for a whole repo."""
    from penstock.engine.matching import show_key

    return show_key(key)


def show_restart(run: RunView) -> None:
    """What does the rest after a failure, on stderr: of plain steps `run` would repeat all."""
    plain = [job for job in run.jobs if job.output is None]
    if any(job.state == "success" for job in plain) and any(job.state != "success" for job in plain):
        talk("what is left, without what is good: penstock restart")


def show_next(parts: Parts, run: RunView) -> None:
    """Where to look after a success, on stderr."""
    made = [job for job in run.jobs if job.output is not None and job.state == "success"]
    if not made:
        return
    repo = (made[-1].output or "").partition("@")[0]
    file = _one_file(parts, repo)
    trace = f"   lineage: penstock trace {repo}:/{file}" if file else ""
    talk(f"files: penstock ls {repo}   why: penstock explain {made[-1].step}{trace}")


def _one_file(parts: Parts, repo: str) -> str | None:
    from penstock.model.errors import NotFound
    from penstock.model.ids import Reference
    from penstock.service.data import listing

    try:
        first = next(listing.ls(parts, Reference(repo), recursive=True), None)
    except NotFound:
        # The job found nothing to do, so that the repo is still empty.
        return None
    return first.path if first else None
