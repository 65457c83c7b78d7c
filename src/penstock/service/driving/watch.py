"""Waiting for runs: drive them while the engine role is free, follow who has it otherwise, and see how they get on."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from operator import attrgetter

from msgspec import Struct, field

from penstock.engine.pack import lasts
from penstock.engine.world import World
from penstock.model.errors import WaitTimeout
from penstock.model.moves import JobState, RunState
from penstock.model.run import Job, Run
from penstock.model.spec import LOCAL
from penstock.service.parts import Parts
from penstock.service.role import Holder, check_outside, engine_role, holder

#: How often a follower looks, in seconds.
LOOK = 0.1
#: How often progress is told, in seconds.
TELL = 0.1
#: How much of the time telling it may take, where there are many jobs.
SHARE = 0.05


class Progress(Struct, frozen=True):
    """How the jobs of some runs stand. `following` is the engine that drives them, None when this process does."""

    jobs: Sequence[Job]
    rates: dict[int, float] = field(default_factory=dict)  #: job -> tasks per second of late
    following: Holder | None = None
    trouble: str = ""  #: why a site gives nothing for now


Tell = Callable[[Progress], None]


def follow_or_drive(
    parts: Parts,
    runs: Collection[str],
    tell: Tell | None,
    timeout: float | None,
    jobs: Collection[int] = (),
    ends: bool = False,
    site: str | None = None,
) -> None:
    """Return when all `runs` are done, with those that branches open which follow what they published; or if some are
    named, these `jobs` of theirs. Raises WaitTimeout, and Refused in a task of the project; a KeyboardInterrupt gives
    back what was in flight first. With `ends` this machine is ours no longer than the timeout, and tasks are told to
    leave before that. With `site` steps of this machine run there.
    """
    check_outside(parts.layout.id)
    deadline = None if timeout is None else time.monotonic() + timeout
    while runs:
        meter = _Meter(parts, runs, tell)
        while not _done(parts, runs, jobs):
            with engine_role(parts.layout.lock, site=site) as mine:
                if mine:
                    _drive(parts, runs, meter, deadline, jobs, deadline if ends else None, site)
                    break
            meter.show(holder(parts.layout.lock))
            _check(deadline)
            time.sleep(LOOK)
        meter.show(None, last=True)
        runs = () if jobs else _opened(parts, runs)


def _opened(parts: Parts, runs: Collection[str]) -> list[str]:
    """The runs that are not done and read what some runs published: branches that follow theirs opened them."""
    return [
        run.id
        for run in parts.store.load(Run, "active_runs")
        if run.origin == "put" and not run.hold and run.id not in runs
        for jobs in [parts.store.load(Job, "jobs_of_run", run=run.id)]
        if any(item.commit in runs for job in jobs for item in job.inputs)
    ]


def short_of_grace(parts: Parts, runs: Collection[str], limit: float) -> list[str]:
    """Steps on this machine that never have their grace before it ends, in so many seconds, as sentences."""
    jobs = [job for run in runs for job in parts.store.load(Job, "jobs_of_run", run=run) if job.state != JobState.DONE]
    found = {job.step: parts.step(job) for job in jobs if parts.step(job).site == LOCAL}
    return [
        f"step {name!r} has a grace of {step.grace:.0f} s, and this machine is ours for {limit:.0f}: it begins only "
        "if its `time` is shorter"
        for name, step in found.items()
        if step.supports_termination and not lasts(limit, None, step.grace)
    ]


def _drive(
    parts: Parts,
    runs: Collection[str],
    meter: _Meter,
    deadline: float | None,
    jobs: Collection[int],
    ends: float | None,
    site: str | None,
) -> None:
    with interrupts() as interrupted:

        def seen(world: World, trouble: str) -> None:
            meter.see(world, trouble)
            _check(deadline)
            if interrupted():
                raise KeyboardInterrupt

        def over(world: World) -> bool:
            if jobs:
                left = (world.jobs.get(seq) for seq in jobs)
                return all(job is None or job.state == JobState.DONE for job in left)
            return not any(run in world.runs for run in runs)

        drive(parts, over, seen, ends, site)


def drive(
    parts: Parts,
    until: Callable[[World], bool],
    seen: Callable[[World, str], None],
    ends: float | None = None,
    site: str | None = None,
    tell: Callable[[str], None] | None = None,
) -> None:
    """Be the engine until `until` says so, nothing that is ready can be done here any more, or `seen` raises, which is
    told after each turn how things stand and why a site gives nothing for now; whoever calls has the role. `ends`
    (monotonic seconds) is when this machine is no longer ours; `site` is where its steps run instead, `tell` is told
    once per change of what stands in the way. Raises WaitTimeout.
    """
    from penstock.service.driving.loop import Engine

    engine = Engine(parts, ends=ends, site=site, tell=tell)

    def after(world: World) -> None:
        seen(world, "; ".join(engine.sites.troubles.values()))
        if engine.too_late:
            raise WaitTimeout("what is ready needs more time than is left here; the run is not done")

    try:
        engine.drive(until, after)
    finally:
        # What is in flight, of these runs or of others, is given back: the next engine goes on from here.
        try:
            engine.interrupt()
        finally:
            engine.close()


@contextlib.contextmanager
def interrupts() -> Iterator[Callable[[], bool]]:
    """While inside, Ctrl-C, SIGTERM and a closed terminal only leave a note; yields the question whether one came.

    So a turn is never torn in the middle. A second Ctrl-C is not waited for. Outside the main thread nothing changes.
    """
    came: list[int] = []

    def note(number: int, frame: object) -> None:
        if came:
            raise KeyboardInterrupt
        came.append(number)

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _done(parts: Parts, runs: Collection[str], jobs: Collection[int]) -> bool:
    if jobs:
        return all(parts.store.load(Job, "job", seq=seq)[0].state == JobState.DONE for seq in jobs)
    active = {run.id for run in parts.store.load(Run, "active_runs") if run.state != RunState.DONE}
    return not active.intersection(runs)


def _check(deadline: float | None) -> None:
    if deadline is not None and time.monotonic() > deadline:
        raise WaitTimeout("the time to wait is over; the run is not done")


class _Meter:
    """Tells progress a few times a second, with rates over the last seconds."""

    def __init__(self, parts: Parts, runs: Collection[str], tell: Tell | None) -> None:
        self.parts, self.runs, self.tell = parts, set(runs), tell
        self.next = 0.0
        self.before: dict[int, tuple[float, int]] = {}
        self.rates: dict[int, float] = {}

    def see(self, world: World, trouble: str) -> None:
        if self.tell is not None and time.monotonic() >= self.next:
            self._show([job for job in world.jobs.values() if job.run in self.runs], None, trouble)

    def show(self, following: Holder | None, last: bool = False) -> None:
        if self.tell is not None and (last or time.monotonic() >= self.next):
            jobs = [job for run in self.runs for job in self.parts.store.load(Job, "jobs_of_run", run=run)]
            self._show(jobs, following)

    def _show(self, jobs: Sequence[Job], following: Holder | None, trouble: str = "") -> None:
        assert self.tell is not None
        now = time.monotonic()
        for job in jobs:
            if job.total <= 1:
                continue
            since, done = self.before.setdefault(job.seq, (now, job.processed))
            if now - since >= 1.0:
                self.rates[job.seq] = (job.processed - done) / (now - since)
                self.before[job.seq] = (now, job.processed)
        self.tell(Progress(sorted(jobs, key=attrgetter("seq")), self.rates, following, trouble))
        took = time.monotonic() - now
        self.next = now + took + max(TELL, took / SHARE)
