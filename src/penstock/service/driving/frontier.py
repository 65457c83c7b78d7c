"""The tasks of an open job that nobody has begun, read a page at a time, oldest first."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct, field

from penstock.model.run import Job, Task
from penstock.service.parts import Parts

#: How many tasks are read at a time.
PAGE = 2000


class Frontier(Struct):
    """Ready tasks in memory; the store holds the others, behind the last that was read."""

    last: int = 0  #: the last task that was read
    tasks: deque[Task] = field(default_factory=deque)
    again: list[Task] = field(default_factory=list)  #: those that had an attempt already
    over: bool = False  #: whether the store holds no more


class Frontiers:
    """One for each open job. `flush` stores what is known and not stored yet: what the store says must be true."""

    def __init__(self, parts: Parts, flush: Callable[[], None]) -> None:
        self._parts = parts
        self._flush = flush
        self._known: dict[int, Frontier] = {}

    def of(self, job: int) -> Frontier:
        return self._known.setdefault(job, Frontier())

    def opened(self, job: int, tasks: Sequence[Task]) -> None:
        """A job was opened with these tasks and no others."""
        self._known[job] = Frontier(tasks[-1].seq if tasks else 0, deque(tasks), over=True)

    def returned(self, task: Task) -> None:
        """A task may be begun again."""
        known = self._known.get(task.job)
        # One that is held is read when somebody lets it go on, one further on with those beside it.
        if known is not None and task.hold is None and (known.over or task.seq <= known.last):
            known.again.append(task)

    def take(self, job: Job, count: int) -> Iterator[Task]:
        """Up to so many tasks that had no attempt yet."""
        frontier = self.of(job.seq)
        while count:
            if not frontier.tasks and not self._read(job.seq, frontier):
                return
            yield frontier.tasks.popleft()
            count -= 1

    def _read(self, job: int, frontier: Frontier) -> bool:
        if frontier.over:
            return False
        self._flush()
        page = self._parts.store.load(Task, "ready_tasks", job=job, after=frontier.last, limit=PAGE)
        frontier.over = len(page) < PAGE
        if page:
            frontier.last = page[-1].seq
        for task in page:
            if task.attempts:
                frontier.again.append(task)
            else:
                frontier.tasks.append(task)
        return bool(frontier.tasks)

    def look(self, job: int) -> Frontier:
        """The frontier of a job, of which at least the first page has been read."""
        frontier = self.of(job)
        if not frontier.tasks and not frontier.again:
            self._read(job, frontier)
        return frontier

    def forget(self, job: int | None = None) -> None:
        """Read anew from now on: of one job, or of all."""
        if job is None:
            self._known.clear()
        else:
            self._known.pop(job, None)
