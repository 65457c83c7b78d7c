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
        self._known: dict[bytes, int | None] = {EMPTY: 0}  # how many files were opened, None: it does not hold

    def holds(self, reading: bytes) -> bool:
        """Whether what was opened is as it was. What cannot be read any more may have been anything."""
        return self._count(reading) is not None

    def _count(self, reading: bytes) -> int | None:
        if reading not in self._known:
            try:
                self._known[reading] = _within(self._pages, reading, self._code)
            except (NotFound, Corrupt):
                self._known[reading] = None
        return self._known[reading]

    def of(self, tasks: Iterable[Task]) -> dict[bytes, Task]:
        """Of tasks that succeeded, newest first, those whose results hold: one for each fingerprint.

        Of several the one that opened most files: the others did not find what is there now.
        """
        found: dict[bytes, tuple[int, Task]] = {}
        for task in tasks:
            count = self._count(task.reading)
            if count is not None and (task.fingerprint not in found or found[task.fingerprint][0] < count):
                found[task.fingerprint] = count, task
        return {mark: task for mark, (_, task) in found.items()}

    def more(self, readings: Iterable[bytes], than: bytes) -> set[bytes]:
        """Those readings that hold, and have files that another one has not: they may have come back since."""
        return {reading for reading in readings if self.holds(reading) and _within(self._pages, reading, than) is None}


def _within(pages: Pages, reading: bytes, code: bytes) -> int | None:
    """How many files a reading has; None if one is not so in a tree of code. Raises NotFound, Corrupt."""
    count = 0
    for path, content in pages_map.scan(pages, reading):
        if code == EMPTY or (code != reading and pages_map.get(pages, code, path) != content):
            return None
        count += 1
    return count


def come_back(parts: Parts, job: Job, base: Job, holding: Holding) -> set[bytes]:
    """What late jobs with the recipe of `base`, from whose ledger `job` would start, had opened and `base` did not find
    any more, and what is there again.
    """
    rows = parts.store.fetch("late_readings", pipeline=job.pipeline, step=job.step, recipe=base.recipe)
    return holding.more((row["reading"] for row in rows), base.reading)


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
