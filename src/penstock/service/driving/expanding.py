"""`expanding`: find a job's bindings, take over what is known, and make rows of what must run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from penstock.engine.matching import nothing_matches
from penstock.model.errors import Collision, Corrupt, NotFound
from penstock.model.facts import Expanded, Fact, Unreadable
from penstock.model.moves import Reason
from penstock.model.run import Job, Run, Task
from penstock.model.spec import Step
from penstock.objects.blobs import Pages
from penstock.service.bindings import work
from penstock.service.bindings.ledger import Done, Ledger
from penstock.service.opening.able import refusal
from penstock.service.opening.marks import noted
from penstock.service.parts import Parts
from penstock.service.userdata.exchange import Exchange

#: How many tasks, and results taken over, are held before they are stored.
CHUNK = 5000


def expand(parts: Parts, run: Run, job: Job, exchange: Exchange, never: str | None = None) -> Fact:
    """Answer with Expanded; with Unreadable where the step can `never` run, and why.

    Tasks of a large job are stored as they are found; nobody looks at them until the job is open.
    """
    step = parts.step(job)
    if never is not None:
        return Unreadable(job.seq, Reason.UNRUNNABLE, f"step {job.step!r} {never}")
    forbidden = refusal(step)
    if forbidden is not None:
        return Unreadable(job.seq, Reason.UNRUNNABLE, f"step {job.step!r}: {forbidden}")
    _forget_tasks(parts, job)
    try:
        fact = _expand(parts, job, step, parts.params(run, job))
        return replace(fact, parts={**fact.parts, **noted(parts, exchange, job.pipeline, step)})
    except (Collision, Corrupt, NotFound) as error:
        _forget_tasks(parts, job)
        reason = Reason.COLLISION if isinstance(error, Collision) else Reason.INPUT
        return Unreadable(job.seq, reason, str(error))


def _forget_tasks(parts: Parts, job: Job) -> None:
    """Remove what was stored of a job that did not get as far as being open."""
    if parts.store.load(Task, "tasks_of_job", job=job.seq, after=0, limit=1):
        with parts.store.transaction():
            parts.store.execute("forget_tasks_of", job=job.seq)


def _expand(parts: Parts, job: Job, step: Step, params: Mapping[str, Any]) -> Expanded:
    version = parts.version(job.pipeline, job.version)
    owner, now = f"{job.pipeline}.{job.id}", parts.now()
    gone: list[tuple[str, Done]] = []
    reused: list[tuple[str, Done]] = []
    tasks: list[Task] = []
    count = files = stored = 0
    with parts.objects.writer() as writer:
        pages = Pages(parts.objects.blobs, writer)
        found = work.find(parts, pages, job, step, params, version.code, version.salt)
        ledger = found.start
        for item in work.compared(parts, pages, found, step, params):
            if item.old is not None:
                gone.append((item.key, item.old))
            if item.known is not None:
                reused.append((item.key, item.known))
                count, files = count + 1, files + item.known.files
            elif item.binding is not None:
                tasks.append(work.row(item, owner, job, step, params, now))
            if found.whole and len(reused) >= CHUNK:  # nothing has to go first
                ledger, reused = _with(pages, ledger, reused), []
            if len(tasks) >= CHUNK:
                with parts.store.transaction():
                    parts.store.insert(tasks)
                stored, tasks = stored + len(tasks), []
        ledger = _with(pages, ledger.without(pages, gone), reused)
        keys = found.index.save()
    left = found.kept - len(gone) + count
    return Expanded(
        job=job.seq,
        inputs=found.inputs,
        recipe=found.recipe.digest,
        parts=found.recipe.parts,
        base=found.base.seq if found.base is not None else None,
        ledger=ledger.ledger,
        owners=ledger.owners,
        tree=ledger.tree,
        reused=left,
        files=files,
        message="" if left or stored or tasks else nothing_matches(step),
        tasks=tuple(tasks),
        stored=stored,
        keys=keys,
    )


def _with(pages: Pages, ledger: Ledger, reused: list[tuple[str, Done]]) -> Ledger:
    return ledger.including(pages, reused, ledger.claims(pages))
