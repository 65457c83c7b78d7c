"""`exporting`: have a process copy the output of each job to where its step asks, before the job's commit is made.

A process of its own, so that the engine turns on however slow the other side is, and so that whoever stops the job ends
it at once. It lives no longer than its engine; the next one begins again, and what is there already is not done twice.
"""

from __future__ import annotations

import os

import msgspec
from msgspec import Struct

from penstock.engine.world import World
from penstock.model.errors import Collision, Corrupt, NotFound
from penstock.model.facts import Exported, Fact
from penstock.model.moves import JobState, Outcome
from penstock.model.run import Job
from penstock.objects.blobs import Pages
from penstock.runner.base import Launch
from penstock.runner.isolated import python
from penstock.runner.process import Processes
from penstock.service.driving.closing import complete
from penstock.service.egress.order import FAILED, Order
from penstock.service.layout import Layout
from penstock.service.parts import Parts

LOG = "exports.log"
#: How many jobs one question brings.
PAGE = 100


class Copying(Struct, eq=False):
    """A process at work. While `session` is open, nothing of what it reads is collected as garbage."""

    processes: Processes  #: of it alone
    lifeline: int  #: when this closes, it leaves
    source: int  #: what it says, a line for each try that failed
    session: int
    said: bytes = b""

    @property
    def trouble(self) -> str:
        """Its last whole line."""
        return self.said.rpartition(b"\n")[0].rpartition(b"\n")[2].decode(errors="replace")

    def end(self) -> None:
        """End it if it still runs, and wait until it is gone: after that nothing is written any more."""
        self.processes.close()
        for descriptor in (self.lifeline, self.source, self.session):
            os.close(descriptor)


class Exporter:
    """The copies under way, by job."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._live: dict[int, Copying] = {}

    def turn(self, world: World) -> list[Fact]:
        """End what nobody wants any more, begin what is to be copied, and tell how it gets on."""
        facts: list[Fact] = []
        wanted = {job.seq: job for job in world.in_state(JobState.EXPORTING)}
        for seq in self._live.keys() - wanted.keys():
            self._live.pop(seq).end()
        busy: set[str | None] = set()
        for seq, job in wanted.items():
            first = job.repo not in busy  # one after the other goes to one place
            busy.add(job.repo)
            if first and seq not in self._live and not (job.hold or world.runs[job.run].hold):
                try:
                    self._live[seq] = self._begin(job)
                except (Collision, Corrupt, NotFound) as error:
                    facts.append(Exported(seq, str(error), True))
        for seq in list(self._live):
            facts += self._hear(seq, self._live[seq])
        return facts

    def _hear(self, seq: int, copying: Copying) -> list[Fact]:
        ended, readable = copying.processes.poll(0, (copying.source,))
        if readable:
            copying.said += os.read(copying.source, 1 << 16)
        if ended:
            self._live.pop(seq).end()
            return [Exported(seq, _verdict(copying, ended[0].exit_code), True)]
        return [Exported(seq, copying.trouble, False)] if readable else []

    def _begin(self, job: Job) -> Copying:
        """Raises Collision, Corrupt, NotFound where its output cannot be put together."""
        objects, layout = self._parts.objects, self._parts.layout
        session = objects.blobs.sessions.begin()
        try:
            with objects.writer() as writer:
                tree = complete(self._parts, Pages(objects.blobs, writer), job)[0].tree
            export = self._parts.step(job).export
            assert export is not None
            # A step may be renamed; its repo is what it was.
            names = self._parts.store.fetch("names_of_repo", repo=job.repo)
            former = tuple(f"{layout.id}/{row['pipeline']}.{row['step']}" for row in names)
            source, before = f"{layout.id}/{job.repo}", self._before(job, export.to)
            order = Order(export, str(layout.root), str(layout.objects), tree, before, source, job.run, former)
        except BaseException:
            os.close(session)
            raise
        return _start(layout, msgspec.json.encode(order) + b"\n", session)

    def _before(self, job: Job, to: str) -> tuple[bytes, ...]:
        """The trees that the place may hold: that of the repo's last copy there that went well, and what was tried
        since. None where something was copied elsewhere in between.
        """
        found: list[bytes] = []
        before = job.seq
        while True:
            jobs = self._parts.store.load(Job, "jobs_of_repo", repo=job.repo, before=before, limit=PAGE)
            for earlier in jobs:
                export = self._parts.step(earlier).export
                if export is None or export.to != to:
                    return ()
                good = earlier.outcome == Outcome.SUCCEEDED
                if good or earlier.unexported is not None:
                    found.append(earlier.tree)
                if good:
                    return tuple(found)
            if len(jobs) < PAGE:
                return ()
            before = jobs[-1].seq

    def close(self) -> None:
        """End all copies; whoever comes next begins again."""
        for copying in self._live.values():
            copying.end()
        self._live.clear()


def _start(layout: Layout, order: bytes, session: int) -> Copying:
    """Start a process that carries out an order."""
    stdin, lifeline = os.pipe2(os.O_CLOEXEC)
    source, stdout = os.pipe2(os.O_CLOEXEC)
    complaints = os.open(layout.logs / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    copying = Copying(Processes(), lifeline, source, session)
    argv = python("penstock.service.egress")
    # Marked, so that an engine that takes over finds it even so.
    env = {**os.environ, "PENSTOCK_PROJECT": layout.id}
    try:
        copying.processes.start(Launch(argv, env, None, stdin, stdout, complaints))
        while order:
            order = order[os.write(lifeline, order) :]
    except BaseException:
        copying.end()
        raise
    finally:
        for descriptor in (stdin, stdout, complaints):
            os.close(descriptor)
    return copying


def _verdict(copying: Copying, code: int) -> str | None:
    """Why a copy failed, None if it did not."""
    if code == 0:
        return None
    if code == FAILED and copying.trouble:
        return copying.trouble
    return f"the process that copied it ended with code {code}; see .penstock/logs/{LOG}"
