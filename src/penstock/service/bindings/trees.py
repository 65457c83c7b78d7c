"""Globs over stored trees: the look-ups that `engine.expand` needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct, field

from penstock.engine.expand import Match
from penstock.model.data import EMPTY
from penstock.model.glob import Glob, compile_glob, touched, walk
from penstock.model.spec import InputSpec
from penstock.objects import map as pages_map
from penstock.objects import tree
from penstock.objects.map import Pages


class TreeLeaf(Struct, frozen=True):
    """One glob over the tree at `root`, with the tree it is compared to (`base`) and paths to look at anyway."""

    pages: Pages
    spec: InputSpec
    root: bytes
    base: bytes = EMPTY
    again: frozenset[str] = field(default_factory=frozenset)

    def matches(self) -> Iterator[Match]:
        glob = compile_glob(self.spec.glob)
        if glob.whole:
            if self.root != EMPTY:
                yield Match("", self.root, True)
            return
        for path, directory in walk(glob, self._listing):
            match = self.find(path, directory)
            if match is not None:
                yield match

    def delta(self) -> Mapping[str, Match | None]:
        paths = sorted({*self._touched(compile_glob(self.spec.glob)), *self.again})
        return {path: self.find(path) for path in paths}

    def _touched(self, glob: Glob) -> Iterable[str]:
        if self.root == self.base:
            return ()
        if glob.whole:
            return ("",)
        changes = pages_map.diff(self.pages, self.base, self.root)
        return touched(glob, (path.decode() for path, _, _ in changes))

    def find(self, path: str, directory: bool | None = None) -> Match | None:
        """What stands at a path now: a file, a directory, or nothing."""
        if not path:
            return Match("", self.root, True) if self.root != EMPTY else None
        if not directory:
            content = pages_map.get(self.pages, self.root, path.encode())
            if content is not None:
                return Match(path, content, False)
        below = tree.identity(self.pages, self.root, path)
        return Match(path, below, True) if below != EMPTY else None

    def _listing(self, directory: str) -> Iterator[tuple[str, bool]]:
        return ((name, entry is None) for name, entry in tree.listing(self.pages, self.root, directory))
