"""The attempts a worker was given and has not begun, in the order in which the engine wants them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from itertools import islice

from penstock.model.wire import Assignment
from penstock.worker.attempt import Unfinished
from penstock.worker.capacity import Asked, asked

#: How far down one is looked for that fits, and for how many seconds the first may be passed by.
SIGHT, FAIR = 64, 5.0

Entry = tuple[Unfinished, Assignment]


class Waiting:
    """A queue in which what does not fit now is passed by, but not for ever."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque()
        self._passed: float | None = None  # since when the first is passed by

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, batch: Unfinished, assignments: Iterable[Assignment]) -> None:
        self._entries.extend((batch, assignment) for assignment in assignments)

    def next(self, fits: Callable[[Asked], bool], alone: bool) -> Entry | None:
        """Take out the first that fits; with `alone` nothing runs, and the first of all does whatever it asks for."""
        moment = time.monotonic()
        sight = 1 if self._passed is not None and moment - self._passed > FAIR else SIGHT
        for place, (batch, assignment) in enumerate(islice(self._entries, sight)):
            if fits(asked(batch.recipe, assignment)) or (alone and not place):
                self._passed = (self._passed or moment) if place else None
                del self._entries[place]
                return batch, assignment
        return None

    def take(self, batch: int | None = None, attempts: Collection[str] | None = None) -> list[Entry]:
        """Take out those of a batch, or those named, or all."""
        taken, kept = list[Entry](), deque[Entry]()
        for entry in self._entries:
            mine = (batch is None or entry[0].id == batch) and (attempts is None or entry[1].attempt in attempts)
            (taken if mine else kept).append(entry)
        self._entries = kept
        return taken
