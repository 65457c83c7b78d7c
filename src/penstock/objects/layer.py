"""A tree of its own that files are added to one by one: what a `put` gathers before it is laid over a branch."""

from __future__ import annotations

from penstock.model.data import EMPTY, Entry
from penstock.model.errors import Collision
from penstock.model.paths import check_path
from penstock.objects import tree
from penstock.objects.map import Finder, Pages


class Layer:
    """A tree in the making. Holds `tree.CHUNK` entries in memory at most; what comes in order costs least."""

    def __init__(self, pages: Pages) -> None:
        self.files = 0
        self.size = 0  #: bytes of all files
        self._pages = pages
        self._root = EMPTY
        self._pending: dict[bytes, bytes | None] = {}

    def add(self, path: str, entry: Entry) -> None:
        """Add a file or link.

        Raises Collision, now or later, for a path that comes twice or a file that stands where another has a directory;
        BadPath.
        """
        key = check_path(path).encode()
        if key in self._pending:
            raise Collision(f"{path!r} is there twice")
        self._pending[key] = tree.encode(entry)
        self.files += 1
        self.size += entry.size
        if len(self._pending) >= tree.CHUNK:
            self._fold()

    def find(self, path: str) -> Entry | None:
        """What was added under a path."""
        found = self._pending.get(path.encode())
        return tree.decode(found) if found else tree.lookup(self._pages, self._root, path)

    def finish(self) -> bytes:
        """The root of the tree of all that was added."""
        self._fold()
        return self._root

    def _fold(self) -> None:
        finder = Finder(self._pages, self._root)
        for key in sorted(self._pending):
            if finder.first(key) == key:
                raise Collision(f"{key.decode()!r} is there twice")
        self._root = tree.write(self._pages, self._root, self._pending)
        self._pending = {}
