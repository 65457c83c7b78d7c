"""What several answers of `react` changed, as one set of rows to store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec.structs import astuple

from penstock.engine.turn import Reaction
from penstock.model.moves import JobState
from penstock.model.run import Attempt, Branch, Document, Event, Job, Place, Run, Task
from penstock.store.base import Change


class Pending:
    """Reactions one after the other. Of a row that changed more than once, the first old and the last new one count."""

    def __init__(self) -> None:
        self.cancel_ready: list[tuple[int, str]] = []
        self.events: list[Event] = []
        self.durable = False
        self._places: dict[tuple[str, str, str], tuple[Place, bool]] = {}
        self._rows: dict[Any, Change] = {}
        self._once: list[Any] = []

    def __bool__(self) -> bool:
        return bool(self._rows or self._once or self.cancel_ready or self.events or self._places)

    def add(self, reaction: Reaction) -> None:
        for old, new in reaction.changes:
            key = _key(new)
            if key is None:
                self._once.append(new)
            else:
                before = self._rows.get(key)
                self._rows[key] = (old if before is None else before[0], new)
        self.cancel_ready += reaction.cancel_ready
        self.events += reaction.events
        for place, wrote in reaction.places:
            at = place.pipeline, place.step, place.path
            self._places[at] = place, wrote or (at in self._places and self._places[at][1])
        self.durable |= reaction.durable

    def new(self) -> Iterator[Any]:
        """Rows to insert, each after those it refers to."""
        new = [new for old, new in self._rows.values() if old is None]
        yield from (row for row in new if not isinstance(row, Attempt))
        yield from (row for row in new if isinstance(row, Attempt))
        yield from self._once

    def changed(self) -> Iterator[Change]:
        """Rows to replace; jobs that are done come first, as others take their turn to publish."""
        changed = [change for change in self._rows.values() if change[0] is not None]
        changed.sort(key=lambda change: not (isinstance(change[1], Job) and change[1].state == JobState.DONE))
        return iter(changed)

    def places(self) -> str:
        """What tries left of files in place, as `note_places` takes it; "" for nothing."""
        rows = [(*astuple(place), wrote) for place, wrote in self._places.values()]
        return msgspec.json.encode(rows).decode() if rows else ""

    def heads(self) -> dict[tuple[str, str], str]:
        """The branches that moved, and where to."""
        branches = (new for _, new in self._rows.values() if isinstance(new, Branch))
        return {(row.repo, row.name): row.head for row in branches if row.head is not None}


def _key(row: Any) -> Any:
    """What names a row that changes; None for one that is written once."""
    kind = type(row)
    if kind is Attempt:
        return kind, row.task, row.number
    if kind is Branch:
        return kind, row.repo, row.name
    named = kind in (Job, Task, Run) or (kind is Document and row.seq)
    return (kind, row.seq) if named else None
