"""`logs`: what commands printed, of skipped datums too."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from penstock.compat.pachyderm.commands.base import pachctl, project, raw_option, show_json, talk
from penstock.compat.pachyderm.commands.datums import datums, only
from penstock.compat.pachyderm.commands.jobs import jobs_of

if TYPE_CHECKING:
    from penstock.model.run import Job, Task
    from penstock.service.answers.logs import LogChunk
    from penstock.service.parts import Parts


@pachctl.command("logs")
@click.option("-p", "--pipeline", metavar="PIPELINE", help="What the jobs of this pipeline printed lately.")
@click.option("-j", "--job", metavar="PIPELINE@JOB", help="What this job printed.")
@click.option("--datum", metavar="DATUM", help="What this datum printed; beside -j or -p, in these jobs.")
@click.option("-f", "--follow", is_flag=True, help="Go on until the job is done.")
@click.option("--since", default="24h", show_default=True, metavar="TIME", help="With -p: jobs not older than this.")
@click.option("-t", "--tail", type=click.IntRange(1, 1_000_000), metavar="N", help="Only the last N lines.")
@raw_option
def logs(
    pipeline: str | None, job: str | None, datum: str | None, follow: bool, since: str, tail: int | None, raw: bool
) -> None:
    """Print what commands printed."""
    from penstock.service.answers.logs import logs as read
    from penstock.text.units import parse_seconds

    if (pipeline is not None and job is not None) or (pipeline is None and job is None and datum is None):
        raise click.UsageError("name one of -p PIPELINE, -j PIPELINE@JOB, or a --datum DATUM, alone or of one of these")
    if follow and tail is not None:
        raise click.UsageError("-f tells what is still to come, --tail what came last; give one of them")
    with project() as parts:
        oldest = parts.now() - int(parse_seconds(since) * 1e6)
        targets = _targets(parts, pipeline, job, datum, oldest)
        chunks = (chunk for target in targets for chunk in read(parts, target, follow))
        said = False
        for chunk in chunks if tail is None else _last(chunks, tail):
            said = True
            if raw:
                message = chunk.data.decode(errors="replace")
                show_json([{"datum_id": chunk.task, "user": True, "message": message}])
            else:
                sys.stdout.buffer.write(chunk.data)
                sys.stdout.buffer.flush()
        if not said and datum is None:
            _tell_skipped(parts, targets)


def _targets(parts: Parts, pipeline: str | None, job: str | None, datum: str | None, oldest: int) -> list[str]:
    """Whose logs are meant: jobs, the oldest first, or one datum, looked for in these jobs if they are named.

    Raises NotFound, BadReference.
    """
    from penstock.service import resolve

    if datum is None and job is not None:
        return [job]
    if pipeline is not None:
        jobs = [row for row in jobs_of(parts, pipeline) if row.created >= oldest][::-1]
    else:
        jobs = [resolve.job(parts, job)] if job is not None else []
    if datum is None:
        return [row.id for row in jobs]
    if pipeline is None and job is None:
        return [_where_it_ran(parts, resolve.task(parts, datum))]
    return [_datum(parts, jobs, datum, job or pipeline or "")]


def _datum(parts: Parts, jobs: Sequence[Job], start: str, where: str) -> str:
    """The task that worked on a datum of some jobs: their own, or the earlier one whose result they took over."""
    from penstock.model.run import Task
    from penstock.service import resolve

    among = {row.seq for row in jobs}
    rows = parts.store.load(Task, "task", pattern=f"{start}*") if resolve.is_id(start) else []
    own = {row.id: row for row in rows if row.job in among}
    if own:
        return _where_it_ran(parts, own[only(start, own, where)])
    skipped = {item.id: item.mark for row in jobs for item in datums(parts, row) if start and item.id.startswith(start)}
    name = only(start, skipped, where)
    return _maker(parts, name, skipped[name]) or name


def _where_it_ran(parts: Parts, task: Task) -> str:
    return (_maker(parts, task.id, task.fingerprint) if task.reused else None) or task.id


def _maker(parts: Parts, datum: str, mark: bytes) -> str | None:
    """The task that made what a skipped datum took over, which is told; None if it is forgotten."""
    from penstock.model.run import Job, Task

    made = next((task for task in parts.store.load(Task, "success", fingerprint=mark) if task.attempts), None)
    if made is None:
        talk(f"datum {datum} was skipped, and what its result was made by is forgotten")
        return None
    (job,) = parts.store.load(Job, "job", seq=made.job)
    talk(f"datum {datum} was skipped: it ran as {made.id} in {job.id}, whose logs these are")
    return made.id


def _tell_skipped(parts: Parts, targets: Sequence[str]) -> None:
    """Say why a job printed nothing that skipped its datums."""
    from penstock.service import resolve

    for target in targets:
        job = resolve.job(parts, target)
        if job.reused:
            rest = f"`pachctl logs -j {job.id} --datum DATUM` leads to where one ran"
            talk(f"{job.id} skipped {job.reused} of {job.total} datums, which print nothing again; {rest}")


def _last(chunks: Iterator[LogChunk], lines: int) -> list[LogChunk]:
    """The end of what was printed."""
    from collections import deque

    from msgspec.structs import replace

    kept: deque[LogChunk] = deque(maxlen=lines)
    for chunk in chunks:
        kept.extend(replace(chunk, data=line) for line in chunk.data.splitlines(keepends=True))
    return list(kept)
