"""`ready`: give tasks to workers: as many as fit, and where tasks end quickly some more, so that no worker waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from msgspec import Struct, field

from penstock.engine.pack import Needs, Sort, Wish, in_order, pack
from penstock.engine.world import World
from penstock.model import fingerprint
from penstock.model.facts import Fact, Placed, Reused, Sent, Unreadable
from penstock.model.moves import Reason, TaskState
from penstock.model.run import Attempt, Job, Task
from penstock.model.wire import Assignment, Recipe, Result
from penstock.service.bindings.opened import holding
from penstock.service.bindings.work import decode_inputs
from penstock.service.driving.crew import AHEAD, MOST, Crew, Worker
from penstock.service.driving.frontier import Frontiers
from penstock.service.driving.piles import Pile, fresh_needs, lone_piles, order_of, piles_of, sort_of, turn_of
from penstock.service.driving.promising import Promises
from penstock.service.driving.recipes import recipe
from penstock.service.inplace import looked, stale
from penstock.service.opening.marks import noted
from penstock.service.parts import Parts
from penstock.service.userdata.exchange import Exchange

#: Weight of the newest report in the running mean of how long a task takes.
NEWEST = 0.5
#: The encoding of no inputs at all, which most plain commands have.
NO_INPUTS = b"\x90"
#: The key of the only task of a lone job.
ONLY = ("",)

Given = tuple[int, Needs, Assignment]
Handed = tuple[Recipe, list[Given]]


class Handover(Struct):
    """What a worker gets once the rows that say so are stored."""

    crew: Crew
    worker: Worker
    handed: list[Handed] = field(default_factory=list)


class Placer:
    """Remembers how long tasks take and since when they wait, and whether others may do the same work meanwhile."""

    def __init__(
        self, parts: Parts, crew_of: Callable[[Job], Crew], token: int, next_task: int, flush: Callable[[], None]
    ) -> None:
        self.parts = parts
        self.crew_of = crew_of
        self.token = token  #: the last fencing token given
        self.next_task = next_task  #: the next number that no task has
        self.flush = flush
        self.frontiers = Frontiers(parts, flush)
        self.exchange = Exchange(parts)
        self.promises = Promises()
        self.shared: set[int] = set()  #: jobs that do not have the memory of reuse for themselves
        self.too_late = False  #: whether anything is ready, and all of it is longer than its place lasts
        self.refused: dict[int, str] = {}  #: jobs whose tasks can never run, which was not known before; why
        self._seconds: dict[Any, float] = {}
        self._since: dict[Any, int] = {}  # pile -> when it was first seen with nothing of it placed

    def pace_of(self, world: World, job: Job) -> Any:
        """What the running time of a job's tasks is remembered by."""
        return world.kind(job) if world.step(job).lone else job.seq

    def learn(self, pace: Any, results: Sequence[Result]) -> None:
        """Take a report into the mean time of tasks."""
        mean = sum(result.ended - result.started for result in results) / len(results) / 1e6
        before = self._seconds.get(pace)
        self._seconds[pace] = mean if before is None else mean * NEWEST + before * (1 - NEWEST)

    def place(self, world: World, now: int) -> tuple[list[Fact], list[Handover]]:
        """Placements for every worker with room."""
        self.too_late = False
        if not world.ready and not world.hungry:
            return [], []
        one = _Turn(self, world, now)
        by_crew: dict[int, tuple[Crew, list[Pile]]] = {}
        for pile in self._piles(world):
            crew = self.crew_of(pile.job)
            never = crew.never(pile.needs)
            if never is not None:
                if pile.line is not None:
                    one.refuse(pile.line, never)
                else:
                    self.refused[pile.job.seq] = never
                continue
            by_crew.setdefault(id(crew), (crew, []))[1].append(pile)
        found = by_crew.values()
        self.too_late = bool(found) and all(crew.too_late(pile.needs) for crew, piles in found for pile in piles)
        for crew, piles in found:
            one.place(crew, piles)
        return one.facts, list(one.handovers.values())

    def _piles(self, world: World) -> Iterator[Pile]:
        yield from lone_piles(self.parts, world)
        hungry = [job for job in map(world.jobs.__getitem__, sorted(world.hungry)) if world.may_run(job)]
        reusing = [job.seq for job in hungry if world.step(job).reuse]
        if len(reusing) > 1:
            self.shared.update(reusing)
        for job in hungry:
            yield from piles_of(self.parts, world, job, self.frontiers.look(job.seq), self.pace_of(world, job))

    def seconds(self, pile: Pile) -> float | None:
        """How long a task of a pile takes, as far as that is known."""
        return self._seconds.get(pile.pace)

    def pace(self, world: World, job: Job) -> float | None:
        """How long a task of a job takes, as far as that is known."""
        return self._seconds.get(self.pace_of(world, job))

    def waited(self, pile: Pile, now: int) -> float:
        """For how many seconds nothing of a pile could be placed."""
        return (now - self._since.setdefault(pile.name, now)) / 1e6

    def placed(self, pile: Pile) -> None:
        self._since.pop(pile.name, None)


class _Turn:
    """One look at all that may be placed."""

    def __init__(self, placer: Placer, world: World, now: int) -> None:
        self.placer = placer
        self.world = world
        self.now = now
        self.moment = time.monotonic()
        self.facts: list[Fact] = []
        self.handovers: dict[str, Handover] = {}
        self._holding: dict[str, int] = {}
        self._fresh_lone: dict[str, list[tuple[Job, str]]] = {}  # worker -> jobs and attempts it gets in this turn

    def place(self, crew: Crew, piles: list[Pile]) -> None:
        sort = sort_of(self.placer.parts, piles[-1].job)  # as the newest pipeline with something to place wants it
        piles.sort(key=lambda pile: pile.order)
        wanted = [Wish(place, pile.needs, min(pile.count, MOST), pile.priority) for place, pile in enumerate(piles)]
        workers = [worker for worker in crew.workers(in_order(wanted, sort)) if not worker.alone]
        if not workers:
            return
        # One whose end may have been the work of a task gets it alone the last time, so that no other task is blamed.
        for pile in piles:
            while pile.suspect and pile.count:
                free = (worker for worker in workers if not worker.holds and _has_room(worker, pile, self.moment))
                worker = next(free, None)
                if worker is None:
                    break
                worker.alone = self._hand(crew, worker, pile, 1) > 0
                workers.remove(worker)
        normal = [pile for pile in piles if not pile.suspect]
        rooms = [worker.room(self.moment) for worker in workers]
        wishes = [
            Wish(place, pile.needs, pile.count, pile.priority, self.placer.waited(pile, self.now))
            for place, pile in enumerate(normal)
        ]
        placements, kept = pack(wishes, rooms, sort)
        for placement in placements:
            self._hand(crew, workers[placement.node], normal[placement.key], placement.count)
        others = [worker for place, worker in enumerate(workers) if place != kept]
        self._hand_ahead(crew, others, [normal[wish.key] for wish in in_order(wishes, sort)])
        first = min(
            (turn_of(sort, pile.needs, pile.priority, pile.order) for pile in normal if pile.count), default=None
        )
        for worker in others if self.world.down else ():
            self._promise(crew, worker, sort, first)

    def _promise(self, crew: Crew, worker: Worker, sort: Sort, first: Any) -> None:
        """Give a worker the lone jobs, too, that wait for nothing but what it has; but none whose turn is after that of
        the `first` that still waits for room.
        """
        placer, room = self.placer, worker.room(self.moment)

        def give(job: Job, attempt: str) -> Sent:
            sent, given = self._one(worker, job, fresh_needs(self.world.step(job).placing), attempt)
            self.handovers.setdefault(worker.name, Handover(crew, worker)).handed.append(given)
            return sent

        def fits(job: Job) -> bool:
            step = self.world.step(job)
            needs = fresh_needs(step.placing)
            mine = turn_of(sort, needs, step.priority, order_of(placer.parts, self.world, job))
            return (
                (first is None or mine <= first)
                and step.lone
                and not step.reads  # what there is of them is noted when it begins
                and self.world.may_run(job)
                and placer.crew_of(job) is crew
                and worker.node.fits(needs)
                and room.lasts(needs)
                and not placer.exchange.concerns(job, step)
            )

        fresh = self._fresh_lone.get(worker.name, ())
        placer.promises.extend(self.world, worker, fresh, lambda job: placer.pace(self.world, job), give, fits)

    def refuse(self, jobs: Iterable[Job], why: str) -> None:
        """End lone jobs that nothing here can ever run."""
        self.facts += (Unreadable(job.seq, Reason.UNRUNNABLE, f"step {job.step!r} {why}") for job in jobs)

    def _hand_ahead(self, crew: Crew, workers: Sequence[Worker], piles: Sequence[Pile]) -> None:
        """Give workers that will be done in a moment half a second's worth of work, refilled at half of that."""
        for pile in piles:
            pace = self.placer.seconds(pile)
            if pace is None or pace >= AHEAD or pile.again:
                continue
            able = [worker for worker in workers if _has_room(worker, pile, self.moment)]
            slots = {worker.name: max(1, worker.room(self.moment).most(pile.needs)) for worker in able}
            left = sum(slots.values())
            for worker in able:
                if pile.count <= 0:
                    break
                enough = min(int(slots[worker.name] * AHEAD / max(pace, 1e-6)), MOST)
                holds = len(worker.holds) + self._holding.get(worker.name, 0)
                share = -(-pile.count * slots[worker.name] // left)
                left -= slots[worker.name]
                if holds <= enough // 2:
                    self._hand(crew, worker, pile, min(enough - holds, share))

    def _hand(self, crew: Crew, worker: Worker, pile: Pile, count: int) -> int:
        """Make the attempts of some tasks of a pile; how many there are now."""
        handover = self.handovers.setdefault(worker.name, Handover(crew, worker))
        given = self._lone(worker, pile, count) if pile.kind else self._of_job(worker, pile, count)
        done = 0
        for shared, mine in given:
            handover.handed.append((shared, mine))
            done += len(mine)
        if done:
            self.placer.placed(pile)
        pile.count -= done
        self._holding[worker.name] = self._holding.get(worker.name, 0) + done
        return done

    def _lone(self, worker: Worker, pile: Pile, count: int) -> Iterator[Handed]:
        allowed = (job for job in pile.line or () if not job.hold and not job.stop)
        for job in islice(allowed, count):
            sent, given = self._one(worker, job, pile.needs)
            self.facts.append(sent)
            self._fresh_lone.setdefault(worker.name, []).append((job, given[1][0][2].attempt))
            yield given

    def _one(self, worker: Worker, job: Job, needs: Needs, after: str | None = None) -> tuple[Sent, Handed]:
        """The task of a lone job, and what a worker gets of it."""
        placer, step = self.placer, self.world.step(job)
        params = placer.parts.params(self.world.runs[job.run], job)
        placer.token += 1
        task = Task(
            seq=placer.next_task,
            job=job.seq,
            id=fingerprint.task_id((), f"{job.pipeline}.{job.id}"),
            key=ONLY,
            fingerprint=b"",
            params=params,
            inputs=NO_INPUTS,
            reuse=False,
            created=self.now,
            state=TaskState.ACTIVE,
            attempts=1,
        )
        placer.next_task += 1
        attempt = Attempt(task.seq, 1, placer.token, worker.name, created=self.now)
        data = placer.exchange.given(job, step)
        old = stale(placer.parts, job, step, params)
        assignment = Assignment(task.id, f"{task.id}-1", placer.token, params, data=data, stale=old, after=after)
        sent = Sent(job.seq, task, attempt, noted(placer.parts, placer.exchange, job.pipeline, step))
        return sent, (recipe(placer.parts, job, step), [(task.seq, needs, assignment)])

    def _of_job(self, worker: Worker, pile: Pile, count: int) -> Iterator[Handed]:
        job = pile.job
        tasks = self._again(job, pile, count) if pile.again else self._fresh(job, count)
        if not tasks:
            return
        placer, step = self.placer, self.world.step(job)
        placed, given = [], []
        data = placer.exchange.given(job, step)
        for task in tasks:
            placer.token += 1
            number = task.attempts + 1
            placed.append((task, Attempt(task.seq, number, placer.token, worker.name, created=self.now)))
            assignment = Assignment(
                task.id,
                f"{task.id}-{number}",
                placer.token,
                task.params,
                decode_inputs(task.inputs) if task.inputs != NO_INPUTS else (),
                task.tries,
                task.memory,
                task.seconds,
                data,
                looked(job, step, task.params) if step.takes else (),
                stale(placer.parts, job, step, task.params),
            )
            given.append((task.seq, pile.needs, assignment))
        self.facts.append(Placed(job.seq, tuple(placed)))
        yield recipe(placer.parts, job, step), given

    def _again(self, job: Job, pile: Pile, count: int) -> list[Task]:
        mine, pile.again = pile.again[:count], pile.again[count:]
        if self.world.step(job).outputs:
            self.placer.flush()  # what their last tries left is asked for
        known = self.placer.frontiers.of(job.seq)
        taken = {task.seq for task in mine}
        known.again = [task for task in known.again if task.seq not in taken]
        return self._new_work(job, mine)

    def _fresh(self, job: Job, count: int) -> list[Task]:
        if job.seq not in self.placer.shared:
            return list(self.placer.frontiers.take(job, count))
        mine: list[Task] = []
        while len(mine) < count and (some := list(self.placer.frontiers.take(job, count - len(mine)))):
            mine += self._new_work(job, some)
        return mine

    def _new_work(self, job: Job, tasks: list[Task]) -> list[Task]:
        """Those of some tasks to do: what succeeded elsewhere is reused, what is in flight there waits."""
        if job.seq not in self.placer.shared:
            return tasks
        self.placer.flush()
        store = self.placer.parts.store
        mine: list[Task] = []
        reused: list[tuple[Task, Task]] = []
        now = holding(self.placer.parts, job)
        for task in tasks:
            known = now.of(store.load(Task, "success", fingerprint=task.fingerprint))
            if known and not self.world.step(job).outputs:  # these must be as they were left
                reused.append((task, known[task.fingerprint]))
            elif store.load(Task, "twin", fingerprint=task.fingerprint) or self._twin_here(task):
                self.placer.frontiers.of(job.seq).again.append(task)
            else:
                mine.append(task)
        if reused:
            self.facts.append(Reused(job.seq, tuple(reused)))
        return mine

    def _twin_here(self, task: Task) -> bool:
        """Whether the same work was placed a moment ago."""
        return any(
            other.fingerprint == task.fingerprint
            for fact in self.facts
            if isinstance(fact, Placed)
            for other, _ in fact.placed
        )


def _has_room(worker: Worker, pile: Pile, moment: float) -> bool:
    """Whether a task of a pile could run at a worker if nothing else did."""
    return worker.node.fits(pile.needs) and worker.room(moment).lasts(pile.needs)
