"""`fsck`: whether everything rows refer to is there and whole. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

from penstock.model.data import EMPTY, show_id
from penstock.model.errors import Corrupt, NotFound
from penstock.model.moves import JobState, RunState
from penstock.model.run import Job, Run
from penstock.objects import map as pages_map
from penstock.objects import tree
from penstock.service.parts import Parts


def fsck(parts: Parts, data: bool = False) -> Iterator[str]:
    """One line per damage: the database, the store, and every root that a row names; with `data` all bytes too."""
    yield from parts.store.check()
    yield from parts.objects.blobs.check(data=data)
    yield from _counters(parts)
    needed: set[bytes] = set()
    for what, root, is_tree in _roots(parts):
        try:
            for _, value in pages_map.scan(parts.objects.pages, root):
                if is_tree:
                    needed.update(tree.decode(value).blobs)
        except (Corrupt, NotFound) as error:
            yield f"{what}: {error}"
    for blob in sorted(needed - parts.objects.blobs.has(needed)):
        yield f"blob {show_id(blob)} is missing although a commit or a result needs it"


def _roots(parts: Parts) -> Iterator[tuple[str, bytes, bool]]:
    """(who needs it, root, whether it maps paths to entries), each root once."""
    seen: set[bytes] = set()
    for row in parts.store.fetch("roots"):
        root = row["root"]
        if root != EMPTY and root not in seen:
            seen.add(root)
            yield row["what"], root, bool(row["is_tree"])


def _counters(parts: Parts) -> Iterator[str]:
    """The counters of jobs and runs are a second truth beside their tasks; they must agree."""
    for row in parts.store.fetch("counted"):
        yield f"job {row['step']}@{row['run']}: its counters say {row['said']} tasks are left, {row['real']} are"
    for run in parts.store.load(Run, "active_runs"):
        jobs = parts.store.load(Job, "jobs_of_run", run=run.id)
        real = sum(job.state != JobState.DONE for job in jobs)
        if real != run.left or run.state == RunState.DONE:
            yield f"run {run.id}: its counter says {run.left} jobs are left, {real} are"
