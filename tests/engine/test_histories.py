"""`react` on random histories: a small store in memory, every fact in any order, all invariants after every step."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from penstock.engine import endings
from penstock.engine.react import COUNTERS, react
from penstock.engine.turn import Reaction
from penstock.engine.world import World
from penstock.model import facts as f
from penstock.model.moves import MOVES, AttemptState, JobState, Outcome, Reason, RunState, TaskState
from penstock.model.run import Attempt, Branch, Commit, Edge, Job, JobInput, Run, Success, Task
from penstock.model.spec import After, Retry, Step
from penstock.model.wire import Result, Started

SEEDS = st.integers(0, 2**48)

#: What a worker may say, with how often.
RESULTS: list[tuple[str, str | None]] = [
    *[(Outcome.SUCCEEDED, None)] * 12,
    *[(Outcome.FAILED, Reason.EXIT)] * 5,
    (Outcome.FAILED, Reason.TIMEOUT),
    (Outcome.FAILED, Reason.COLLISION),
    (Outcome.TERMINATED, Reason.WALLTIME),
    (Outcome.RECOVERED, Reason.EXIT),
]

#: What is said of a task whose result was known, and collides.
BOTH = "both wrote it"

PUBLISHING = (JobState.EXPANDING, JobState.OPEN, JobState.EXPORTING, JobState.CLOSING)


def reachable(noun: str, old: str, new: str) -> bool:
    """Whether arrows lead from one state to the other: a row skips states in which nothing is stored."""
    seen, todo = {old}, [old]
    while todo:
        state = todo.pop()
        for start, end in MOVES[noun]:
            if start == state and end not in seen:
                seen.add(end)
                todo.append(end)
    return new in seen


def copied(world: World) -> Any:
    """All a world holds, apart from it."""
    return (
        dict(world.runs),
        dict(world.jobs),
        {key: list(edges) for key, edges in world.down.items()},
        {key: list(line) for key, line in world.turns.items()},
        dict(world.tasks),
        dict(world.attempts),
        dict(world.flying),
    )


@dataclass
class History:
    """Rows as a store would hold them, the world as an engine has them, and what may happen next."""

    chance: random.Random
    steps: list[Step]
    fate: Callable[[Task, int], tuple[str, str | None]]  #: task, number of earlier tries -> how it ends
    runs: dict[str, Run] = field(default_factory=dict)
    jobs: dict[int, Job] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    tasks: dict[int, Task] = field(default_factory=dict)
    attempts: dict[tuple[int, int], Attempt] = field(default_factory=dict)
    commits: list[Commit] = field(default_factory=list)
    branches: dict[str, Branch] = field(default_factory=dict)
    successes: dict[bytes, Success] = field(default_factory=dict)
    kept: dict[int, int] = field(default_factory=dict)  #: job -> bindings it reused without a row
    stale: bool = False  #: somebody wrote what the engine has not seen
    token: int = 0
    sent: int = 0  #: tasks of lone jobs made in the turn at hand
    now: int = 1000

    def __post_init__(self) -> None:
        self.world = self.load()

    # The store.

    def step(self, job: Job) -> Step:
        return next(step for step in self.steps if step.name == job.step)

    def load(self) -> World:
        live = {run.id for run in self.runs.values() if run.state != RunState.DONE}
        return World.of(
            self.step,
            [self.runs[run] for run in live],
            [job for job in self.jobs.values() if job.run in live],
            [edge for edge in self.edges if self.jobs[edge.job].state != JobState.DONE],
            [
                (self.tasks[attempt.task], attempt)
                for attempt in self.attempts.values()
                if attempt.state != AttemptState.ENDED
            ],
            [task for task in self.tasks.values() if task.stop and task.state == TaskState.READY],
        )

    def refresh(self, *first: f.Fact) -> None:
        self.world, self.stale = self.load(), False
        self.happen(*first, f.Loaded())

    def happen(self, *facts: f.Fact) -> Reaction:
        """React twice, find no difference and an untouched world, store the rows, check everything."""
        self.now += 1
        before = copied(self.world)
        reaction = react(self.world, facts, self.now)
        assert react(self.world, facts, self.now) == reaction
        assert copied(self.world) == before
        self.store(reaction)
        self.world.absorb(reaction.changes)
        sanity(self)
        return reaction

    def store(self, reaction: Reaction) -> None:
        rows = [id(row) for row, _ in reaction.changes if row is not None]
        assert len(rows) == len(set(rows)), "a row changes once in a turn"
        told = Counter((event.kind, event.subject) for event in reaction.events)
        for old, new in reaction.changes:
            match new:
                case Run():
                    self.moved("run", self.runs[new.id], old, new)
                    self.runs[new.id] = self.keeping_columns_of_people(self.runs[new.id], new)
                    assert (new.state == RunState.DONE) == (told["run.done", new.id] == 1)
                case Job():
                    self.moved("job", self.jobs[new.seq], old, new)
                    self.jobs[new.seq] = self.keeping_columns_of_people(self.jobs[new.seq], new)
                    if old.state == JobState.WAITING and new.state not in (JobState.WAITING, JobState.DONE):
                        assert new.hold is None and self.world.runs[new.run].hold is None, "a held job began"
                    assert new.state == old.state or told[f"job.{new.state}", new.id] == 1
                case Task() if old is None:
                    seq = new.seq or max(self.tasks, default=0) + 1
                    assert seq not in self.tasks
                    self.tasks[seq] = replace(new, seq=seq)
                case Task():
                    stored = self.tasks[new.seq]
                    self.moved("task", stored, old, new)
                    self.tasks[new.seq] = replace(new, stop=stored.stop, again=stored.again)
                case Attempt():
                    key = new.task, new.number
                    if old is None:
                        assert key not in self.attempts
                    else:
                        assert self.attempts[key] == old and old.state != AttemptState.ENDED
                        assert reachable("attempt", old.state, new.state)
                    self.attempts[key] = new
                case Success():
                    self.successes.setdefault(new.fingerprint, new)
                case Commit():
                    assert reaction.durable, "a commit is acknowledged"
                    self.commits.append(new)
                case Branch():
                    assert self.branches.get(new.repo, old) == old
                    self.branches[new.repo] = new
                case _:
                    raise AssertionError(f"a strange change: {new}")
        for seq, reason in reaction.cancel_ready:
            for task in self.tasks.values():
                if task.job == seq and task.state == TaskState.READY:
                    over = replace(task, state=TaskState.DONE, outcome=Outcome.CANCELLED, reason=reason)
                    self.tasks[task.seq] = over

    def moved(self, noun: str, stored: Any, old: Any, new: Any) -> None:
        assert stored.state == old.state, "the engine's row is not the stored one"
        assert stored.state != "done", f"a {noun} that is done changed"
        assert old.state == new.state or (old.state, new.state) in MOVES[noun] or noun == "job"
        assert reachable(noun, old.state, new.state)

    @staticmethod
    def keeping_columns_of_people(stored: Any, new: Any) -> Any:
        return replace(new, stop=stored.stop, hold=stored.hold)

    # What people do.

    def open_run(self) -> None:
        """A run over some of the steps, as a commit opens it."""
        chosen = [step for step in self.steps if self.chance.random() < 0.8] or self.steps[:1]
        run = Run(len(self.runs) + 1, f"run{len(self.runs) + 1}", "p", "o", None, None, {}, "put", self.now)
        first = len(self.jobs) + 1
        numbers = {step.name: first + place for place, step in enumerate(chosen)}
        publishers = {step.output: numbers[step.name] for step in chosen if step.output}
        for step in chosen:
            seq = numbers[step.name]
            needs = {numbers[after.step]: str(after.needs) for after in step.after if after.step in numbers}
            inputs = []
            for repo in sorted(reads(step)):
                unfinished = [job.seq for job in self.jobs.values() if job.repo == repo and job.state != JobState.DONE]
                if repo in publishers:
                    needs[publishers[repo]] = "success"
                elif unfinished:
                    needs[max(unfinished)] = "end"
                inputs.append(JobInput(repo, "main", None))
            self.edges += [Edge(seq, upstream, need) for upstream, need in needs.items()]
            self.jobs[seq] = Job(
                seq, run.id, "p", 1, step.name, step.output, self.now, waits=len(needs), inputs=tuple(inputs)
            )
        self.runs[run.id] = replace(run, left=len(chosen))

    def meddle(self) -> None:
        """Stop, hold or release something, or open a run; the engine sees it at once or later."""
        runs = [run for run in self.runs.values() if run.state != RunState.DONE]
        jobs = [job for job in self.jobs.values() if job.state != JobState.DONE]
        tasks = [task for task in self.tasks.values() if task.state != TaskState.DONE]
        kind = self.chance.choice(["open", "open", "stop", "hold", "release", "release", "task"])
        if kind == "open" and len(self.runs) < 3:
            self.open_run()
        elif kind == "task" and tasks:
            task = self.chance.choice(tasks)
            wish: dict[str, Any] = self.chance.choice([{"stop": Reason.USER}, {"again": task.attempts}])
            self.tasks[task.seq] = replace(task, **wish)
        elif runs and self.chance.random() < 0.4:
            run = self.chance.choice(runs)
            self.runs[run.id] = self.marked(run, kind)
        elif jobs:
            job = self.chance.choice(jobs)
            self.jobs[job.seq] = self.marked(job, kind)
        self.stale = True

    @staticmethod
    def marked(row: Any, kind: str) -> Any:
        if kind == "stop":
            return replace(row, stop=row.stop or Reason.USER)
        return replace(row, hold="user") if kind == "hold" else replace(row, hold=None)

    # What the outside world reports.

    def ready(self, job: int) -> list[Task]:
        return [task for task in self.tasks.values() if task.job == job and task.state == TaskState.READY]

    def expand(self, job: Job) -> f.Fact:
        if self.fate(self.invented(job, 99), 0)[1] == Reason.TIMEOUT:
            return f.Unreadable(job.seq, Reason.INPUT, "it is gone")
        # The same for the same job, whenever it is asked.
        dice = random.Random(job.id)
        count, reused = dice.choice([0, 1, 2, 3, 5]), dice.choice([0, 0, 2])
        self.kept[job.seq] = reused
        tasks = tuple(self.invented(job, place) for place in range(count))
        failed = dice.choice([0, 0, 0, 1, 2]) if self.fate is ANY else 0
        over = tuple(endings.collided(task, BOTH, self.now) for task in tasks[:failed])
        tasks = (*over, *tasks[failed:])
        return f.Expanded(job.seq, job.inputs, b"r", {}, None, b"", b"", b"", reused, 0, tasks=tasks, failed=len(over))

    def invented(self, job: Job, place: int) -> Task:
        name = f"{job.id}/{place}"
        return Task(0, job.seq, name, (str(place),), name.encode(), {}, b"", self.step(job).reuse, self.now)

    def place(self, job: Job, tasks: Sequence[Task]) -> f.Placed:
        placed = []
        for task in tasks:
            self.token += 1
            placed.append((task, Attempt(task.seq, task.attempts + 1, self.token, "w1", created=self.now)))
        return f.Placed(job.seq, tuple(placed))

    def send(self, job: Job) -> f.Sent:
        """The one task of a lone job, on its way."""
        self.token += 1
        self.sent += 1
        number = max(self.tasks, default=0) + self.sent
        task = replace(self.invented(job, 0), seq=number, state=TaskState.ACTIVE, attempts=1)
        return f.Sent(job.seq, task, Attempt(task.seq, 1, self.token, "w1", created=self.now))

    def lone(self) -> list[Job]:
        """Lone jobs that may begin."""
        jobs = [self.world.jobs[seq] for line in self.world.ready.values() for seq in line]
        return [job for job in jobs if self.world.may_run(job)]

    def result(self, task: Task, token: int, end: tuple[str, str | None]) -> tuple[int, Result]:
        return task.seq, Result(task.id, "a", token, *end, 0, end[1] or "", b"tree", int(task.key[0]) % 3, 1, 2, None)

    def close(self, job: Job) -> f.Closed:
        files = sum(task.files for task in self.tasks.values() if task.job == job.seq)
        if job.repo is None:
            return f.Closed(job.seq, b"l", b"o", b"t", files, 1, None, None)
        head = self.branches.get(job.repo) or Branch(job.repo, "main", None, 0)
        commit = Commit(0, job.run, job.repo, "main", head.head, job.run, "job", b"t", files, 1, self.now)
        return f.Closed(job.seq, b"l", b"o", b"t", files, 1, commit, head)

    def driven(self) -> list[f.Fact]:
        """What the drivers of a turn could report: each does a part of what its state asks for."""
        self.sent = 0
        facts: list[f.Fact] = [self.send(job) for job in self.lone() if self.chance.random() < 0.7]
        for job in [] if facts else self.world.in_state(JobState.EXPANDING):
            if self.chance.random() < 0.7:
                facts.append(self.expand(job))
        for job in self.world.in_state(JobState.CLOSING):
            if self.chance.random() < 0.7:
                facts.append(self.close(job))
        for job in self.world.in_state(JobState.OPEN):
            if job.hold or self.world.runs[job.run].hold or self.world.stopping(job):
                continue
            tasks = self.ready(job.seq)
            self.chance.shuffle(tasks)
            found, given = tasks[: self.chance.randint(0, 1)], tasks[1 : self.chance.randint(1, 4)]
            if given:
                facts.append(self.place(job, given))
            if found and self.fate is ANY:
                known = tuple((task, replace(task, output=b"tree", files=1)) for task in found)
                refused = tuple((task, BOTH) for task in found)
                taken: list[tuple[Any, Any]] = [(known, ()), ((), () if self.step(job).lone else refused)]
                facts.append(f.Reused(job.seq, *self.chance.choice(taken)))
        return facts

    def heard(self) -> list[f.Fact]:
        """What workers could say, and what could be said of them: late, twice, or of an attempt long fenced off."""
        began, ended, lost, back = [], [], [], []
        for task in self.world.tasks.values():
            token = self.world.attempts[task.seq].token
            for said in self.chance.choices([0, 1, 2], [8, 8, 1])[0] * [token]:
                ended.append(self.result(task, said, self.fate(task, task.tries)))
            if self.chance.random() < 0.2:
                given_back = self.chance.choice([token, token + 1])
                ended.append(self.result(task, given_back, (Outcome.CANCELLED, Reason.USER)))
            if self.chance.random() < 0.3:
                began.append((task.seq, Started("a", self.chance.choice([token, token - 1]), 1, "log", 0)))
            if self.chance.random() < 0.1:
                self.chance.choice([lost, back]).append(task.seq)
        over = [attempt for attempt in self.attempts.values() if attempt.state == AttemptState.ENDED]
        for attempt in self.chance.sample(over, min(len(over), 2)):
            ended.append(self.result(self.tasks[attempt.task], attempt.token, (Outcome.FAILED, Reason.EXIT)))
        self.chance.shuffle(ended)
        facts: list[f.Fact] = [f.Began(tuple(began)), f.Reported(tuple(ended)), *self.promised()]
        facts += [f.Returned(tuple(lost), True, "gone"), f.Returned(tuple(back), False, "")]
        self.chance.shuffle(facts)
        return facts

    def promised(self) -> list[f.Fact]:
        """What workers could say of jobs that were given out behind the one they wait for, whatever became of that."""
        facts: list[f.Fact] = []
        waiting = [job for job in self.world.jobs.values() if job.state == JobState.WAITING and job.waits <= 1]
        self.sent = 0
        for job in waiting:
            if self.world.step(job).lone and self.world.may_run(job) and self.chance.random() < 0.3:
                sent = self.send(job)
                facts.append(sent)
                if self.chance.random() < 0.8:
                    facts.append(f.Reported((self.result(sent.task, sent.attempt.token, self.fate(sent.task, 0)),)))
        return facts

    def wander(self, count: int, meddling: float = 0.15) -> None:
        """So many random steps."""
        for _ in range(count):
            dice = self.chance.random()
            if dice < meddling:
                self.meddle()
            elif dice < meddling + 0.05:
                # Another engine takes over.
                self.refresh(f.Returned(tuple(self.load().tasks), True, "the engine is gone"))
            elif self.stale and dice < 0.6:
                self.refresh()
            else:
                self.happen(*(self.driven() if dice < 0.8 else self.heard()))

    def finish(self) -> None:
        """Everybody does what is asked, in turn, until nothing is left to do."""
        self.runs = {key: replace(run, hold=None) for key, run in self.runs.items()}
        self.jobs = {key: replace(job, hold=None) for key, job in self.jobs.items()}
        self.refresh()
        for _ in range(200):
            self.sent = 0
            facts: list[f.Fact] = [self.send(job) for job in self.lone()]
            facts += [] if facts else [self.expand(job) for job in self.world.in_state(JobState.EXPANDING)]
            facts += [self.close(job) for job in self.world.in_state(JobState.CLOSING)]
            facts += [
                self.place(job, ready) for job in self.world.in_state(JobState.OPEN) if (ready := self.ready(job.seq))
            ]
            ended = [
                self.result(task, self.world.attempts[task.seq].token, self.fate(task, task.tries))
                for task in self.world.tasks.values()
            ]
            if not facts and not ended:
                break
            self.happen(*facts)
            self.happen(f.Reported(tuple(ended)))
        assert all(run.state == RunState.DONE for run in self.runs.values())
        assert all(job.state == JobState.DONE for job in self.jobs.values())
        assert not self.world.runs and not self.world.jobs and not self.world.tasks and not self.world.attempts


def reads(step: Step) -> set[str]:
    return {after.step.replace("s", "r") for after in step.after if after.needs == "success"} if step.output else set()


def graph(chance: random.Random, fail: Sequence[str] = ("finish",)) -> list[Step]:
    """Steps s0, s1 … that wait for earlier ones. A publishing step of them reads what those it needs publish. `fail`:
    what their first failure may mean.
    """
    steps = []
    for place in range(chance.randint(1, 6)):
        earlier = [step.name for step in steps if chance.random() < 0.4]
        steps.append(
            Step(
                name=f"s{place}",
                run=("true",),
                after=tuple(After(name, chance.choice(["success", "success", "end"])) for name in earlier),
                on_upstream_failure=chance.choice(["cancel", "cancel", "continue"]),
                output=chance.choice([None, f"r{place}"]),
                retry=Retry(chance.randint(1, 3)),
                reuse=chance.random() < 0.7,
                fail=chance.choice(fail),  # type: ignore[arg-type]
            )
        )
    return steps


def sanity(h: History) -> None:
    """All that is true between any two steps."""
    by_job: dict[int, list[Task]] = {seq: [] for seq in h.jobs}
    for task in h.tasks.values():
        by_job[task.job].append(task)
    for job in h.jobs.values():
        check_counters(h, job, by_job[job.seq])
        check_waiting(h, job)
        check_turn(h, job)
        assert (job.state == JobState.DONE) == (job.outcome is not None) == (job.finished is not None)
        assert job.state not in (JobState.EXPORTING,), "nothing to do there: it is passed at once"
    for task in h.tasks.values():
        check_attempts(h, task)
    for run in h.runs.values():
        jobs = [job for job in h.jobs.values() if job.run == run.id]
        assert run.left == sum(job.state != JobState.DONE for job in jobs)
        assert (run.state == RunState.DONE) == (run.left == 0)
        if run.state == RunState.DONE:
            check_end(run, [job.outcome for job in jobs])
    check_data(h)
    check_world(h)


def check_counters(h: History, job: Job, tasks: list[Task]) -> None:
    assert job.total == job.processed + job.reused + job.recovered + job.failed + job.cancelled + job.left
    states = Counter(task.state for task in tasks)
    assert job.left == states[TaskState.READY] + states[TaskState.ACTIVE]
    done = Counter(COUNTERS[Outcome(task.outcome)] for task in tasks if task.outcome and not task.reused)
    assert [done[name] for name in ("processed", "failed", "cancelled", "recovered")] == [
        job.processed,
        job.failed,
        job.cancelled,
        job.recovered,
    ]
    assert job.reused == (h.kept.get(job.seq, 0) if job.expanded else 0) + sum(task.reused for task in tasks)
    assert job.files == sum(task.files for task in tasks)
    assert job.expanded or not tasks
    if job.state == JobState.OPEN:
        assert job.left, "an open job has something to do"
    elif job.state in (JobState.CLOSING, JobState.DONE):
        assert job.left == 0
    if job.state == JobState.DONE and job.expanded:
        assert job.tree == b"t" or not job.files, "what it wrote is kept"
        assert job.repo is None or (job.repo, job.run) in {(commit.repo, commit.id) for commit in h.commits}
        stop = job.stop or h.runs[job.run].stop
        if job.outcome == Outcome.SUCCEEDED:
            assert not job.failed and (not job.cancelled)
        else:
            assert job.failed or job.cancelled
            assert (job.outcome == Outcome.TERMINATED) == (0 < job.failed == job.terminated) or stop
            lone = h.step(job).lone and job.outcome == Outcome.FAILED and job.failed
            why = {Outcome.CANCELLED: stop, Outcome.FAILED: Reason.TASKS, Outcome.TERMINATED: Reason.WALLTIME}
            assert job.reason == (tasks[0].reason if lone else why[Outcome(job.outcome or "failed")])


def check_waiting(h: History, job: Job) -> None:
    edges = [edge for edge in h.edges if edge.job == job.seq]
    bad = [edge for edge in edges if spoils(h, job, edge)]
    waits = sum(h.jobs[edge.upstream].state != JobState.DONE for edge in edges)
    assert job.waits >= 0
    if job.state == JobState.WAITING:
        assert job.waits == waits or h.stale and job.waits > waits
        assert not bad, "it can never begin"
    elif job.state != JobState.DONE:
        assert waits == 0 and not bad
    if bad:
        stop = job.stop or h.runs[job.run].stop
        assert job.outcome == Outcome.CANCELLED and not job.expanded
        assert job.reason in (Reason.UPSTREAM, stop)
    if job.reason == Reason.UPSTREAM:
        assert job.failed_upstream in {h.jobs[edge.upstream].id for edge in bad}


def spoils(h: History, job: Job, edge: Edge) -> bool:
    """Whether the end of an upstream job means that this one must not run."""
    upstream = h.jobs[edge.upstream]
    if upstream.state != JobState.DONE or upstream.outcome == Outcome.SUCCEEDED or edge.needs == "end":
        return False
    reading = upstream.repo is not None and upstream.repo in {item.repo for item in job.inputs}
    return reading or h.step(job).on_upstream_failure == "cancel"


def check_turn(h: History, job: Job) -> None:
    run = h.runs[job.run]
    siblings = [other for other in h.jobs.values() if job.repo is not None and other.repo == job.repo]
    ahead = [other for other in siblings if other.seq < job.seq and other.state != JobState.DONE]
    if job.state in PUBLISHING:
        assert not ahead, "one publishing job at a time, in order"
    if h.stale:
        return
    if job.state == JobState.WAITING and job.waits == 0 and not ahead and not h.step(job).lone:
        assert job.hold or run.hold or run.state != RunState.ACTIVE, "it could have begun"
    if job.stop or run.stop:
        assert job.state in (JobState.OPEN, JobState.CLOSING, JobState.DONE)
        assert not h.ready(job.seq), "a stopped job places nothing more"
    if job.failed and h.step(job).fail == "fast":
        assert not h.ready(job.seq), "the first failure was enough"
    assert not [task for task in h.ready(job.seq) if task.stop], "a stopped task does not wait"


def check_attempts(h: History, task: Task) -> None:
    attempts = [h.attempts[task.seq, number + 1] for number in range(task.attempts)]
    assert len(attempts) == sum(seq == task.seq for seq, _ in h.attempts)
    assert [attempt.token for attempt in attempts] == sorted({attempt.token for attempt in attempts})
    live = [attempt for attempt in attempts if attempt.state != AttemptState.ENDED]
    assert live == (attempts[-1:] if task.state == TaskState.ACTIVE else [])
    assert (task.state == TaskState.DONE) == (task.outcome is not None)
    assert task.tries <= h.step(h.jobs[task.job]).retry.tries
    assert task.tries <= task.attempts
    if task.state == TaskState.DONE and not (task.reused or task.message == BOTH) and task.outcome != Outcome.CANCELLED:
        assert attempts[-1].outcome == task.outcome
    if task.state == TaskState.DONE and task.outcome == Outcome.FAILED and task.reason != Reason.COLLISION:
        job = h.jobs[task.job]
        fast = h.step(job).fail == "fast" and any(
            other.outcome == Outcome.FAILED for other in h.tasks.values() if other.job == job.seq
        )
        asked = job.stop or h.runs[job.run].stop or task.stop
        assert task.tries == h.step(job).retry.tries or asked or fast, "it was given up too early"
    if task.outcome == Outcome.SUCCEEDED:
        assert (task.reason, task.message) == (None, ""), "an earlier try does not stick to a success"
    else:
        assert not task.output and not task.files


def check_end(run: Run, outcomes: Sequence[str | None]) -> None:
    if set(outcomes) <= {Outcome.SUCCEEDED}:
        assert (run.outcome, run.reason) == (Outcome.SUCCEEDED, None)
    elif run.outcome == Outcome.FAILED:
        assert run.reason == Reason.TASKS and Outcome.FAILED in outcomes
    elif run.outcome == Outcome.TERMINATED:
        assert run.reason == Reason.WALLTIME and Outcome.TERMINATED in outcomes
    else:
        assert run.outcome == Outcome.CANCELLED and run.reason in (run.stop, Reason.USER, Reason.UPSTREAM)


def check_data(h: History) -> None:
    good = {(commit.repo, commit.id) for commit in h.commits if commit.error is None}
    assert len(h.commits) == len({(commit.repo, commit.id) for commit in h.commits})
    assert {(branch.repo, branch.head) for branch in h.branches.values()} <= good
    for commit in h.commits:
        job = next(job for job in h.jobs.values() if (job.repo, job.run) == (commit.repo, commit.run))
        assert job.state == JobState.DONE
        assert (commit.error is None) == (job.outcome == Outcome.SUCCEEDED)
    by_mark = {task.fingerprint: task for task in h.tasks.values()}
    for mark in h.successes:
        assert by_mark[mark].outcome == Outcome.SUCCEEDED and by_mark[mark].reuse


def check_world(h: History) -> None:
    """What the engine remembers is what it would read."""
    if h.stale:
        return
    fresh, kept = h.load(), h.world
    assert kept.runs == fresh.runs
    assert kept.jobs == fresh.jobs
    assert kept.tasks == fresh.tasks
    assert kept.attempts == fresh.attempts
    assert {kind: set(line) for kind, line in kept.ready.items()} == {
        kind: set(line) for kind, line in fresh.ready.items()
    }
    assert set(kept.hungry) == {job.seq for job in fresh.in_state(JobState.OPEN) if fresh.ready_tasks(job)}
    assert {state: set(line) for state, line in kept.states.items()} == {
        state: set(line) for state, line in fresh.states.items()
    }
    assert {repo: line for repo, line in kept.turns.items() if line} == fresh.turns
    assert {job: count for job, count in kept.flying.items() if count} == {
        job: count for job, count in fresh.flying.items() if count
    }


def ANY(task: Task, tries: int) -> tuple[str, str | None]:
    """A different end at every try, the same whenever it is asked; none of them would go on for ever."""
    return random.Random(f"{task.id}/{tries}").choice(RESULTS)


def fated(salt: int) -> Callable[[Task, int], tuple[str, str | None]]:
    return lambda task, tries: random.Random(f"{salt}/{task.id}/{tries}").choice(RESULTS)


@given(SEEDS)
@settings(max_examples=60)
def test_whatever_happens_the_rows_agree_and_all_ends(seed: int) -> None:
    chance = random.Random(seed)
    history = History(chance, graph(chance, ["finish", "finish", "fast"]), ANY)
    history.open_run()
    history.refresh()
    history.wander(40)
    history.finish()


@given(SEEDS)
@settings(max_examples=25)
def test_how_things_end_does_not_depend_on_the_order(seed: int) -> None:
    """Placed together or alone, reported late or twice, lost and done again: the same ends, and the same counts."""

    def ends(order: int) -> Iterator[tuple[Any, ...]]:
        history = History(random.Random(order), graph(random.Random(seed)), fated(seed))
        history.chance = random.Random(seed)
        history.open_run()
        history.open_run()
        history.chance = random.Random(order)
        history.refresh()
        history.wander(25, meddling=0)
        history.finish()
        for run in history.runs.values():
            yield run.id, run.outcome, run.reason
        for job in history.jobs.values():
            yield job.id, job.outcome, job.reason, job.total, job.processed, job.reused, job.failed, job.files
        yield tuple(sorted((task.id, task.outcome or "", task.tries) for task in history.tasks.values()))
        yield tuple(sorted(history.branches.items()))

    assert list(ends(1)) == list(ends(2))
