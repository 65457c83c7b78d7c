"""`list datum`, `inspect datum` and `logs`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click
from msgspec import Struct

from penstock.compat.pachyderm.commands.base import INSPECT, LIST, pachctl, project, raw_option, show_json
from penstock.compat.pachyderm.commands.jobs import PAGE, jobs_of

if TYPE_CHECKING:
    from penstock.model.run import Attempt, Job, Task
    from penstock.service.answers.logs import LogChunk
    from penstock.service.parts import Parts


class Datum(Struct, frozen=True):
    """One binding of a job. `task` is None for one that an earlier job had processed."""

    id: str
    files: tuple[tuple[str, str, str], ...]  #: repo, commit, path
    state: str
    task: Task | None = None
    attempt: Attempt | None = None

    @property
    def seconds(self) -> float:
        it = self.attempt
        return it.download_seconds + it.process_seconds + it.upload_seconds if it else 0.0


def datums(parts: Parts, job: Job) -> Iterator[Datum]:
    """All datums of a job: those it worked on, then those that its ledger took over."""
    from penstock.compat.pachyderm.words import datum_state
    from penstock.model.fingerprint import task_id
    from penstock.model.run import Attempt, Task
    from penstock.service.bindings.ledger import Ledger
    from penstock.service.bindings.reading import Reader

    if not job.expanded and not job.total:
        return
    pages = parts.objects.pages
    reader = Reader(parts, job)

    def files(key: str, mark: bytes) -> tuple[tuple[str, str, str], ...]:
        return tuple((item.repo, item.commit or "", f"/{path}") for item, path in reader.read(key, mark))

    seen, after = set(), 0
    while page := parts.store.load(Task, "tasks_of_job", job=job.seq, after=after, limit=PAGE):
        for task in page:
            key = "\n".join(task.key)
            seen.add(key)
            attempts = parts.store.load(Attempt, "attempts", task=task.seq)
            state = datum_state(task.state, task.outcome, task.reused)
            yield Datum(task.id, files(key, task.fingerprint), state, task, attempts[-1] if attempts else None)
        after = page[-1].seq
    for key, done in Ledger(job.ledger, job.owners, job.tree).every(pages):
        if key not in seen:
            yield Datum(
                task_id(tuple(key.split("\n")), f"{job.pipeline}.{job.id}"), files(key, done.fingerprint), "SKIPPED"
            )


def _only(start: str, known: Iterable[str], where: str) -> str:
    """The one of these datums that begins so. Raises NotFound, BadReference."""
    from penstock.model.errors import BadReference, NotFound

    fits = sorted(set(known))
    if not fits:
        raise NotFound(f"{where} has no datum {start!r} to show; `pachctl list datum PIPELINE@JOB` lists them")
    if len(fits) > 1:
        raise BadReference(f"{start} fits several datums of {where}; give more digits")
    return fits[0]


def _json(job: Job, datum: Datum) -> dict[str, Any]:
    from penstock.compat.pachyderm.show import seconds_text

    attempt = datum.attempt
    stats = (
        {
            "download_time": seconds_text(attempt.download_seconds),
            "process_time": seconds_text(attempt.process_seconds),
            "upload_time": seconds_text(attempt.upload_seconds),
            "download_bytes": str(attempt.download_bytes),
            "upload_bytes": str(attempt.upload_bytes),
        }
        if attempt
        else {}
    )
    data = [
        {"file": {"commit": {"branch": {"repo": {"name": repo, "type": "user"}}, "id": commit}, "path": path}}
        for repo, commit, path in datum.files
    ]
    named = {"job": {"pipeline": {"name": job.step}, "id": job.run}, "id": datum.id}
    return {"datum": named, "state": datum.state, "stats": stats, "data": data}


@LIST.command("datum")
@click.argument("job", metavar="PIPELINE@JOB")
@raw_option
def list_datum(job: str, raw: bool) -> None:
    """List the datums of a job: those it worked on, then those it skipped."""
    from penstock.compat.pachyderm.show import NOTHING, human_duration, table
    from penstock.service import resolve

    with project() as parts:
        of = resolve.job(parts, job)
        found = datums(parts, of)
        if raw:
            show_json(_json(of, datum) for datum in found)
            return
        rows = [
            (
                datum.id,
                ", ".join(f"{repo}@{commit}:{path}" for repo, commit, path in datum.files) or NOTHING,
                datum.state.lower(),
                human_duration(int(datum.seconds * 1e6)) if datum.attempt else NOTHING,
            )
            for datum in found
        ]
        print(table(("ID", "FILES", "STATUS", "TIME"), rows), end="")


@INSPECT.command("datum")
@click.argument("job", metavar="PIPELINE@JOB")
@click.argument("datum", metavar="DATUM")
@raw_option
def inspect_datum(job: str, datum: str, raw: bool) -> None:
    """Print one datum of a job."""
    from penstock.compat.pachyderm.show import bytes_size, human_duration, table
    from penstock.service import resolve

    with project() as parts:
        of = resolve.job(parts, job)
        known = {item.id: item for item in datums(parts, of) if item.id.startswith(datum)} if datum else {}
        found = known[_only(datum, known, of.id)]
    if raw:
        show_json([_json(of, found)])
        return
    attempt = found.attempt
    lines = [("ID", found.id), ("Job ID", of.run), ("State", found.state)]
    if found.task is not None and found.task.message:
        lines.append(("Reason", found.task.message))
    if attempt is not None:
        lines += [
            ("Data Downloaded", bytes_size(attempt.download_bytes)),
            ("Data Uploaded", bytes_size(attempt.upload_bytes)),
            ("Total Time", human_duration(int(found.seconds * 1e6))),
            ("Download Time", human_duration(int(attempt.download_seconds * 1e6))),
            ("Process Time", human_duration(int(attempt.process_seconds * 1e6))),
            ("Upload Time", human_duration(int(attempt.upload_seconds * 1e6))),
        ]
    for name, value in lines:
        print(f"{name}: {value}")
    print("Inputs:")
    print(table(("REPO", "COMMIT", "PATH"), found.files), end="")


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
        for chunk in chunks if tail is None else _last(chunks, tail):
            if raw:
                message = chunk.data.decode(errors="replace")
                show_json([{"datum_id": chunk.task, "user": True, "message": message}])
            else:
                sys.stdout.buffer.write(chunk.data)
                sys.stdout.buffer.flush()


def _targets(parts: Parts, pipeline: str | None, job: str | None, datum: str | None, oldest: int) -> list[str]:
    """Whose logs are meant: jobs, the oldest first, or one datum, looked for in these jobs if they are named.

    Raises NotFound, BadReference.
    """
    from penstock.model.run import Task
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
        return [datum]
    among = {row.seq for row in jobs}
    rows = parts.store.load(Task, "task", pattern=f"{datum}*") if resolve.is_id(datum) else []
    return [_only(datum, (row.id for row in rows if row.job in among), job or pipeline or "")]


def _last(chunks: Iterator[LogChunk], lines: int) -> list[LogChunk]:
    """The end of what was printed."""
    from collections import deque

    from msgspec.structs import replace

    kept: deque[LogChunk] = deque(maxlen=lines)
    for chunk in chunks:
        kept.extend(replace(chunk, data=line) for line in chunk.data.splitlines(keepends=True))
    return list(kept)
