"""What stands in the way for now, of sites and of linked directories: said once per change, kept where people look.

It goes to `.penstock/logs/engine.log`, to whoever sees the engine, and to the store, where `status`, `explain` and
`site show` find it. It is no reason to end anything.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Collection, Mapping

from penstock.model.run import Trouble
from penstock.service.parts import Parts

#: The log of engines, below the project's logs.
LOG = "engine.log"


class Troubles:
    """Those of one kind (`site`, `repo`), which one process at a time knows. `tell` is who sees it, if anybody does."""

    def __init__(self, parts: Parts, kind: str, tell: Callable[[str], None] | None = None) -> None:
        self._parts, self._kind, self._tell = parts, kind, tell
        self._known: dict[str, str] = {}
        left = (row.subject.partition(" ") for row in parts.store.load(Trouble, "troubles"))
        self._store({}, [name for of, _, name in left if of == kind])  # by one that was killed

    def now(self, found: Mapping[str, str]) -> None:
        """This is what there is now, by name; what there was and is not named is over."""
        if found == self._known:
            return
        new = {name: message for name, message in found.items() if self._known.get(name) != message}
        over = [name for name in self._known if name not in found]
        self._known = dict(found)
        self._store(new, over)
        for text in (*new.values(), *(f"{self._kind} {name}: all is well again" for name in over)):
            note(self._parts, text)
            if self._tell is not None:
                self._tell(text)

    def close(self) -> None:
        """Nobody looks any more, so nothing is known."""
        known, self._known = self._known, {}
        self._store({}, known)

    def _store(self, new: Mapping[str, str], over: Collection[str]) -> None:
        if not new and not over:
            return
        store = self._parts.store
        with store.transaction():
            for name in over:
                store.execute("clear_trouble", subject=f"{self._kind} {name}")
            for name, message in new.items():
                subject = f"{self._kind} {name}"
                store.execute("set_trouble", subject=subject, message=message, now=self._parts.now())


def note(parts: Parts, text: str) -> None:
    """Write a line to the log of engines."""
    descriptor = os.open(parts.layout.logs / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        os.write(descriptor, f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%SZ} {text}\n".encode())
    finally:
        os.close(descriptor)
