"""The workers of one place, as an engine sees them: given batches, told to stop or give back, heard.

`Crew` is what all places share; where its workers come from and how long they stay is told by `local` and `remote`.
"""

from __future__ import annotations

import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Protocol

from msgspec import Struct, field

from penstock.engine.pack import Needs, Room, Wish, why_never
from penstock.model.wire import Assignment, Batch, Hello, Recall, Recipe, Report, Result, Started, Stop
from penstock.runner.frames import Message

#: How much work a worker holds at most, in seconds.
AHEAD = 0.2
#: How many tasks a worker holds at most.
MOST = 2000


class Channel(Protocol):
    """One end of a conversation with a worker: see `runner.pipe.Pipe`."""

    waiting: bool

    def send(self, *messages: Message) -> None: ...

    def receive(self) -> list[Message]: ...

    def close(self) -> None: ...


class Node(Struct, frozen=True):
    """What a node, or a worker's share of it, has. `memory` in bytes; 0: not known, and not counted."""

    cpus: int
    memory: int = 0
    gpus: int = 0
    nodes: int = 1  #: of which all else is said of each

    def fits(self, needs: Needs) -> bool:
        """Whether one task could run here if nothing else did."""
        enough = needs.cpus <= self.cpus and needs.gpus <= self.gpus and needs.nodes <= self.nodes
        return enough and (needs.memory <= self.memory or not self.memory)


class Worker(Struct, eq=False):
    """One worker process, and what it holds, in batches of which the unstarted can be recalled."""

    name: str
    node: Node
    handle: int  #: of its place: a process, an allocation
    channel: Channel
    heard: float  #: when it last reported, or was given something after it had nothing; monotonic seconds
    holds: dict[str, tuple[int, Needs]] = field(default_factory=dict)  #: attempt -> (task, what it asks for)
    batches: list[int] = field(default_factory=list)
    greeted: bool = False
    ends: float | None = None  #: when its place ends; monotonic seconds
    whole: float | None = None  #: how many seconds its place lasts in all
    alone: bool = False  #: it has one task that may be its end, and gets nothing beside that
    cpus: int = 0  #: asked for by what it holds
    memory: int = 0
    gpus: int = 0

    def hold(self, attempt: str, task: int, needs: Needs) -> None:
        self.holds[attempt] = task, needs
        self.cpus += needs.cpus
        self.memory += needs.memory
        self.gpus += needs.gpus

    def drop(self, attempt: str) -> int:
        """The task of an attempt that it holds no longer."""
        task, needs = self.holds.pop(attempt)
        self.cpus -= needs.cpus
        self.memory -= needs.memory
        self.gpus -= needs.gpus
        return task

    def is_ending(self, lag: float) -> bool:
        """Whether its place is over within so many seconds, or is given back."""
        return not self.node.cpus or (self.ends is not None and self.ends - time.monotonic() <= lag)

    def room(self, moment: float) -> Room:
        """What is free here at this moment (monotonic seconds)."""
        node = self.node
        return Room(
            cpus=max(0, node.cpus - self.cpus),
            memory=max(0, node.memory - self.memory) if node.memory else UNLIMITED,
            gpus=max(0, node.gpus - self.gpus),
            seconds=None if self.ends is None else self.ends - moment,
            all_cpus=node.cpus,
            all_memory=node.memory or UNLIMITED,
            all_gpus=node.gpus,
            all_nodes=node.nodes,
            busy=bool(self.holds),
            whole=self.whole,
        )


#: Bytes of memory where nobody knows how much there is.
UNLIMITED = 1 << 62


class Heard(Struct):
    """What came in, by task: results, and what workers gave back unstarted or had when they were gone."""

    ended: list[tuple[int, Result]] = field(default_factory=list)
    began: list[tuple[int, Started]] = field(default_factory=list)
    back: list[int] = field(default_factory=list)
    packs: list[str] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)  #: names of workers

    def __bool__(self) -> bool:
        """Whether anything came in."""
        return any(getattr(self, name) for name in self.__struct_fields__)

    def add(self, other: Heard) -> None:
        """Take in what came from elsewhere."""
        for name in self.__struct_fields__:
            getattr(self, name).extend(getattr(other, name))


class Crew(ABC):
    """The workers of one place."""

    def __init__(self, node: Node) -> None:
        self.node = node  #: the largest that there is
        self._workers: list[Worker] = []
        self._batches = 0

    def never(self, needs: Needs) -> str | None:
        """Why a task that asks for this can never run here, and what to do about it; None if it can."""
        node = self.node
        why = why_never(needs, Room(0, all_cpus=node.cpus, all_memory=node.memory, all_gpus=node.gpus))
        return None if why is None else f"{why}; lower its `resources`"

    def too_late(self, needs: Needs) -> bool:
        """Whether this place ends too soon for a task that asks for this, and no other one follows."""
        return False

    @abstractmethod
    def expect(self, needs: Sequence[Needs]) -> None:
        """Say what tasks will ask for, before the first worker is there."""

    @abstractmethod
    def workers(self, wishes: Sequence[Wish]) -> Sequence[Worker]:
        """Those that can be given tasks now; the place sees to it that there are as many as these tasks can use."""

    @abstractmethod
    def hear(self, timeout: float) -> Heard:
        """Wait at most `timeout` seconds for what workers say."""

    @abstractmethod
    def close(self) -> list[str]:
        """Let go of the place; the names of workers that were killed because they would not leave."""

    @property
    def holding(self) -> int:
        """How many attempts workers have."""
        return sum(len(worker.holds) for worker in self._workers)

    @property
    def held(self) -> set[int]:
        """The tasks whose attempts workers have."""
        return {task for worker in self._workers for task, _ in worker.holds.values()}

    def give(self, worker: Worker, handed: Sequence[tuple[Recipe, Sequence[tuple[int, Needs, Assignment]]]]) -> None:
        """Hand over attempts, as (task, needs, assignment) by recipe. A worker that is gone is noticed by `hear`."""
        if not worker.holds:
            worker.heard = time.monotonic()
        batches = []
        for recipe, given in handed:
            self._batches += 1
            worker.batches.append(self._batches)
            for task, needs, assignment in given:
                worker.hold(assignment.attempt, task, needs)
            batches.append(Batch(self._batches, recipe, tuple(assignment for *_, assignment in given)))
        tell(worker, *batches)

    def stop(self, tasks: Iterable[int] | None, kill: bool) -> None:
        """End attempts of these tasks (None: of all); they are reported as cancelled."""
        wanted = None if tasks is None else set(tasks)
        for worker in self._workers:
            named = tuple(attempt for attempt, (task, _) in worker.holds.items() if wanted is None or task in wanted)
            if named:
                tell(worker, Stop(kill, named))

    def level(self) -> None:
        """When one worker has nothing to do and another sits on more than it can run, ask some of that back.

        A worker that still reports will be done with what it holds in a moment; only silence says that its tasks take
        longer than those before.
        """
        if all(worker.holds for worker in self._workers):
            return
        fullest = max(self._workers, key=lambda worker: worker.cpus, default=None)
        if (
            fullest is not None
            and fullest.batches
            and fullest.cpus > fullest.node.cpus
            and time.monotonic() - fullest.heard > AHEAD
        ):
            tell(fullest, Recall(fullest.batches.pop()))

    def _receive(self, worker: Worker, heard: Heard) -> bool:
        """Take what a worker says; whether it is still there."""
        try:
            for message in worker.channel.receive():
                self._take(worker, message, heard)
        except EOFError:
            return False
        return True

    def _take(self, worker: Worker, message: Message, heard: Heard) -> None:
        """Sort one message into what was heard. What a worker does not hold any more is old news."""
        holds = worker.holds
        if isinstance(message, Report):
            worker.heard = time.monotonic()
            heard.packs += message.packs
            heard.began += ((holds[item.attempt][0], item) for item in message.running if item.attempt in holds)
            heard.ended += ((worker.drop(item.attempt), item) for item in message.results if item.attempt in holds)
            heard.back += (worker.drop(attempt) for attempt in message.recalled if attempt in holds)
            if not holds:
                worker.batches.clear()
                worker.alone = False
        elif isinstance(message, Hello):
            self._greet(worker, message)
        else:
            raise EOFError(f"worker {worker.name} sent a {type(message).__name__}")

    def _greet(self, worker: Worker, hello: Hello) -> None:
        worker.greeted = True

    def _bury(self, worker: Worker, heard: Heard) -> None:
        """Note that a worker is gone with all it held."""
        heard.gone.append(worker.name)
        heard.lost += (task for task, _ in worker.holds.values())
        self._workers.remove(worker)


def tell(worker: Worker, *messages: Message) -> None:
    """Send messages; that nobody is there any more is noticed by `Crew.hear`."""
    with contextlib.suppress(BrokenPipeError):
        worker.channel.send(*messages)
