"""The attempts a worker was given and has not begun, in the order in which the engine wants them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import islice

from penstock.model.wire import Assignment
from penstock.worker.attempt import Unfinished
from penstock.worker.capacity import Asked, asked

#: How far down one is looked for that fits, and for how many seconds the first may be passed by.
SIGHT, FAIR = 64, 5.0

Entry = tuple[Unfinished, Assignment]


class Waiting:
    """A queue in which what does not fit now is passed by, but not for ever. What follows upon another attempt comes
    into it when that has succeeded.
    """

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque()
        self._followers: dict[str, list[Entry]] = {}  # attempt -> what follows upon it
        self._open: set[str] = set()  # attempts that have not ended
        self._passed: float | None = None  # since when the first is passed by

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, batch: Unfinished, assignments: Iterable[Assignment]) -> list[Entry]:
        """Take attempts in; those that cannot be are returned: how what they follow upon ended was told already."""
        late = []
        for assignment in assignments:
            entry = batch, assignment
            if assignment.after is None:
                self._entries.append(entry)
            elif assignment.after in self._open:
                self._followers.setdefault(assignment.after, []).append(entry)
            else:
                late.append(entry)
                continue
            self._open.add(assignment.attempt)
        return late

    def ended(self, attempt: str, good: bool) -> list[Entry]:
        """An attempt is over. What followed upon it may begin, or is taken out with all that follows upon that."""
        self._open.discard(attempt)
        followers = self._followers.pop(attempt, [])
        if good:
            self._entries.extend(followers)
            return []
        for _, assignment in followers:
            self._open.discard(assignment.attempt)
            followers += self._followers.pop(assignment.attempt, [])
        return followers

    @property
    def more(self) -> bool:
        """Whether anything waits here for its turn, or for the attempt before it."""
        return bool(self._entries or self._followers)

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
        taken = list[Entry]()

        def kept(entries: Iterable[Entry]) -> Iterator[Entry]:
            for entry in entries:
                mine = (batch is None or entry[0].id == batch) and (attempts is None or entry[1].attempt in attempts)
                if mine:
                    taken.append(entry)
                else:
                    yield entry

        self._entries = deque(kept(self._entries))
        lines = {attempt: list(kept(line)) for attempt, line in self._followers.items()}
        self._followers = {attempt: line for attempt, line in lines.items() if line}
        return taken
