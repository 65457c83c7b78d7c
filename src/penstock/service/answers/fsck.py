"""`fsck`: whether everything rows refer to is there and whole. Changes nothing, unless it is asked to repair."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import nullcontext
from itertools import islice

from penstock.model.data import show_id
from penstock.model.errors import Corrupt, NotFound, Refused
from penstock.model.moves import JobState, RunState
from penstock.model.run import Job, Run
from penstock.objects.blobs import Blobs
from penstock.objects.garbage import Mark
from penstock.service.keeping.garbage import undisturbed
from penstock.service.keeping.roots import reach, roots
from penstock.service.parts import Parts

#: How many blobs are looked up at once.
BATCH = 10_000


def fsck(parts: Parts, data: bool = False, repair: bool = False) -> Iterator[str]:
    """One line per damage: the database, the store, and every root that a row names; with `data` all bytes too.

    With `repair` (which means `data`) damaged files are moved aside, so that putting the same bytes again heals. Raises
    Refused while somebody else stores something, which may rely on a file that is moved.
    """
    blobs = parts.objects.blobs
    if data or repair:
        parts.objects.forget_copies()
    yield from parts.store.check()
    with blobs.sessions.collecting() as alone:
        if repair and not alone:
            raise Refused("--repair: `penstock gc` is at work on this project; wait until it is done")
        with undisturbed(parts, "--repair") if repair else nullcontext():
            yield from blobs.check(data=data or repair, repair=repair)
    yield from _counters(parts)
    # What rows name when they are read must not be collected before it was looked for.
    with parts.objects.session():
        mark = Mark(parts.objects.pages)
        for root in roots(parts):
            try:
                reach(mark, root)
            except (Corrupt, NotFound) as error:
                yield f"{root.what}: {error}"
        for blob in _missing(blobs, mark.blobs):
            yield f"blob {show_id(blob)} is missing although a commit or a result needs it"


def _missing(blobs: Blobs, needed: Collection[bytes]) -> Iterator[bytes]:
    source = iter(needed)
    while some := set(islice(source, BATCH)):
        yield from sorted(some - blobs.has(some))


def _counters(parts: Parts) -> Iterator[str]:
    """The counters of jobs and runs are a second truth beside their tasks; they must agree."""
    for row in parts.store.fetch("counted"):
        yield f"job {row['step']}@{row['run']}: its counters say {row['said']} tasks are left, {row['real']} are"
    for run in parts.store.load(Run, "active_runs"):
        jobs = parts.store.load(Job, "jobs_of_run", run=run.id)
        real = sum(job.state != JobState.DONE for job in jobs)
        if real != run.left or run.state == RunState.DONE:
            yield f"run {run.id}: its counter says {run.left} jobs are left, {real} are"
