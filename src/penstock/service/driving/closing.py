"""`closing`: add what a job's tasks gave to its ledger and tree, and make the commit it publishes."""

from __future__ import annotations

from itertools import chain

from penstock.model.data import EMPTY
from penstock.model.errors import Collision, Corrupt, NotFound
from penstock.model.facts import Closed, Fact, Unreadable
from penstock.model.inplace import apart
from penstock.model.moves import Reason
from penstock.model.run import Commit, Job, Place, Repo
from penstock.objects.blobs import Pages
from penstock.service import resolve
from penstock.service.bindings import opened
from penstock.service.bindings.ledger import Done, Ledger, totals
from penstock.service.bindings.work import succeeded
from penstock.service.inplace import Outputs, whole_of
from penstock.service.parts import Parts

#: Said of a job where nobody knows what its tasks opened.
UNSEEN = "what its tasks opened of the project could not be seen, so that all of its files count as their code"


def close(parts: Parts, job: Job) -> Fact:
    """Answer with Closed: everything it names is durable, the commit row may be written. Unreadable where stored
    bytes are damaged.

    A job that failed closes too: its good bindings stay in the ledger, its commit carries the error and moves no head.
    """
    try:
        return _close(parts, job)
    except Collision as error:
        return Unreadable(job.seq, Reason.COLLISION, str(error))
    except (Corrupt, NotFound) as error:
        return Unreadable(job.seq, Reason.OUTPUT, f"{error}; `penstock fsck` tells more")


def complete(parts: Parts, pages: Pages, job: Job) -> tuple[Ledger, str]:
    """A job's ledger with what its tasks gave, and what is odd about that. Raises Corrupt, NotFound, Collision."""
    ledger = Ledger(job.ledger, job.owners, job.tree)
    ran, silent = 0, 0
    for tasks in succeeded(parts, job.seq):
        ran += len(tasks)
        silent += sum(task.output == EMPTY for task in tasks)
        done = (("\n".join(task.key), Done(task.fingerprint, task.output, task.files)) for task in tasks)
        ledger, clashes = ledger.including(pages, done)
        if clashes:  # every result was looked at when it came: only one of an older engine can
            raise Collision(clashes[0].message)
    return ledger, _note(job, ran, silent)


def _note(job: Job, ran: int, silent: int) -> str:
    """That tasks of a job that publishes left nothing to publish: as often as not they wrote it elsewhere."""
    if not silent or job.repo is None:
        return ""
    return f"{'its task' if ran == 1 else f'{silent} of {ran} tasks that ran'} wrote nothing below $PENSTOCK_OUT"


def _close(parts: Parts, job: Job) -> Closed:
    with parts.objects.writer() as writer:
        now = parts.now()
        pages = Pages(parts.objects.blobs, writer)
        ledger, note = complete(parts, pages, job)
        reading = opened.of_job(parts, pages, job)
        if reading == parts.code(job.pipeline, job.version) and reading not in (EMPTY, job.reading):
            note = "; ".join(filter(None, (note, UNSEEN)))
        parent = resolve.head(parts, job.repo) if job.repo is not None else None
        files, size = totals(
            pages,
            parent.root if parent else EMPTY,
            ledger.tree,
            parent.files if parent else 0,
            parent.size if parent else 0,
        )
        commit, branch = None, None
        if job.repo is not None:
            name = parts.store.load(Repo, "repo", name=job.repo)[0].default_branch
            branch = resolve.branch(parts, job.repo, name)
            commit = Commit(
                seq=0,
                id=job.run,
                repo=job.repo,
                branch=name,
                parent=parent.id if parent else None,
                run=job.run,
                origin="job",
                root=ledger.tree,
                files=files,
                size=size,
                created=now,
                finished=now,
            )
    shared = _shared(parts, job)
    return Closed(
        job.seq, ledger.ledger, ledger.owners, ledger.tree, files, size, commit, branch, note, reading, shared
    )


def _shared(parts: Parts, job: Job) -> tuple[Place, ...]:
    """The files in place that the tasks of a job share, as they are now that all of them are done. Nothing is said of
    them if all results were known: then they are as they were.
    """
    step = parts.step(job)
    if not step.outputs or not step.reuse or job.reused == job.total:
        return ()
    outputs = Outputs(parts, job.pipeline, step, apart(parts.pipeline(job.pipeline, job.version), step))
    if not outputs.shared:
        return ()
    mark = ""
    if "moved" not in job.parts:
        ran = chain.from_iterable(succeeded(parts, job.seq))
        mark = whole_of(("\n".join(task.key), task.fingerprint + task.reading) for task in ran)
    found = [Place(job.pipeline, step.name, path, mark, True, outputs.state(path)) for path in outputs.shared]
    outputs.close()
    return tuple(found)
