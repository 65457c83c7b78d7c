"""A job's ledger on disk: binding → what it gave, path → binding, and the tree all bindings make together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Struct

from penstock.engine.claims import Claims, collision_message
from penstock.model.data import EMPTY
from penstock.objects import map as pages_map
from penstock.objects import tree
from penstock.objects.map import Pages

_encode = msgspec.msgpack.encode


class Done(Struct, frozen=True):
    """What the ledger says of a binding: the work it stands for and what that gave."""

    fingerprint: bytes
    output: bytes
    files: int


class Clash(Struct, frozen=True):
    """A binding that cannot be in a ledger beside another one, and one line that names both."""

    key: str
    done: Done
    message: str


class Ledger(Struct, frozen=True):
    """Three roots that change together."""

    ledger: bytes = EMPTY
    owners: bytes = EMPTY
    tree: bytes = EMPTY

    def get(self, pages: Pages, key: str) -> Done | None:
        found = pages_map.get(pages, self.ledger, key.encode())
        return None if found is None else Done(*msgspec.msgpack.decode(found))

    def every(self, pages: Pages) -> Iterator[tuple[str, Done]]:
        """All bindings and what they gave, in order."""
        for key, value in pages_map.scan(pages, self.ledger):
            yield key.decode(), Done(*msgspec.msgpack.decode(value))

    def owner(self, pages: Pages, path: str) -> str | None:
        """The binding that wrote a path."""
        found = pages_map.get(pages, self.owners, path.encode()) if self.owners else None
        return None if found is None else found.decode()

    def claims(self, pages: Pages) -> Claims:
        """Claims over the paths this ledger's bindings own."""

        def below(directory: str) -> tuple[str, str] | None:
            if not self.owners:
                return None
            low, high = f"{directory}/".encode(), f"{directory}0".encode()
            found = next(iter(pages_map.scan(pages, self.owners, low, high)), None)
            return None if found is None else (found[0].decode(), found[1].decode())

        return Claims(lambda path: self.owner(pages, path), below)

    def without(self, pages: Pages, gone: Iterable[tuple[str, Done]]) -> Ledger:
        """This ledger less some bindings and all they wrote."""
        keys: dict[bytes, bytes | None] = {}
        paths: dict[bytes, bytes | None] = {}
        for key, done in gone:
            keys[key.encode()] = None
            for path, _ in pages_map.scan(pages, done.output):
                paths[path] = None
        return self._edited(pages, keys, paths, paths)

    def including(self, pages: Pages, added: Iterable[tuple[str, Done]]) -> tuple[Ledger, list[Clash]]:
        """This ledger with more bindings, and those that are left out: they wrote a path that one before them wrote."""
        claims = self.claims(pages)
        clashes: list[Clash] = []
        keys: dict[bytes, bytes | None] = {}
        owners: dict[bytes, bytes | None] = {}
        files: dict[bytes, bytes | None] = {}
        for key, done in added:
            entries = list(pages_map.scan(pages, done.output)) if done.output != EMPTY else []
            taken = claims.take(key, (path.decode() for path, _ in entries))
            if taken is not None:
                clashes.append(Clash(key, done, collision_message(taken[0], taken[1], key)))
                continue
            encoded = key.encode()
            keys[encoded] = _encode((done.fingerprint, done.output, done.files))
            for path, entry in entries:
                owners[path] = encoded
                files[path] = entry
        return self._edited(pages, keys, owners, files), clashes

    def _edited(
        self,
        pages: Pages,
        keys: dict[bytes, bytes | None],
        owners: dict[bytes, bytes | None],
        files: dict[bytes, bytes | None],
    ) -> Ledger:
        if not keys:
            return self
        return Ledger(
            pages_map.edit(pages, self.ledger, keys.items()),
            pages_map.edit(pages, self.owners, owners.items()),
            pages_map.edit(pages, self.tree, files.items()),
        )


def totals(pages: Pages, old: bytes, new: bytes, files: int, size: int) -> tuple[int, int]:
    """How many files and bytes tree `new` holds, given what `old` holds: the cost follows their difference."""
    for _, before, after in tree.diff(pages, old, new):
        files += (after is not None) - (before is not None)
        size += (after.size if after else 0) - (before.size if before else 0)
    return files, size
