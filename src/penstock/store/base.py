"""The boundary every store keeps: ten verbs that remember. What they mean is tested by `penstock.testing.store`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

from penstock.model import run as rows

Noun = TypeVar("Noun")

#: What a change is: the row as it was (None: it is new) and as it shall be.
Change = tuple[Any, Any]

#: The nouns that have a table, and its name.
TABLES: dict[type, str] = {
    rows.Repo: "repo",
    rows.Branch: "branch",
    rows.Commit: "commit",
    rows.Trigger: "trigger",
    rows.Clock: "clock",
    rows.Version: "version",
    rows.Run: "run",
    rows.Job: "job",
    rows.Edge: "edge",
    rows.Task: "task",
    rows.Attempt: "attempt",
    rows.Document: "document",
    rows.Allocation: "allocation",
    rows.Success: "success",
    rows.Trouble: "trouble",
    rows.Place: "place",
    rows.Event: "event",
}


class Store(Protocol):
    """Rows, queries by name, and transactions. Writing is allowed inside a transaction only."""

    def fetch(self, query: str, /, **args: Any) -> list[dict[str, Any]]:
        """The rows a named query gives, by column name."""

    def load(self, noun: type[Noun], query: str, /, **args: Any) -> list[Noun]:
        """The same as rows of the model; the query selects every column of the noun's table."""

    def transaction(self, *, durable: bool = False) -> AbstractContextManager[None]:
        """All or nothing; one writer at a time. With `durable`, what is written survives a power cut when it ends."""

    def reserve(self, noun: type, count: int) -> int:
        """The first of `count` consecutive unused `seq` numbers."""

    def insert(self, new: Iterable[Any]) -> None:
        """Add rows, of any mixture of nouns. A `seq` of 0 lets the store choose. Raises AlreadyExists."""

    def update(self, changes: Iterable[Change]) -> None:
        """Replace rows. Raises Conflict when one is not in the state it was read in (or was fenced off)."""

    def execute(self, query: str, /, **args: Any) -> int:
        """Run a named statement; how many rows it touched."""

    def changed(self) -> bool:
        """Whether anybody else has written since this was last asked."""

    def check(self) -> Iterator[str]:
        """Every damage of the database, one line each."""

    def close(self) -> None:
        """Let go of the database; everything acknowledged is on disk."""
