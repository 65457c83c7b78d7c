"""`report`: what the tasks of steps asked for beside what they used, and what would have been enough."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from penstock.model.run import Job, Run
from penstock.model.spec import Resources
from penstock.model.views import AskedView
from penstock.service import resolve
from penstock.service.parts import Parts
from penstock.service.userdata.documents import pipeline_named

#: How much more than was used is enough, so that the next run has room.
ROOM = 1.2
#: Below this part of what was asked for, too much was.
LITTLE = 0.5
#: Above this part of the processors asked for, more were used; a little more is noise.
MANY = 1.1
_MEGABYTE = 1_000_000


#: By what steps are sorted, the largest first.
SORTS: dict[str, Callable[[AskedView], float]] = {
    "processor": lambda view: view.cpu_seconds,
    "memory": lambda view: view.memory_used,
    "time": lambda view: view.time_used,
    "tasks": lambda view: view.tasks,
}


def report(parts: Parts, of: str | None, sort: str | None = None) -> list[AskedView]:
    """The steps of a run (None: the last one), or those of all runs of a pipeline, in the order of their first jobs, or
    by one of `SORTS`.

    Raises NotFound, BadReference.
    """
    run, pipeline = _named(parts, of)
    asked = {"run": run.id if run else None, "pipeline": pipeline}
    longest = {(row["pipeline"], row["step"]): row for row in parts.store.fetch("longest", **asked)}
    views = []
    for row in parts.store.fetch("used", **asked):
        step = parts.pipeline(row["pipeline"], row["version"]).step(row["step"])
        times = longest.get((row["pipeline"], row["step"]), {"tries": 0, "longest": 0, "starved": 0, "fed": 0})
        views.append(compared(step.resources, {**row, **times}))
    return views if sort is None else sorted(views, key=SORTS[sort], reverse=True)


def kept(parts: Parts, of: str | None) -> int:
    """How many jobs of a run (None: the last one) are of earlier ones, and so in no sum of it. Raises NotFound."""
    run, _ = _named(parts, of)
    jobs = parts.store.load(Job, "jobs_of_run", run=run.id) if run is not None else []
    return sum(job.kept is not None for job in jobs)


def _named(parts: Parts, of: str | None) -> tuple[Run | None, str | None]:
    """A run, or the name of a pipeline; a pipeline that is called like the start of an id is meant."""
    known = {row["name"] for row in parts.store.fetch("pipelines")}
    if of is None or (of not in known and (of == "last" or resolve.is_id(of))):
        return resolve.run(parts, of or "last"), None
    return None, pipeline_named(parts, of)


def compared(asked: Resources, row: dict[str, Any]) -> AskedView:
    """One step's numbers beside what it asked for. `row`: as the queries `used` and `longest` give it."""
    cpus = row["cpu_seconds"] / row["process_seconds"] if row["process_seconds"] > 0 else None
    seconds = (row["longest"] or 0) / 1e6
    # Nobody knows what is enough for those that had too little, as long as no other one has used more.
    starved, used = row["starved"] or 0, row["peak_memory"]
    unknown = starved and starved >= (row["fed"] or 0)
    over, under = [], []
    if cpus is not None and cpus > asked.cpus * MANY:
        over.append("cpus")
    elif cpus is not None and asked.cpus > 1 and cpus < asked.cpus * LITTLE:
        under.append("cpus")
    for name, said, most in (("memory", asked.memory, used), ("time", asked.time, seconds)):
        if said and (most > said or (name == "memory" and starved >= said)):
            over.append(name)
        elif said and most and most < said * LITTLE:
            under.append(name)
    return AskedView(
        pipeline=row["pipeline"],
        step=row["step"],
        tasks=row["tasks"],
        tries=row["tries"],
        cpus=asked.cpus,
        cpus_used=cpus if cpus is None else round(cpus, 2),
        cpus_enough=None if cpus is None else max(1, math.ceil(cpus / MANY)),
        memory=asked.memory,
        memory_used=used,
        memory_enough=None if unknown else _round_up(used * ROOM, _MEGABYTE) or None,
        time=asked.time,
        time_used=seconds,
        time_enough=float(_round_up(seconds * ROOM, 1)) or None,
        over=tuple(over),
        under=tuple(under),
        cpu_seconds=round(row["cpu_seconds"], 3),
        process_seconds=round(row["process_seconds"], 3),
    )


def _round_up(number: float, to: int) -> int:
    return math.ceil(number / to) * to
