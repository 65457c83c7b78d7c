"""Runs that write into the linked directory whose commits open them: without an end, if nobody sees it.

Who wrote a file cannot be asked. It is known of a change when it was made: if again and again all of it was made while
the run went on that the commit before had opened, and at no other time, that run makes it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path

from msgspec import Struct

from penstock.model.data import EMPTY
from penstock.model.run import Commit, Run
from penstock.model.spec import RepoSpec
from penstock.objects import tree
from penstock.service import resolve
from penstock.service.opening.launch import Draft
from penstock.service.parts import Parts

#: How often in a row a run must have made all that changed, if that was the same files each time, and if it was not.
SAME, OTHERS = 3, 6
#: How many changed files are looked at.
MANY = 100
#: Microseconds that the clock of a file system may be behind, or keep no part of.
TICK = 20_000


class _Round(Struct):
    """What is known of a repo: the run that its last commit opened, and how often in a row such a run made the next."""

    run: str | None = None
    times: int = 0
    alike: int = 0  #: how often in a row it was the same files
    paths: frozenset[str] = frozenset()
    held: bool = False  #: whether that was too often before
    next: tuple[int, int, frozenset[str]] = (0, 0, frozenset())  #: these, once what is there now is committed


class Feeding:
    """Remembers, for each linked repo, what made its last changes."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._rounds: dict[str, _Round] = {}

    def committed(self, new: Commit) -> None:
        """A change was committed, and has its run, if anything reads it."""
        known = self._rounds.setdefault(new.repo, _Round())
        known.run = new.id
        known.times, known.alike, known.paths = known.next

    def feeds(self, repo: RepoSpec, draft: Draft) -> bool:
        """Whether a change is one more that was made by what the change before it started, once too often."""
        known = self._rounds.setdefault(repo.name, _Round())
        known.next = 0, 0, frozenset()
        if known.run is None:
            return False
        paths = frozenset(islice(self._changed(draft), MANY))
        if not self._made_by(known.run, self._parts.layout.root / (repo.path or ""), paths):
            return False
        known.next = known.times + 1, known.alike + 1 if paths == known.paths else 1, paths
        known.held |= known.next[0] > OTHERS or known.next[1] > SAME
        return known.held

    def _changed(self, draft: Draft) -> Iterator[str]:
        parts = self._parts
        parent = resolve.commit_by_id(parts, draft.repo, draft.parent) if draft.parent else None
        before = EMPTY if parent is None else parent.root
        return (path for path, _, _ in tree.diff(parts.objects.pages, before, draft.root))

    def _made_by(self, run: str, directory: Path, paths: Collection[str]) -> bool:
        """Whether all of that was changed while this run, or one after it, went on."""
        store = self._parts.store
        first = store.load(Run, "run", id=run)
        if not first:
            return False
        since = [item for item in store.load(Run, "runs", before=1 << 62, limit=MANY) if item.seq >= first[0].seq]
        now = self._parts.now()
        spans = [(item.started - TICK, (item.finished or now) + TICK) for item in since if item.started is not None]
        moments = [_changed_at(directory / path) for path in paths]
        return all(any(begin <= moment <= end for begin, end in spans) for moment in moments)


def _changed_at(path: Path) -> int:
    """When a file changed, or, if it is gone, the directory that it was in; UTC microseconds."""
    while True:
        try:
            return path.lstat().st_ctime_ns // 1000
        except (FileNotFoundError, NotADirectoryError):
            path = path.parent
