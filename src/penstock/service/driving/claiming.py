"""Who wrote which path of an open job, as results come in."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from msgspec.structs import replace

from penstock.engine.claims import Claims, collision_message
from penstock.engine.world import World
from penstock.model.data import EMPTY
from penstock.model.facts import Fact, Reused
from penstock.model.moves import Outcome, Reason
from penstock.model.run import Job, Task
from penstock.model.wire import Result
from penstock.objects import map as pages_map
from penstock.service.bindings.ledger import Ledger
from penstock.service.bindings.work import succeeded
from penstock.service.parts import Parts
from penstock.store.spilling import Spilling


class Claiming:
    """The claims of all open jobs."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._claims: dict[int, Claims] = {}

    def checked(self, job: Job, task: Task, result: Result) -> Result:
        """A result as it counts: success only if no sibling wrote one of its paths."""
        message = self._claim(job, task, result.output) if result.outcome == Outcome.SUCCEEDED else None
        if message is None:
            return result
        return replace(result, outcome=Outcome.FAILED, reason=Reason.COLLISION, message=message, output=EMPTY, files=0)

    def placed(self, world: World, facts: Iterable[Fact]) -> list[Fact]:
        """What a turn placed, and after it the results it takes over, as they count."""
        mine, others = [], []
        for fact in facts:
            if isinstance(fact, Reused):
                mine.append(self._reused(world.jobs[fact.job], fact))
            else:
                others.append(fact)
        return [*others, *mine]

    def _reused(self, job: Job, fact: Reused) -> Reused:
        found: list[tuple[Task, Task]] = []
        refused: list[tuple[Task, str]] = []
        for task, known in fact.found:
            message = self._claim(job, task, known.output)
            if message is None:
                found.append((task, known))
            else:
                refused.append((task, message))
        return Reused(fact.job, tuple(found), tuple(refused))

    def _claim(self, job: Job, task: Task, output: bytes) -> str | None:
        """Let a task own what it wrote; or say why it cannot."""
        if output == EMPTY:
            return None
        key = "\n".join(task.key)
        paths = [path.decode() for path, _ in pages_map.scan(self._parts.objects.pages, output)]
        taken = self._of(job).take(key, paths)
        return None if taken is None else collision_message(taken[0], taken[1], key)

    def _of(self, job: Job) -> Claims:
        if job.seq not in self._claims:
            pages = self._parts.objects.pages
            claims = Ledger(job.ledger, job.owners, job.tree).claims(pages)
            claims.files, claims.directories = Spilling(), Spilling()  # a job may write more paths than can be held
            for task in chain.from_iterable(succeeded(self._parts, job.seq)):
                claims.take("\n".join(task.key), (path.decode() for path, _ in pages_map.scan(pages, task.output)))
            self._claims[job.seq] = claims
        return self._claims[job.seq]

    def forget(self, job: int) -> None:
        """A job is done."""
        self._claims.pop(job, None)
