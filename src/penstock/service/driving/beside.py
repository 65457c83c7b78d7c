"""Calls of a batch system, one at a time and beside the engine."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

from penstock.model.errors import PenstockError


class Calls(Protocol):
    """Runs one call at a time, beside the engine: a batch system may take half a minute to answer."""

    def start(self, call: Callable[[], Any]) -> None: ...

    def done(self) -> tuple[Any, PenstockError | None] | None:
        """What the call gave or raised, once; None if it goes on or there is none."""

    def close(self) -> None: ...


class Beside:
    """`Calls` in a thread."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "queue")
        self._future: Future[Any] | None = None

    def start(self, call: Callable[[], Any]) -> None:
        self._future = self._pool.submit(call)

    def done(self) -> tuple[Any, PenstockError | None] | None:
        if self._future is None or not self._future.done():
            return None
        future, self._future = self._future, None
        error = future.exception()
        if error is not None and not isinstance(error, PenstockError):
            raise error
        return (None, error) if error is not None else (future.result(), None)

    def close(self) -> None:
        self._pool.shutdown()
