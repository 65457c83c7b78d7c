"""`list datum`, `inspect datum`, `restart datum`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click
from msgspec import Struct

from penstock.compat.pachyderm.commands.base import INSPECT, LIST, RESTART, project, raw_option, say, show_json
from penstock.compat.pachyderm.commands.jobs import PAGE

if TYPE_CHECKING:
    from penstock.model.run import Attempt, Job, Task
    from penstock.service.parts import Parts


class Datum(Struct, frozen=True):
    """One binding of a job. `task` is None for one that an earlier job had processed."""

    id: str
    files: tuple[tuple[str, str, str], ...]  #: repo, commit, path
    state: str
    mark: bytes  #: the fingerprint of its work
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
            yield Datum(
                task.id, files(key, task.fingerprint), state, task.fingerprint, task, attempts[-1] if attempts else None
            )
        after = page[-1].seq
    for key, done in Ledger(job.ledger, job.owners, job.tree).every(pages):
        if key not in seen:
            name = task_id(tuple(key.split("\n")), f"{job.pipeline}.{job.id}")
            yield Datum(name, files(key, done.fingerprint), "SKIPPED", done.fingerprint)


def only(start: str, known: Iterable[str], where: str) -> str:
    """The one of these datums that begins so. Raises NotFound, BadReference."""
    from penstock.model.errors import BadReference, NotFound

    fits = sorted(set(known))
    if not fits:
        raise NotFound(f"{where} has no datum {start!r} to show; `pachctl list datum PIPELINE@JOB` lists them")
    if len(fits) > 1:
        raise BadReference(f"{start} fits several datums of {where}; give more digits")
    return fits[0]


def _data(files: Iterable[tuple[str, str, str]]) -> list[dict[str, Any]]:
    return [
        {"file": {"commit": {"branch": {"repo": {"name": repo, "type": "user"}}, "id": commit}, "path": path}}
        for repo, commit, path in files
    ]


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
    named = {"job": {"pipeline": {"name": job.step}, "id": job.run}, "id": datum.id}
    return {"datum": named, "state": datum.state, "stats": stats, "data": _data(datum.files)}


@LIST.command("datum")
@click.argument("job", metavar="PIPELINE@JOB", required=False)
@click.option(
    "-f", "--file", "file", metavar="FILE", help="Those that the pipeline of this spec would have, as data is."
)
@raw_option
def list_datum(job: str | None, file: str | None, raw: bool) -> None:
    """List the datums of a job: those it worked on, then those it skipped; or those of a spec that is not in force."""
    from penstock.compat.pachyderm.show import NOTHING, human_duration, table
    from penstock.service import resolve

    if (job is None) == (file is None):
        raise click.UsageError("name a job, PIPELINE@JOB, or the file of a spec with -f")
    with project() as parts:
        if file is not None:
            _list_foreseen(parts, file, raw)
            return
        of = resolve.job(parts, str(job))
        found = datums(parts, of)
        if raw:
            show_json(_json(of, datum) for datum in found)
            return
        rows = [
            (
                datum.id,
                _files_text(datum.files),
                datum.state.lower(),
                human_duration(int(datum.seconds * 1e6)) if datum.attempt else NOTHING,
            )
            for datum in found
        ]
        print(table(_HEADS, rows), end="")


_HEADS = ("ID", "FILES", "STATUS", "TIME")


def _files_text(files: Iterable[tuple[str, str, str]]) -> str:
    from penstock.compat.pachyderm.show import NOTHING

    return ", ".join(f"{repo}@{commit}:{path}" for repo, commit, path in files) or NOTHING


def _list_foreseen(parts: Parts, file: str, raw: bool) -> None:
    """The datums of a spec over the heads as they are. They have no ids yet. Raises BadSpec, Refused."""
    from penstock.compat.pachyderm.commands.pipelines import read_files
    from penstock.compat.pachyderm.show import NOTHING, table
    from penstock.model.errors import Refused
    from penstock.model.run import Repo
    from penstock.objects.blobs import Pages
    from penstock.service import resolve
    from penstock.service.bindings.work import foreseen

    known = [repo.name for repo in parts.store.load(Repo, "repos")]
    lines = []
    for pipeline in read_files((file,), bare=True).pipelines(known, lambda name: True):
        (step,) = pipeline.steps
        leaves = list(step.input.leaves()) if step.input else []
        if any(leaf.cron for leaf in leaves):
            raise Refused(
                f"pipeline {step.name!r} has a cron input, whose repo is made with it: its ticks are not known"
            )
        named = dict[str, list[tuple[str, str]]]()
        for leaf in leaves:
            head = resolve.head(parts, leaf.repo, leaf.branch)
            named.setdefault(leaf.name, []).append((leaf.repo, head.id if head else ""))
        with parts.objects.session(), parts.objects.writer() as writer:
            for binding in foreseen(parts, Pages(parts.objects.blobs, writer), step):
                lines.append([(*named[item.name][item.nth], f"/{item.path}") for item in binding.inputs])
    if raw:
        show_json({"state": "UNKNOWN", "data": _data(files)} for files in lines)
    else:
        print(table(_HEADS, [(NOTHING, _files_text(files), NOTHING, NOTHING) for files in lines]), end="")


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
        found = known[only(datum, known, of.id)]
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


@RESTART.command("datum")
@click.argument("job", metavar="PIPELINE@JOB")
@click.argument("paths", metavar="PATH,...")
@raw_option
def restart_datum(job: str, paths: str, raw: bool) -> None:
    """Begin the datums that are worked on anew, of those that read all of these paths."""
    from penstock.model.errors import Refused
    from penstock.model.moves import TaskState
    from penstock.service import resolve
    from penstock.service.driving import control

    wanted = {f"/{path.strip('/')}" for path in paths.split(",")}
    with project() as parts:
        of = resolve.job(parts, job)
        reading = [datum.task for datum in datums(parts, of) if wanted <= {path for _, _, path in datum.files}]
        begun = [task for task in reading if task and task.state not in (TaskState.READY, TaskState.DONE)]
        if not begun:
            how = f"{len(reading)} do, and none of them is worked on" if reading else "none of its datums does"
            raise Refused(f"{of.id}: no datum to restart reads {', '.join(sorted(wanted))}: {how}")
        for task in begun:
            sentence = control.retry(parts, task.id)
            say(str(sentence), raw, {"message": str(sentence)})
