"""`list job`, `inspect job`, `wait job`, `stop job`, `delete job`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

import click

from penstock.compat.pachyderm.commands.base import (
    DELETE,
    INSPECT,
    LIST,
    STOP,
    WAIT,
    ancestor,
    force_option,
    full_option,
    history_option,
    number_option,
    project,
    raw_option,
    say,
    see_through,
    show_json,
    talk,
)

if TYPE_CHECKING:
    from penstock.compat.pachyderm.infos import Described
    from penstock.model.run import Job, Run
    from penstock.service.parts import Parts

    _Row = TypeVar("_Row", Job, Run)

#: How many rows are read at once.
PAGE = 500


@LIST.command("job")
@click.argument("job", metavar="[JOB]", required=False)
@click.option("-p", "--pipeline", metavar="PIPELINE", help="Jobs of this pipeline.")
@click.option("-x", "--expand", is_flag=True, help="A line per job, not per global job.")
@click.option("--state", "states", multiple=True, metavar="STATE", help="Only jobs in this state, such as success.")
@history_option("all", "Only jobs of so many older versions")
@number_option
@full_option
@raw_option
def list_job(
    job: str | None,
    pipeline: str | None,
    expand: bool,
    states: tuple[str, ...],
    history: int | None,
    number: int | None,
    full: bool,
    raw: bool,
) -> None:
    """List global jobs; the jobs that share the id JOB; or those of a pipeline, newest first."""
    from itertools import islice

    from penstock.compat.pachyderm.infos import JOB_HEADS, job_cells, job_json, state_of
    from penstock.compat.pachyderm.show import table
    from penstock.compat.pachyderm.words import JOB_STATES

    if job is not None and (pipeline or states):
        raise click.UsageError("JOB names all that share its id; it goes with neither -p nor --state")
    for option, given in (("--state", bool(states)), ("--history", history is not None)):
        if given and not (pipeline or expand):
            raise click.UsageError(f"{option} goes with -p or -x")
    wanted = {state.upper().removeprefix("JOB_") for state in states}
    for state in sorted(wanted.difference(JOB_STATES)):
        known = ", ".join(word.lower() for word in JOB_STATES)
        raise click.UsageError(f"--state {state.lower()}: there is no such state; known: {known}")
    with project() as parts:
        if job is None and pipeline is None and not expand:
            _list_global(parts, number, full, raw)
            return
        rows = (row for row in _rows(parts, job, pipeline, history) if not wanted or state_of(row) in wanted)
        found = list(islice(rows, number))
        if raw:
            show_json(job_json(described(parts, row)) for row in found)
        else:
            print(table(JOB_HEADS, [job_cells(row, parts.now(), full) for row in found]), end="")


def _rows(parts: Parts, job: str | None, pipeline: str | None, history: int | None) -> Iterable[Job]:
    from penstock.model.run import Job
    from penstock.service import resolve

    if job is not None:
        return parts.store.load(Job, "jobs_of_run", run=resolve.wave_id(parts, job))
    rows = jobs_of(parts, pipeline)
    if history is None:
        return rows
    newest = {name: number for name, (number, _) in parts.pipelines().items()}
    return (row for row in rows if row.version >= newest.get(row.pipeline, row.version) - history)


def jobs_of(parts: Parts, pipeline: str | None) -> Iterator[Job]:
    """The jobs of a pipeline, of one of its earlier versions (`NAME^1`), or of all, newest first. Raises NotFound for a
    pipeline that never was.
    """
    from penstock.model.run import Job

    if pipeline is None:
        return pages(lambda before: parts.store.load(Job, "jobs", before=before, limit=PAGE))
    name, back = ancestor(pipeline)
    rows = pages(
        lambda before: parts.store.load(Job, "jobs_of_step", step=name, pipeline=None, before=before, limit=PAGE)
    )
    if back:
        from penstock.compat.pachyderm.commands.pipelines import versioned

        of = versioned(parts, pipeline)
        return (row for row in rows if (row.pipeline, row.version) == (of.pipeline.name, of.version))
    return _known(parts, name, rows)


def _known(parts: Parts, name: str, rows: Iterator[Job]) -> Iterator[Job]:
    """The same jobs; if there are none, of a pipeline that is there."""
    from penstock.model.errors import NotFound
    from penstock.service.resolve import suggestion

    first = next(rows, None)
    if first is not None:
        yield first
        yield from rows
        return
    known = {step.name for _, spec in parts.pipelines().values() for step in spec.steps}
    if name not in known:
        raise NotFound(f"there is no pipeline {name!r}{suggestion(name, known)}")


def pages(load: Callable[[int], list[_Row]]) -> Iterator[_Row]:
    """Rows, newest first, as `load` brings those before a sequence number."""
    before = 1 << 62
    while page := load(before):
        yield from page
        before = page[-1].seq


def _list_global(parts: Parts, number: int | None, full: bool, raw: bool) -> None:
    from penstock.compat.pachyderm.infos import job_json
    from penstock.compat.pachyderm.show import ago, bar, table
    from penstock.model.moves import JobState, Outcome
    from penstock.model.run import Job

    now, lines = parts.now(), []
    for run in _runs(parts, number):
        jobs = parts.store.load(Job, "jobs_of_run", run=run.id)
        if raw:
            show_json([{"job_set": {"id": run.id}, "jobs": [job_json(described(parts, job)) for job in jobs]}])
            continue
        left = sum(job.state != JobState.DONE for job in jobs)
        good = sum(job.outcome in (Outcome.SUCCEEDED, Outcome.RECOVERED) for job in jobs)
        moved = max((job.finished or job.started or job.created for job in jobs), default=run.created)
        cells = (str(len(jobs)), bar(good, len(jobs) - left - good, left), ago(run.created, now, full))
        lines.append((run.id, *cells, ago(moved, now, full)))
    if not raw:
        print(table(("ID", "SUBJOBS", "PROGRESS", "CREATED", "MODIFIED"), lines), end="")


def _runs(parts: Parts, number: int | None) -> Iterator[Run]:
    """Runs, newest first."""
    from itertools import islice

    from penstock.model.run import Run

    return islice(pages(lambda before: parts.store.load(Run, "runs", before=before, limit=PAGE)), number)


def described(parts: Parts, job: Job) -> Described:
    """A job with what it was defined as."""
    from penstock.compat.pachyderm.infos import Described, salt_of
    from penstock.compat.pachyderm.inputs import MASTER
    from penstock.model.run import Repo

    repos = parts.store.load(Repo, "repo", name=job.repo) if job.repo is not None else []
    branch = repos[0].default_branch if repos else MASTER
    return Described(job, parts.step(job), salt_of(parts.version(job.pipeline, job.version)), branch)


@INSPECT.command("job")
@click.argument("job", metavar="PIPELINE@JOB")
@full_option
@raw_option
def inspect_job(job: str, full: bool, raw: bool) -> None:
    """Print one job."""
    from penstock.compat.pachyderm.infos import job_json, job_text
    from penstock.service import resolve

    with project() as parts:
        found = described(parts, resolve.job(parts, job))
        if raw:
            show_json([job_json(found)])
        else:
            print(job_text(found, parts.now(), full), end="")


@WAIT.command("job")
@click.argument("job", metavar="JOB|PIPELINE@JOB")
@raw_option
@click.pass_context
def wait_job(ctx: click.Context, job: str, raw: bool) -> None:
    """See all jobs that share an id through to their end, or the one that is named, and print them.

    Drives them if nobody does. Exit code 1 if one that is printed did not succeed.
    """
    from penstock.compat.pachyderm.infos import JOB_HEADS, job_cells, job_json, state_of
    from penstock.compat.pachyderm.show import table
    from penstock.model.run import Job, Run
    from penstock.service import resolve

    with project() as parts:
        one = resolve.job(parts, job) if "@" in job else None
        run = one.run if one else resolve.wave_id(parts, job)
        # An id that only people's commits have has no jobs.
        see_through(parts, [row.id for row in parts.store.load(Run, "run", id=run)], [one.seq] if one else [])
        ended = [row for row in parts.store.load(Job, "jobs_of_run", run=run) if one is None or row.seq == one.seq]
        if raw:
            show_json(job_json(described(parts, row)) for row in ended)
        else:
            print(table(JOB_HEADS, [job_cells(row, parts.now()) for row in ended]), end="")
        if any(state_of(row) != "SUCCESS" for row in ended):
            ctx.exit(1)


@STOP.command("job")
@click.argument("job", metavar="JOB|PIPELINE@JOB")
@raw_option
def stop_job(job: str, raw: bool) -> None:
    """End a job, or all that share an id. What succeeded stays and is used again."""
    from penstock.service.driving import control

    with project() as parts:
        sentence = control.stop(parts, job)
    say(sentence, raw, {"message": sentence})


@DELETE.command("job")
@click.argument("job", metavar="JOB|PIPELINE@JOB")
@force_option("Also if jobs read what it made that are done.")
@raw_option
def delete_job(job: str, force: bool, raw: bool) -> None:
    """Forget all jobs that share an id, with the commits they made; those that are not done are stopped.

    PIPELINE@JOB if there is no other job.
    """
    from penstock.model.errors import Refused
    from penstock.model.moves import RunState
    from penstock.model.run import Job
    from penstock.service import resolve
    from penstock.service.data.removing import delete_run
    from penstock.service.driving import control

    with project() as parts:
        run = resolve.run(parts, resolve.job(parts, job).run if "@" in job else job)
        others = [row.id for row in parts.store.load(Job, "jobs_of_run", run=run.id)]
        if "@" in job and len(others) > 1:
            names = ", ".join(others)
            raise Refused(f"{job} is one of {len(others)} ({names}); `pachctl delete job {run.id}` deletes them all")
        if run.state != RunState.DONE:
            told = control.stop(parts, run.id)
            if resolve.run(parts, run.id).state != RunState.DONE:
                raise Refused(f"{told}; delete it when it has ended")
        _, gone = delete_run(parts, run.id, force=force)
    for commit in gone:
        talk(f"deleted commit {commit.repo}@{commit.id}")
    say(f"deleted job {run.id}", raw, {"deleted": run.id})
