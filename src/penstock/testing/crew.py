"""A crew that runs nothing: each task is answered by a pure function, at once, and told a few results at a time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from penstock.engine.pack import Needs, Wish
from penstock.model.wire import Assignment, Recipe, Result
from penstock.service.driving.crew import Crew, Heard, Node, Worker

Work = Callable[[Recipe, Sequence[Assignment]], list[Result]]


class _Silence:
    """A conversation in which nobody says anything."""

    waiting = False

    def send(self, *messages: object) -> None:
        raise AssertionError("nobody is there")

    def receive(self) -> list[object]:
        return []

    def close(self) -> None:
        """Nothing is held."""


class DryCrew(Crew):
    """One worker of so many processors. `work` makes the results of the attempts it is given; at most `at_once` of them
    are told at a time.
    """

    def __init__(self, work: Work, node: Node | None = None, at_once: int = 3) -> None:
        super().__init__(node or Node(4))
        self._work = work
        self._at_once = at_once
        self._told: deque[Result] = deque()
        self._back: list[int] = []
        self._workers = [Worker("dry", self.node, 0, _Silence(), time.monotonic())]  # type: ignore[arg-type]

    def expect(self, needs: Sequence[Needs]) -> None:
        """The one worker is there already."""

    def workers(self, wishes: Sequence[Wish]) -> Sequence[Worker]:
        return self._workers

    def give(self, worker: Worker, handed: Sequence[tuple[Recipe, Sequence[tuple[int, Needs, Assignment]]]]) -> None:
        for recipe, given in handed:
            for task, needs, assignment in given:
                worker.hold(assignment.attempt, task, needs)
            self._told += self._work(recipe, [assignment for *_, assignment in given])

    def stop(self, tasks: Iterable[int] | None, kill: bool) -> None:
        (worker,) = self._workers
        wanted = None if tasks is None else set(tasks)
        stopped = {name for name, (task, _) in worker.holds.items() if wanted is None or task in wanted}
        self._back += [worker.drop(name) for name in stopped]
        self._told = deque(result for result in self._told if result.attempt not in stopped)

    def level(self) -> None:
        """Nobody else is there."""

    def hear(self, timeout: float) -> Heard:
        heard = Heard(back=self._back)
        self._back = []
        (worker,) = self._workers
        while self._told and len(heard.ended) < self._at_once:
            result = self._told.popleft()
            heard.ended.append((worker.drop(result.attempt), result))
        if not worker.holds:
            worker.alone = False
        return heard

    def close(self) -> list[str]:
        return []
