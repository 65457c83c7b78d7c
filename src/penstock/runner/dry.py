"""A runner that starts nothing: every launch is answered at once by a pure function."""

from __future__ import annotations

import select
from collections.abc import Callable, Collection

from msgspec.structs import replace

from penstock.runner.base import Ended, Launch, Usage


class Dry:
    """A `Runner` for tests and dry runs. `answer` may raise BadCommand; the handle it returns does not matter."""

    def __init__(self, answer: Callable[[Launch], Ended]) -> None:
        self._answer = answer
        self._last = 0
        self._over: list[Ended] = []

    def start(self, launch: Launch) -> int:
        """See `Runner.start`."""
        answer = self._answer(launch)
        self._last += 1
        self._over.append(replace(answer, handle=self._last))
        return self._last

    def poll(self, timeout: float | None, watch: Collection[int] = ()) -> tuple[list[Ended], list[int]]:
        """See `Runner.poll`."""
        over, self._over = self._over, []
        waiting = select.poll()
        for descriptor in watch:
            waiting.register(descriptor, select.POLLIN)
        patience = 0 if over else None if timeout is None else timeout * 1000
        return over, [descriptor for descriptor, _ in waiting.poll(patience)]

    def measure(self, handle: int, afresh: bool = False) -> Usage:
        """See `Runner.measure`. What never runs uses nothing."""
        return Usage()

    def stop(self, handle: int, kill: bool) -> None:
        """See `Runner.stop`. Everything has ended before it could be stopped."""

    def close(self) -> None:
        """See `Runner.close`."""
        self._over.clear()
