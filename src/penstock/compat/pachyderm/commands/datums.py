"""`list datum`, `inspect datum` and `logs`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click
from msgspec import Struct

from penstock.compat.pachyderm.commands.base import INSPECT, LIST, pachctl, project, raw_option, show_json
from penstock.compat.pachyderm.commands.jobs import PAGE, jobs_of

if TYPE_CHECKING:
    from penstock.model.run import Attempt, Job, Task
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
    from penstock.service.bindings.work import expansion_of, read_by

    if not job.expanded and not job.total:
        return
    pages = parts.objects.pages
    expansion = expansion_of(parts, pages, job)

    def files(key: str) -> tuple[tuple[str, str, str], ...]:
        read = read_by(parts, job, expansion, key)
        return tuple((item.repo, item.commit or "", f"/{path}") for item, path in read)

    seen, after = set(), 0
    while page := parts.store.load(Task, "tasks_of_job", job=job.seq, after=after, limit=PAGE):
        for task in page:
            key = "\n".join(task.key)
            seen.add(key)
            attempts = parts.store.load(Attempt, "attempts", task=task.seq)
            state = datum_state(task.state, task.outcome, task.reused)
            yield Datum(task.id, files(key), state, task, attempts[-1] if attempts else None)
        after = page[-1].seq
    for key, _ in Ledger(job.ledger, job.owners, job.tree).every(pages):
        if key not in seen:
            yield Datum(task_id(tuple(key.split("\n")), f"{job.pipeline}.{job.id}"), files(key), "SKIPPED")


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
    from penstock.model.errors import NotFound
    from penstock.service import resolve

    with project() as parts:
        of = resolve.job(parts, job)
        found = next((item for item in datums(parts, of) if item.id.startswith(datum)), None)
        if found is None:
            raise NotFound(f"{of.id} has no datum {datum}; `pachctl list datum {of.id}` shows them")
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
@click.option("--datum", metavar="DATUM", help="What this datum printed.")
@click.option("-f", "--follow", is_flag=True, help="Go on until the job is done.")
@click.option("--since", default="24h", show_default=True, metavar="TIME", help="With -p: jobs not older than this.")
@raw_option
def logs(pipeline: str | None, job: str | None, datum: str | None, follow: bool, since: str, raw: bool) -> None:
    """Print what commands printed."""
    from penstock.service.answers.logs import logs as read
    from penstock.text.units import parse_seconds

    if sum(given is not None for given in (pipeline, job, datum)) != 1:
        raise click.UsageError("name one of -p PIPELINE, -j PIPELINE@JOB, --datum DATUM")
    with project() as parts:
        oldest = parts.now() - int(parse_seconds(since) * 1e6)
        if pipeline is not None:
            recent = [row.id for row in jobs_of(parts, pipeline) if row.created >= oldest]
            targets = list(reversed(recent))
        else:
            targets = [str(job or datum)]
        for target in targets:
            for chunk in read(parts, target, follow):
                if raw:
                    message = chunk.data.decode(errors="replace")
                    show_json([{"datum_id": chunk.task, "user": True, "message": message}])
                else:
                    sys.stdout.buffer.write(chunk.data)
                    sys.stdout.buffer.flush()
