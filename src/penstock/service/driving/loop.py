"""The engine: read what others wrote, let each driver do what a state asks for, answer the facts, store the rows.

Whoever holds the engine role turns this wheel; nobody else moves rows on. Rows are stored a little behind: many turns
of quick tasks are one transaction, in which a task that was given out and came back is written once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from penstock.engine import endings
from penstock.engine.pack import Needs, Wish
from penstock.engine.react import react
from penstock.engine.world import World
from penstock.model.cycles import rarely_looked_for
from penstock.model.errors import Conflict
from penstock.model.facts import Began, Expanded, Fact, Loaded, Reported, Returned
from penstock.model.moves import JobState, Reason, TaskState
from penstock.model.run import Attempt, Edge, Job, Run, Task
from penstock.model.wire import Result
from penstock.objects.deep import remove
from penstock.service.driving.claiming import Claiming
from penstock.service.driving.closing import close
from penstock.service.driving.crew import Crew, Heard
from penstock.service.driving.expanding import expand
from penstock.service.driving.exporting import Exporter
from penstock.service.driving.leavings import end_left, take_over
from penstock.service.driving.local import LocalCrew, this_machine
from penstock.service.driving.pending import Pending
from penstock.service.driving.piles import fresh_needs
from penstock.service.driving.placing import Placer
from penstock.service.driving.recovering import still_so
from penstock.service.driving.sites import Sites
from penstock.service.driving.stopping import Stopping
from penstock.service.driving.troubles import Troubles
from penstock.service.opening.launch import follow
from penstock.service.opening.ticking import follow_clock, next_time
from penstock.service.parts import Parts

#: A power cut takes back at most what was written in so many seconds, and nothing that anybody was told.
SAFE_EVERY = 1.0
#: For how many seconds an engine may know more than is stored. A crash forgets that much, and the tasks of that moment
#: run again, once whatever is still there of them is ended.
BEHIND = 0.3
#: How long a turn waits for reports, in seconds, before it looks for rows written by others.
PATIENCE = 0.05


class Engine:
    """Drives a project's active runs. Make it only while holding the engine role.

    What `react` answers is taken into the world at once, and stored a moment later with all else that has changed by
    then; at once if anybody is told of it.
    """

    def __init__(
        self,
        parts: Parts,
        crew: Crew | None = None,
        ends: float | None = None,
        site: str | None = None,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self.parts = parts
        self._pending = Pending()
        self._unsaved: list[Fact] = []  # what workers were given and reported, and is not stored: it comes once
        self._claiming = Claiming(parts)
        self._stopping = Stopping()
        self._durable_at = 0.0
        self._stored_at = 0.0
        self._alarm: int | None = None  # when a branch moves although nobody commits
        self._behind = False  # this process has written rows that the world lacks
        self.exporter = Exporter(parts)
        take_over(parts)
        self.sites = Sites(parts, crew or LocalCrew(parts.layout, this_machine(most=parts.cpus), ends), site)
        self._troubles = Troubles(parts, "site", tell)
        # Tokens begin at the time: no attempt of an earlier engine has the same, and nobody has to look for its last.
        self.placer = Placer(parts, self.sites.of, parts.now(), parts.store.reserve(Task, 1), self._flush)
        self.world = self._load()
        self._apply([Returned(tuple(self.world.tasks), True, "the engine that started it is gone"), Loaded()])
        self.placer.shared.update(job.seq for job in self.world.in_state(JobState.OPEN))
        jobs = {id(self.world.step(job)): job for job in self.world.jobs.values()}
        self.sites.expect((job, fresh_needs(self.world.step(job).placing)) for job in jobs.values())

    def _work_is_certain(self) -> bool:
        """Whether some job here reads data committed for it, or reads none and runs every time."""
        made = {(job.run, job.repo) for job in self.world.jobs.values()}
        return any(
            job.state in (JobState.WAITING, JobState.EXPANDING)
            and (
                not job.inputs
                or any(item.commit == job.run and (job.run, item.repo) not in made for item in job.inputs)
            )
            and self.sites.of(job) is self.sites.local
            for job in self.world.jobs.values()
        )

    def _follow_clock(self) -> None:
        """Move the branches for which it is time."""
        if self._alarm is not None and self._alarm <= self.parts.now():
            with self.parts.store.transaction(durable=True):
                follow_clock(self.parts)
            self._behind = True

    @rarely_looked_for()
    def _load(self) -> World:
        store = self.parts.store
        store.changed()
        self._behind = False
        # In one transaction: what somebody commits between two questions must not be half seen.
        with store.transaction():
            self._alarm = next_time(self.parts)
            self.placer.exchange.forget()
            attempts = {attempt.task: attempt for attempt in store.load(Attempt, "live_attempts")}
            world = World.of(
                self.parts.step,
                store.load(Run, "active_runs"),
                store.load(Job, "active_jobs"),
                store.load(Edge, "active_edges"),
                [(task, attempts[task.seq]) for task in store.load(Task, "active_tasks") if task.seq in attempts],
                store.load(Task, "stopped_tasks"),
            )
        self._stopping.suspect(world.flying)
        return world

    def refresh(self) -> None:
        """Take in what others wrote: new runs, stops, holds."""
        self._flush()
        self.world = self._load()
        self.placer.frontiers.forget()
        self._apply([Loaded()])
        self._agree()

    def _agree(self) -> None:
        """See to it that workers do what the rows say, as others have left them."""
        if named := self._stopping.of_tasks(self.world):
            self.sites.stop(named, kill=False)
        promises = self.placer.promises
        promises.drop_broken(self.world)
        self.sites.stop(self.sites.held - self.world.tasks.keys() - promises.tasks, kill=True)
        self._answer(promises.due(self.world))

    def turn(self) -> None:
        """One turn of the wheel; waits a little when nothing else is to be done."""
        self._follow_clock()
        if self.parts.store.changed() or self._behind:
            self.refresh()
        self._stop_attempts()
        moved = self._drive_states()
        if moved:
            self._flush()  # what is given out stands on rows that are stored
        placed, handovers = self.placer.place(self.world, self.parts.now())
        self._answer(self._claiming.placed(self.world, placed))
        for handover in handovers:
            handover.crew.give(handover.worker, handover.handed)
        if not handovers:
            self.sites.level()
        self._hear(0.0 if moved and not handovers else PATIENCE)
        if self._pending.durable or time.monotonic() - self._stored_at >= BEHIND:
            self._flush()

    @property
    def too_late(self) -> bool:
        """Whether nothing goes on, and what is ready is longer than this place lasts."""
        return self.placer.too_late and not self.sites.holding and not any(self.world.states.values())

    def _drive_states(self) -> bool:
        """Do what the states of jobs ask for; whether that moved any."""
        world = self.world
        if not any(world.states[state] for state in (JobState.EXPANDING, JobState.EXPORTING, JobState.CLOSING)):
            return False
        self._flush()  # what is read for these must be what is known
        facts = [self._expand(job) for job in world.in_state(JobState.EXPANDING)]
        facts += self.exporter.turn(world)
        facts += [close(self.parts, job) for job in world.in_state(JobState.CLOSING)]
        if facts:
            self._apply(facts)
        return bool(facts)

    def _expand(self, job: Job) -> Fact:
        never = self.sites.of(job).never(fresh_needs(self.world.step(job).placing))
        first = self.placer.next_task = max(self.placer.next_task, self.parts.store.reserve(Task, 1))
        fact = expand(self.parts, self.world.runs[job.run], job, self.placer.exchange, first, never)
        if isinstance(fact, Expanded):
            self.placer.next_task += fact.stored + len(fact.tasks) + (fact.reused if job.rest_of is not None else 0)
            if not fact.stored:
                self.placer.frontiers.opened(job.seq, [task for task in fact.tasks if task.state == TaskState.READY])
        return fact

    def _hear(self, timeout: float) -> None:
        heard = self.sites.hear(timeout)
        self._troubles.now(self.sites.troubles)
        if heard.packs:
            self.parts.objects.blobs.learn(heard.packs)
        facts: list[Fact] = []
        if heard.began:
            facts.append(Began(tuple(heard.began)))
        if heard.ended:
            self._learn_pace(heard.ended)
            facts += self.placer.promises.reported((task, self._checked(task, result)) for task, result in heard.ended)
        for task in heard.back:
            self.placer.promises.take(task)
        if heard.back:
            facts.append(Returned(tuple(heard.back), False, "given back to be shared"))
        if heard.gone:
            facts += self._bury(heard)
        self._answer(facts)
        self._answer(self.placer.promises.due(self.world))

    def _answer(self, facts: Sequence[Fact]) -> None:
        """Answer facts that come once."""
        if facts:
            self._unsaved += facts
            self._apply(facts)

    def _checked(self, seq: int, result: Result) -> Result:
        """A result as it counts; what is not held any more is for `react` to pass by."""
        task = self.world.tasks.get(seq)
        if task is None:
            return result
        job = self.world.jobs[task.job]
        return self._claiming.checked(job, task, self.placer.exchange.checked(job, self.world.step(job), result))

    def _bury(self, heard: Heard) -> list[Fact]:
        """End what workers that are gone left behind, and give back what they had; but what takes one worker after the
        other with it has failed.
        """
        for worker in heard.gone:
            end_left(self.parts, worker)
            slots = self.parts.layout.work / worker
            if slots.exists():
                remove(slots)
        back: list[int] = []
        failed: list[tuple[int, Result]] = []
        for seq in heard.lost:
            if self.placer.promises.take(seq) is not None or seq not in self.world.tasks:
                continue  # it was not begun, or its job is over
            task, attempt = self.world.tasks[seq], self.world.attempts[seq]
            limit = self.world.step(self.world.jobs[task.job]).retry.crashes
            if task.crashes + 1 < limit:
                back.append(seq)
            else:
                failed.append((seq, endings.fatal(task, attempt, limit, self.parts.now())))
        message = f"worker {', '.join(heard.gone)} is gone; see .penstock/logs/workers.log"
        return [Returned(tuple(back), True, message, crashed=True), Reported(tuple(failed))]

    def _learn_pace(self, results: Sequence[tuple[int, Result]]) -> None:
        by_pace: dict[Any, list[Result]] = {}
        for task, result in results:
            seq = self.world.tasks[task].job if task in self.world.tasks else self.placer.promises.job_of(task)
            if seq in self.world.jobs:
                by_pace.setdefault(self.placer.pace_of(self.world, self.world.jobs[seq]), []).append(result)
        for pace, mine in by_pace.items():
            self.placer.learn(pace, mine)

    def _stop_attempts(self) -> None:
        """End what is in flight of jobs that are to start nothing more, and let those end that take too long."""
        if told := self._stopping.of_jobs(self.world):
            self.sites.stop(told, kill=False)
        for seq in self._stopping.overdue(self.world, self.parts.now()):
            self._flush()
            with self.parts.store.transaction(durable=True):
                self.parts.store.execute("stop_job", seq=seq, reason=Reason.TIMEOUT)
            self._behind = True
        if self.placer.refused:
            self._refuse()

    def _refuse(self) -> None:
        """End jobs whose tasks can never run, now that this is known."""
        refused, self.placer.refused = self.placer.refused, {}
        self._flush()
        with self.parts.store.transaction(durable=True):
            for seq, why in refused.items():
                if seq not in self.world.jobs:
                    continue  # it was refused before, and has ended
                message = f"step {self.world.jobs[seq].step!r} {why}"
                self.parts.store.execute("refuse_job", seq=seq, reason=Reason.UNRUNNABLE, message=message)
        self._behind = True

    def _apply(self, facts: Sequence[Fact]) -> None:
        """Answer facts, in memory; `_flush` stores what follows."""
        left = self.placer.exchange.left(self.world, facts)
        reaction = react(self.world, facts, self.parts.now())
        reaction.changes += left
        self._pending.add(reaction)
        self.world.absorb(reaction.changes)
        for old, row in reaction.changes:
            if isinstance(row, Task):
                if row.state == TaskState.READY and old is not None:
                    self.placer.frontiers.returned(row)
            elif isinstance(row, Job):
                self._watch(row)

    def _watch(self, job: Job) -> None:
        """Keep in mind what a job needs beside its rows, as long as it is not done."""
        if job.state == JobState.DONE:
            self._claiming.forget(job.seq)
            self.placer.frontiers.forget(job.seq)
        self._stopping.watch(job, self.world.step(job))

    def _flush(self) -> None:
        """Store all that is known, in one transaction. Raises Conflict; then nothing of it was stored."""
        if not self._pending:
            return
        pending, self._pending = self._pending, Pending()
        store = self.parts.store
        moment = time.monotonic()
        durable = pending.durable or moment - self._durable_at >= SAFE_EVERY
        if durable:
            self._durable_at = moment
        with store.transaction(durable=durable):
            store.insert(pending.new())
            store.update(pending.changed())
            for job, reason in pending.cancel_ready:
                store.execute("cancel_ready", job=job, reason=reason, now=self.parts.now())
            store.insert(pending.events)
            if places := pending.places():
                store.execute("note_places", rows=places)
            heads = pending.heads()
            if heads:
                # Branches may follow what was just published: what reads them is a run of its own.
                self._behind |= follow(self.parts, heads) is not None
                self._alarm = next_time(self.parts)
        self._stored_at = moment
        self._unsaved.clear()
        self.placer.exchange.stored()

    def _recover(self) -> None:
        """Somebody wrote between our reading and our writing: nothing of ours was stored. Look again, and answer what
        workers were given and reported on the rows as they are now; all else follows from these once more.
        """
        self._pending = Pending()
        self.world = self._load()
        self.placer.frontiers.forget()
        facts, self._unsaved = self._unsaved, []
        for fact in facts:
            if still := still_so(self.parts, self.world, fact):
                self._unsaved.append(still)
                self._apply([still])
        self._apply([Loaded()])
        self._stopping.suspect(self.world.flying)
        self._agree()

    def settle(self) -> None:
        """Take what rows ask for as far as no task has to run: end what was stopped, close what is complete."""
        while closing := list(self.world.in_state(JobState.CLOSING)):
            self._flush()
            self._apply([close(self.parts, job) for job in closing])
        self._flush()

    @rarely_looked_for()
    def drive(self, until: Callable[[World], bool], seen: Callable[[World], None] | None = None) -> None:
        """Turn until `until` says so; `seen` looks at the world after each turn (progress)."""
        if self._work_is_certain():
            # They come up while bindings are found.
            self.sites.local.workers([Wish(0, Needs(), self.sites.local.node.cpus)])
        while True:
            try:
                if until(self.world):
                    self._flush()
                    return
                self.turn()
            except Conflict:
                self._recover()
            if seen is not None:
                seen(self.world)

    def interrupt(self) -> None:
        """End everything in flight and give it back, so that the next engine goes on from here."""
        self.sites.stop(None, kill=False)
        quiet = 0
        while self.sites.holding and quiet < QUIET_TURNS:
            before = self.sites.holding
            self._hear(PATIENCE)
            quiet = quiet + 1 if self.sites.holding == before else 0
        self.close()
        self._save()
        self.world = self._load()
        self._apply([Returned(tuple(self.world.tasks), False, "interrupted")])
        self._save()

    def _save(self) -> None:
        try:
            self._flush()
        except Conflict:
            self._recover()
            self._flush()

    def close(self) -> None:
        """End the workers, what one that would not leave had started, and who copies outputs."""
        self.exporter.close()
        self._troubles.close()
        for worker in self.sites.close():
            end_left(self.parts, worker)


#: How many turns without a word an interrupted engine waits for its workers before it kills them.
QUIET_TURNS = 200
