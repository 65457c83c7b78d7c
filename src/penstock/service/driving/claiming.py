"""Who wrote which path of an open job, as results come in."""

from __future__ import annotations

from itertools import chain

from msgspec.structs import replace

from penstock.engine.claims import Claims, collision_message
from penstock.engine.matching import show_key
from penstock.model.data import EMPTY
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
        if result.outcome != Outcome.SUCCEEDED or result.output == EMPTY:
            return result
        key = "\n".join(task.key)
        paths = [path.decode() for path, _ in pages_map.scan(self._parts.objects.pages, result.output)]
        taken = self._of(job).take(key, paths)
        if taken is None:
            return result
        message = collision_message(taken[0], _shown(taken[1]), _shown(key))
        return replace(result, outcome=Outcome.FAILED, reason=Reason.COLLISION, message=message, output=EMPTY, files=0)

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


def _shown(key: str) -> str:
    return show_key(key.split("\n"))
