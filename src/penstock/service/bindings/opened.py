"""What tasks opened of the frozen code, beside what their command says: a result counts as long as that is as it was.

It is kept as a tree of just these files, with what was in them: its root is the `reading` of a task or a job.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from penstock.model.data import EMPTY
from penstock.model.errors import Corrupt, NotFound
from penstock.model.run import Job, Task
from penstock.objects import map as pages_map
from penstock.objects.map import Pages
from penstock.service.parts import Parts


class Holding:
    """Which readings hold in a tree of code: all that was opened is there, with the same content."""

    def __init__(self, pages: Pages, code: bytes) -> None:
        self._pages = pages
        self._code = code
        self._known = {EMPTY: True, code: True}

    def holds(self, reading: bytes) -> bool:
        """Whether what was opened is as it was. What cannot be read any more may have been anything."""
        if reading not in self._known:
            try:
                self._known[reading] = all(
                    pages_map.get(self._pages, self._code, path) == content
                    for path, content in pages_map.scan(self._pages, reading)
                )
            except (NotFound, Corrupt):
                self._known[reading] = False
        return self._known[reading]

    def of(self, tasks: Iterable[Task]) -> dict[bytes, Task]:
        """Of tasks that succeeded, newest first, those whose results hold: one for each fingerprint."""
        found: dict[bytes, Task] = {}
        for task in tasks:
            if task.fingerprint not in found and self.holds(task.reading):
                found[task.fingerprint] = task
        return found


def holding(parts: Parts, job: Job) -> Holding:
    """Which readings hold for a job."""
    return Holding(parts.objects.pages, parts.code(job.pipeline, job.version))


def together(pages: Pages, readings: Collection[bytes]) -> bytes:
    """One reading for several that hold in the same tree; stored."""
    several = {*readings} - {EMPTY}
    if len(several) < 2:
        return several.pop() if several else EMPTY
    first, *others = sorted(several)
    entries = (entry for reading in others for entry in pages_map.scan(pages, reading))
    return pages_map.edit(pages, first, dict(entries).items())


def of_job(parts: Parts, pages: Pages, job: Job) -> bytes:
    """The reading of a job with what its tasks have read so far; stored."""
    rows = parts.store.fetch("readings_of_job", job=job.seq)
    return together(pages, [job.reading, *(row["reading"] for row in rows)])


def compared(pages: Pages, base: Job, now: Mapping[str, Any], code: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parts of a job, and what they are `now` in a tree of code, each with what the tasks of that job opened."""
    before, after = dict(base.parts.get("code", {})), dict(now.get("code", {}))
    for path, content in pages_map.scan(pages, base.reading):
        before[path.decode()] = content.hex()
        present = pages_map.get(pages, code, path)
        if present is not None:
            after[path.decode()] = present.hex()
    return {**base.parts, "code": before}, {**now, "code": after}
