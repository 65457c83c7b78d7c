"""`expanding`: find a job's bindings, take over what is known, and make rows of what must run."""

from __future__ import annotations

from penstock.engine.explain import nothing_matches
from penstock.model.errors import Collision, Corrupt, NotFound
from penstock.model.facts import Expanded, Fact, Unreadable
from penstock.model.moves import Reason
from penstock.model.run import Job, Run
from penstock.objects.blobs import Pages
from penstock.service.bindings import work
from penstock.service.parts import Parts


def expand(parts: Parts, run: Run, job: Job, cpus: int) -> Fact:
    """Answer with Expanded; with Unreadable where the step can never run, naming what is missing."""
    step = parts.step(job)
    if step.resources.cpus > cpus:
        asked = f"step {job.step!r} asks for {step.resources.cpus} CPUs, the largest node has {cpus}"
        return Unreadable(job.seq, Reason.UNRUNNABLE, f"{asked}; lower `resources.cpus`")
    version = parts.version(job.pipeline, job.version)
    params = parts.params(run, job)
    with parts.objects.writer() as writer:
        pages = Pages(parts.objects.blobs, writer)
        try:
            found = work.find(parts, pages, job, step, params, version.code, version.salt)
            left = found.start.without(pages, found.gone)
            ledger = left.including(pages, found.reused, left.claims(pages))
        except Collision as error:
            return Unreadable(job.seq, Reason.COLLISION, str(error))
        except (Corrupt, NotFound) as error:
            return Unreadable(job.seq, Reason.INPUT, str(error))
    return Expanded(
        job=job.seq,
        inputs=found.inputs,
        recipe=found.recipe.digest,
        parts=found.recipe.parts,
        base=found.base,
        ledger=ledger.ledger,
        owners=ledger.owners,
        tree=ledger.tree,
        reused=found.kept + len(found.reused),
        files=sum(done.files for _, done in found.reused),
        message="" if found.kept or found.reused or found.must_run else nothing_matches(step),
        tasks=tuple(work.rows(found, job, step, params, parts.now())),
    )
