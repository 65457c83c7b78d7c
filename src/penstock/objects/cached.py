"""A back end in front of another: packs this host wrote or often reads are kept in a folder, up to a size.

Pages and small files are small random reads, and a pack never changes, so a copy of it needs no asking whether it still
holds. The folder may be deleted any time.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from penstock.model.errors import NotFound
from penstock.objects.backend import Backend
from penstock.objects.folder import Folder
from penstock.objects.packs import PREFIX

#: How many bytes of packs are kept; beyond them the oldest go until `KEPT` of it is left.
LIMIT = 1 << 30
KEPT = 0.75
#: From this many reads in one pack on it is fetched whole.
READS = 3


class Cached:
    """`behind` with a copy of packs below `root`. Everything but reading goes to `behind` first."""

    def __init__(self, behind: Backend, root: Path, limit: int = LIMIT) -> None:
        self._behind = behind
        self._root = root
        self._copies = Folder(root)
        self._limit = limit
        self._held = self._measure()
        self._reads: Counter[str] = Counter()

    def put(self, name: str, data: bytes | bytearray) -> None:
        self._behind.put(name, data)
        if name.startswith(PREFIX):
            self._keep(name, data)

    def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        if not name.startswith(PREFIX):
            return self._behind.get(name, start, length)
        try:
            return self._copies.get(name, start, length)
        except NotFound:
            self._reads[name] += 1
            if self._reads[name] < READS:
                return self._behind.get(name, start, length)
        data = self._behind.get(name)
        self._keep(name, data)
        start = max(start + len(data), 0) if start < 0 else start
        return data[start : None if length is None else start + length]

    def size(self, name: str) -> int:
        return self._behind.size(name)

    def has(self, name: str) -> bool:
        return self._behind.has(name)

    def list(self, prefix: str = "") -> Iterator[str]:
        return self._behind.list(prefix)

    def delete(self, name: str) -> None:
        self._behind.delete(name)
        self._copies.delete(name)

    def aside(self) -> Path:
        return self._behind.aside()

    def adopt(self, name: str, source: Path) -> None:
        self._behind.adopt(name, source)

    def settle(self, name: str) -> None:
        self._behind.settle(name)

    def path(self, name: str) -> Path | None:
        return self._behind.path(name)

    def forget(self) -> None:
        """Drop all copies: what is read next comes from behind. Directories stay: other processes put copies there."""
        for _, _, name in self._files():
            self._copies.delete(name)
        self._held = 0
        self._reads.clear()

    def _keep(self, name: str, data: bytes | bytearray) -> None:
        self._reads.pop(name, None)
        try:
            self._copies.put(name, data)
        except FileNotFoundError:
            self._copies = Folder(self._root)  # somebody removed the folder; nothing hangs on a copy
            return
        self._held += len(data)
        if self._held > self._limit:
            self._trim()

    def _trim(self) -> None:
        """Other processes keep copies here too, so all are looked at again. The newest always stays."""
        found = sorted(self._files())
        self._held = sum(size for _, size, _ in found)
        for _, size, name in found[:-1]:
            if self._held <= self._limit * KEPT:
                break
            self._copies.delete(name)
            self._held -= size

    def _measure(self) -> int:
        return sum(size for _, size, _ in self._files())

    def _files(self) -> Iterator[tuple[int, int, str]]:
        """(when it was kept in nanoseconds, bytes, name) of each copy."""
        for name in self._copies.list(PREFIX):
            try:
                found = os.stat(self._root / name)
            except FileNotFoundError:
                continue  # another process trimmed
            yield found.st_mtime_ns, found.st_size, name
