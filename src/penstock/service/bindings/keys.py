"""The index of join and group keys beside a job's ledger: a map, and what a job changes of it, in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import chain, groupby
from operator import itemgetter

from penstock.engine.expand import Key
from penstock.model.data import EMPTY
from penstock.objects import map as pages_map
from penstock.objects.map import Pages
from penstock.service.bindings.links import Links


class KeyMap:
    """The index at `root`. An entry is `NODE.PART`, a value and the parts of a binding key, joined by line feeds."""

    def __init__(self, pages: Pages, root: bytes) -> None:
        self._pages = pages
        self._root = root
        #: (node, part) -> value -> binding key -> whether it is there now
        self._moved: dict[tuple[int, int], dict[str, dict[Key, bool]]] = {}
        #: Of each glob, the links of its tree.
        self.links: list[Links] = []

    def fill(self, node: int, part: int, entries: Iterable[tuple[str, Key]]) -> None:
        found = sorted("\n".join((f"{node}.{part}", value, *key)).encode() for value, key in entries)
        items = ((entry, b"") for entry in found)
        if self._root == EMPTY:
            self._root = pages_map.build(self._pages, items)
        else:
            self._root = pages_map.edit(self._pages, self._root, items)

    def move(self, node: int, part: int, key: Key, old: str | None, new: str | None) -> None:
        values = self._moved.setdefault((node, part), {})
        for value, there in ((old, False), (new, True)):
            if value is not None:
                values.setdefault(value, {})[key] = there

    def every(self, node: int, parts: int) -> Iterator[tuple[str, list[list[Key]]]]:
        """Every value that a binding of any part has, in order, with the bindings of each part that have it."""
        each = [self._members(node, part) for part in range(parts)]
        for _, found in groupby(merge(*each, key=itemgetter(0)), key=itemgetter(0)):
            own: list[list[Key]] = [[] for _ in range(parts)]
            values = []
            for _, part, value, keys in found:
                own[part] = keys
                values.append(value)
            yield values[0], own

    def _members(self, node: int, part: int) -> Iterator[tuple[bytes, int, str, list[Key]]]:
        """(what to sort by, the part, a value, the bindings of the part that have it), in order."""
        moved = self._moved.get((node, part), {})
        stored = groupby(self._scan(f"{node}.{part}\n"), key=itemgetter(1))
        known = ((value, [tuple(words[2:]) for words in entries]) for value, entries in stored)
        added = ((value, list[Key]()) for value in sorted(moved, key=str.encode))
        both = merge(known, added, key=lambda item: item[0].encode()) if moved else known
        last = None
        for value, keys in both:
            if value in moved:
                keys = [] if value == last else list(self.members(node, part, value))
                last = value
            if keys:
                yield value.encode(), part, value, keys

    def members(self, node: int, part: int, value: str) -> Iterator[Key]:
        """The bindings of a part that have a value, in order."""
        known = (tuple(words[2:]) for words in self._scan(f"{node}.{part}\n{value}\n"))
        moved = self._moved.get((node, part), {}).get(value)
        if moved is None:
            return known
        added = (key for key, there in moved.items() if there)
        return iter(sorted({*(key for key in known if key not in moved), *added}))

    def _scan(self, prefix: str) -> Iterator[list[str]]:
        """The entries that begin with a prefix, which ends in a line feed: no value holds one, nor a path."""
        lo = prefix.encode()
        for entry, _ in pages_map.scan(self._pages, self._root, lo, lo[:-1] + b"\x0b"):
            yield entry.decode().split("\n")

    def save(self) -> bytes:
        """The root of the index as it is now."""
        moved = (
            ("\n".join((f"{node}.{part}", value, *key)).encode(), b"" if there else None)
            for (node, part), values in self._moved.items()
            for value, keys in values.items()
            for key, there in keys.items()
        )
        links = ((entry.encode(), b"" if there else None) for own in self.links for entry, there in own.moved.items())
        if edits := dict(chain(moved, links)):
            self._root = pages_map.edit(self._pages, self._root, edits.items())
        self._moved = {}
        self.links = []
        return self._root
