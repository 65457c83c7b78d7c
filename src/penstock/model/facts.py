"""What can happen: the facts drivers report and `engine.react` answers."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from penstock.model.data import EMPTY
from penstock.model.run import Attempt, Branch, Commit, JobInput, Place, Task
from penstock.model.wire import Result, Started


class Loaded(Struct, frozen=True):
    """The rows were read afresh: whatever they allow or ask for may happen now."""


class Expanded(Struct, frozen=True):
    """The bindings of a job are known. `tasks` are those that must run; the rest stands in the ledger."""

    job: int
    inputs: tuple[JobInput, ...]
    recipe: bytes
    parts: dict[str, Any]
    base: int | None
    ledger: bytes
    owners: bytes
    tree: bytes
    reused: int
    files: int  #: how many files the reused bindings left
    message: str = ""  #: what people should know although nothing is wrong
    tasks: tuple[Task, ...] = ()
    stored: int = 0  #: how many tasks more are rows already, because there are too many to hold
    keys: bytes = EMPTY
    failed: int = 0  #: of the tasks, stored or not, those that are over: what they gave before cannot be had
    reading: bytes = EMPTY  #: of the code, what the reused bindings depend on beside what the recipe has
    layout: bytes = EMPTY


class Unreadable(Struct, frozen=True):
    """A job's inputs or its step cannot be used; `reason` is a value of `moves.Reason`."""

    job: int
    reason: str
    message: str


class Placed(Struct, frozen=True):
    """Tasks were given to a worker, each with a new attempt."""

    job: int
    placed: tuple[tuple[Task, Attempt], ...]


class Sent(Struct, frozen=True):
    """A lone job began: its one task, not stored so far, was given to a worker. Nothing follows if it may not begin."""

    job: int
    task: Task
    attempt: Attempt
    parts: dict[str, Any] = {}  #: what it found where it stays: see `service.inplace`


class Reused(Struct, frozen=True):
    """Ready tasks whose work has meanwhile succeeded elsewhere, each with the task that did it; and those of which the
    result collides with another one of this job, each with what is to be said of that.

    Comes after what is placed in the same turn: a task that is refused may be the end of all that is ready.
    """

    job: int
    found: tuple[tuple[Task, Task], ...]
    refused: tuple[tuple[Task, str], ...] = ()


class Reported(Struct, frozen=True):
    """Attempts ended, as their worker says: (task, result)."""

    results: tuple[tuple[int, Result], ...]


class Began(Struct, frozen=True):
    """Attempts that have been running for a while: (task, since when and where they print)."""

    running: tuple[tuple[int, Started], ...]


class Returned(Struct, frozen=True):
    """Attempts will not end by themselves: given back unstarted, or their worker is gone (`lost`), perhaps for what one
    of them did to it (`crashed`).
    """

    tasks: tuple[int, ...]
    lost: bool
    message: str
    crashed: bool = False


class Exported(Struct, frozen=True):
    """How the copying of a job's output went: `trouble` says what failed, None that it is there. Until it is `over`, it
    is tried again.
    """

    job: int
    trouble: str | None
    over: bool


class Closed(Struct, frozen=True):
    """A job's ledger and tree are durable. `commit` is what it publishes, `branch` the head it moves on success."""

    job: int
    ledger: bytes
    owners: bytes
    tree: bytes
    files: int
    size: int
    commit: Commit | None
    branch: Branch | None
    message: str = ""  #: what people should know of a job that succeeded
    reading: bytes = EMPTY
    places: tuple[Place, ...] = ()  #: the files in place that its tasks share, as they are now; good if it is


Fact = Loaded | Expanded | Unreadable | Placed | Sent | Reused | Began | Reported | Returned | Exported | Closed
