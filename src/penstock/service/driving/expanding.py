"""`expanding`: find a job's bindings, take over what is known, and make rows of what must run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock.engine import endings
from penstock.engine.matching import nothing_matches
from penstock.model.errors import Corrupt, NotFound
from penstock.model.facts import Expanded, Fact, Unreadable
from penstock.model.inplace import apart
from penstock.model.moves import Reason
from penstock.model.run import Job, Run, Task
from penstock.model.spec import Step
from penstock.objects.blobs import Pages
from penstock.service.bindings import work
from penstock.service.bindings.ledger import Clash, Done, Ledger
from penstock.service.bindings.opened import together
from penstock.service.bindings.recipes import narrowed
from penstock.service.bindings.rest import rest_of
from penstock.service.opening.able import refusal
from penstock.service.parts import Parts
from penstock.service.userdata.exchange import Exchange

#: How many tasks, and results taken over, are held before they are stored.
CHUNK = 5000


def expand(parts: Parts, run: Run, job: Job, exchange: Exchange, first: int, never: str | None = None) -> Fact:
    """Answer with Expanded; with Unreadable where the step can `never` run, and why.

    Tasks are numbered from `first` on, a number that no task has, not even one that is not stored yet. Those of a large
    job are stored as they are found; nobody looks at them until the job is open.
    """
    step = parts.step(job)
    if never is not None:
        return Unreadable(job.seq, Reason.UNRUNNABLE, f"step {job.step!r} {never}")
    forbidden = refusal(step)
    if forbidden is not None:
        return Unreadable(job.seq, Reason.UNRUNNABLE, f"step {job.step!r}: {forbidden}")
    _forget_tasks(parts, job)
    try:
        return _expand(parts, job, step, parts.params(run, job), first, exchange)
    except (Corrupt, NotFound) as error:
        _forget_tasks(parts, job)
        return Unreadable(job.seq, Reason.INPUT, str(error))


def _forget_tasks(parts: Parts, job: Job) -> None:
    """Remove what was stored of a job that did not get as far as being open."""
    if parts.store.load(Task, "tasks_of_job", job=job.seq, after=0, limit=1):
        with parts.store.transaction():
            parts.store.execute("forget_tasks_of", job=job.seq)


def _expand(parts: Parts, job: Job, step: Step, params: Mapping[str, Any], first: int, exchange: Exchange) -> Expanded:
    version = parts.version(job.pipeline, job.version)
    owner, now = f"{job.pipeline}.{job.id}", parts.now()
    gone: list[tuple[str, Done]] = []
    reused: list[tuple[str, Done]] = []
    tasks: list[Task] = []
    count = files = stored = failed = 0

    def take_over(ledger: Ledger) -> Ledger:
        """With what is known; a result that collides with another one is that of a task that failed."""
        nonlocal count, files, failed
        ledger, clashes = ledger.including(pages, reused)
        for clash in clashes:
            tasks.append(endings.collided(row(_again(found, clash)), clash.message, now))
        count, failed = count + len(reused) - len(clashes), failed + len(clashes)
        files += sum(done.files for _, done in reused) - sum(clash.done.files for clash in clashes)
        reused.clear()
        return ledger

    def row(item: work.Touched) -> Task:
        return work.row(item, first + stored + len(tasks), owner, job, step, params, now)

    with parts.objects.writer() as writer:
        pages = Pages(parts.objects.blobs, writer)
        others = apart(parts.pipeline(job.pipeline, job.version), step)
        found = work.find(parts, pages, job, step, params, version.code, version.salt, exchange, others)
        ledger = found.start
        rest = rest_of(parts, job, step, found)
        if rest is not None:
            rest.keep(parts, job, first)
            found.changes = ((key, found.expansion.find(key)) for key in rest.again)
            first += rest.kept
        for item in work.compared(parts, pages, found, step, params):
            if item.old is not None:
                gone.append((item.key, item.old))
            if item.known is not None:
                reused.append((item.key, item.known))
                found.readings.add(item.reading)
            elif item.binding is not None:
                tasks.append(row(item))
            if found.whole and len(reused) >= CHUNK:  # nothing has to go first
                ledger = take_over(ledger)
            if len(tasks) >= CHUNK:
                with parts.store.transaction():
                    parts.store.insert(tasks)
                stored += len(tasks)
                tasks.clear()
        ledger = take_over(ledger.without(pages, gone))
        keys = found.index.save()
        reading, layout = together(pages, found.readings), narrowed(pages, step, found.files)
    left = found.kept - len(gone) + count + (rest.kept if rest is not None else 0)
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
        failed=failed,
        reading=reading,
        layout=layout,
    )


def _again(found: work.Found, clash: Clash) -> work.Touched:
    """The binding of a known result that collides with another one."""
    binding = found.expansion.find(tuple(clash.key.split("\n")))
    return work.Touched(clash.key, None, binding, clash.done.fingerprint)
