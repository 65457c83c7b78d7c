"""Piles: tasks that may be placed and ask for the same, and the order in which piles are looked at."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, islice
from typing import Any

from msgspec import Struct, field

from penstock.engine import endings
from penstock.engine.pack import Needs, Sort, turn
from penstock.engine.world import Kind, World
from penstock.model.run import Job, Task
from penstock.model.spec import Placing
from penstock.service.driving.crew import MOST
from penstock.service.driving.frontier import Frontier
from penstock.service.parts import Parts

#: Where a job stands: the age of its run, its pipeline, and the how-manieth step of the file it is.
Order = tuple[int, str, int]


class Pile(Struct):
    """Tasks that may be placed and ask for the same: those of one kind of lone jobs, fresh ones of a job, or ones that
    had an attempt before.
    """

    kind: Kind | None
    job: Job  #: whose they are, or whose the first of them is
    needs: Needs
    count: int
    priority: int
    pace: Any  #: what their running time is remembered by
    order: tuple[int, str, int]  #: where the first of them stands: by run, then by the order of the file
    again: list[Task] = field(default_factory=list)  #: they, if they had an attempt
    suspect: bool = False  #: whether each may be the end of whoever runs it
    line: Iterator[Job] | None = None  #: the lone jobs, in their order

    @property
    def name(self) -> Any:
        """What it is called from one turn to the next."""
        return self.kind or (self.job.seq, self.needs, bool(self.again), self.suspect)


def order_of(parts: Parts, world: World, job: Job) -> Order:
    """Where a job stands: older runs first, and in a run the order of the file."""
    return world.runs[job.run].seq, job.pipeline, parts.pipeline(job.pipeline, job.version).place(job.step)


def sort_of(parts: Parts, job: Job) -> Sort:
    """The order in which a job's pipeline wants tasks looked at."""
    return parts.pipeline(job.pipeline, job.version).sort


def turn_of(sort: Sort, needs: Needs, priority: int, order: Order) -> tuple[Any, ...]:
    """When a task is looked at: the smallest first. Without `sort` the order of the file decides."""
    return (*turn(needs, priority, sort), *(order if sort == "none" else ()))


def lone_piles(parts: Parts, world: World) -> Iterator[Pile]:
    """Piles of lone jobs: one for each kind, or, where the order of the file counts, for each stretch of it."""
    filed: list[tuple[Order, Kind, Job]] = []
    for kind, line in world.ready.items():
        run = world.runs[kind.run]
        if run.hold or run.stop:
            continue
        jobs = map(world.jobs.__getitem__, line)
        first = world.jobs[next(iter(line))]
        if sort_of(parts, first) == "none":
            filed += ((order_of(parts, world, job), kind, job) for job in islice(jobs, MOST))
        else:
            yield _lone(kind, first, order_of(parts, world, first), len(line), jobs)
    filed.sort(key=lambda item: item[0])
    for kind, stretch in groupby(filed, key=lambda item: item[1]):
        mine = list(stretch)
        order, _, first = mine[0]
        yield _lone(kind, first, order, len(mine), iter([job for _, _, job in mine]))


def _lone(kind: Kind, first: Job, order: Order, count: int, line: Iterator[Job]) -> Pile:
    return Pile(kind, first, fresh_needs(kind.placing), count, kind.placing.priority, kind, order, line=line)


def piles_of(parts: Parts, world: World, job: Job, frontier: Frontier, pace: Any) -> Iterator[Pile]:
    """Piles of an open job: its tasks that had an attempt, by what they ask for now, and the fresh ones."""
    step, order = world.step(job), order_of(parts, world, job)
    placing = step.placing
    again: dict[tuple[Needs, bool], list[Task]] = {}
    for task in frontier.again:
        suspect = bool(task.crashes) and task.crashes + 1 >= step.retry.crashes
        again.setdefault((_needs_of(placing, *endings.needs(task, step)), suspect), []).append(task)
    for (needs, suspect), tasks in again.items():
        yield Pile(None, job, needs, len(tasks), placing.priority, pace, order, tasks, suspect)
    fresh = world.ready_tasks(job) - len(frontier.again)
    if fresh > 0 and (frontier.tasks or not frontier.over):
        yield Pile(None, job, fresh_needs(placing), fresh, placing.priority, pace, order)


def fresh_needs(placing: Placing) -> Needs:
    """What a task asks for at first."""
    return _needs_of(placing, placing.resources.memory, placing.resources.time)


def _needs_of(placing: Placing, memory: int, seconds: float | None) -> Needs:
    """What one task asks of a node."""
    resources = placing.resources
    return Needs(resources.cpus, memory, resources.gpus, seconds, resources.nodes, placing.grace)
