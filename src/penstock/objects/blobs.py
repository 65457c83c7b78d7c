"""Reading blobs: bytes by their BLAKE3, out of packs or files of their own, compared with their name each time."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from blake3 import blake3

from penstock.model.data import BLAKE3, show_id
from penstock.model.errors import Corrupt, NotFound
from penstock.objects.backend import Backend, pieces
from penstock.objects.checking import check
from penstock.objects.copies import blob_id
from penstock.objects.index import Index, Place
from penstock.objects.packs import PREFIX, read_footer, unpack
from penstock.objects.readonly import ReadOnlyIndex
from penstock.objects.sessions import Sessions
from penstock.objects.writer import Writer, whole_name

#: Records of a pack with no more bytes between them than this are read at once.
GAP = 1 << 14


class Blobs:
    """All blobs of one store. The index is a file of this host that may be deleted any time."""

    def __init__(self, backend: Backend, index_path: Path, *, writable: bool = True) -> None:
        self.backend = backend
        self.index = (Index if writable else ReadOnlyIndex)(index_path)
        self.sessions = Sessions(index_path.parent, writable=writable)
        self._damaged: list[str] = []
        if not self.index.packs():
            self.refresh()

    def close(self) -> None:
        self.index.close()

    def writer(self) -> Writer:
        """A writer of one's own; use it as a context."""
        return Writer(self.backend, self.index, self.sessions)

    def get(self, blob: bytes) -> bytes:
        """The bytes of a blob, all in memory. Raises Corrupt naming the file, NotFound if no pack or file has it."""
        place = self.index.find(blob)
        while True:
            try:
                return self._read(blob, place)
            except NotFound:
                # Written a moment ago by another process, or moved by garbage collection.
                self.refresh()
            before, place = place, self.index.find(blob)
            if place == before:
                break
        if place is not None:
            raise Corrupt(f"blob {show_id(blob)} should be in {place.pack}, and that file is gone")
        if self._damaged:
            raise Corrupt(f"blob {show_id(blob)} is missing, and {'; '.join(self._damaged)}")
        raise NotFound(f"blob {show_id(blob)} is in no pack and no file of the object store")

    def load(self, blobs: Iterable[bytes]) -> dict[bytes, bytes]:
        """The bytes of several blobs, all in memory; what lies near each other is read at once. Errors as `get`."""
        wanted = set(blobs)
        found: dict[bytes, bytes] = {}
        places = self.index.places(wanted)
        for near in _near(sorted((place, blob) for blob, place in places.items())):
            first, last = near[0][0], near[-1][0]
            try:
                data = self.backend.get(first.pack, first.start, last.start + last.stored - first.start)
            except NotFound:
                continue
            for (_, start, stored, raw), blob in near:
                record = unpack(data[start - first.start : start - first.start + stored], raw)
                if blob_id(record) == blob:
                    found[blob] = record
        # What is not as it should be is looked at alone, and named.
        return found | {blob: self.get(blob) for blob in wanted.difference(found)}

    def has(self, blobs: Iterable[bytes]) -> set[bytes]:
        """Those of some blobs that are there."""
        wanted = set(blobs)
        found = {blob for blob in wanted if self.index.find(blob) or self.backend.has(whole_name(blob))}
        if found != wanted:
            self.refresh()
            found |= {blob for blob in wanted - found if self.index.find(blob)}
        return found

    def learn(self, packs: Iterable[str]) -> None:
        """Put packs that other processes wrote into the index. Raises Corrupt, NotFound."""
        for name in packs:
            if not self.index.knows(name):
                # Not if it was collected this very moment: it would hide where its blobs were copied to.
                self.index.add(name, read_footer(self.backend, name), self.backend.has)

    def whole(self, blob: bytes) -> Path | None:
        """The read-only file of a large blob; None if the blob is small or absent."""
        return self.backend.path(whole_name(blob))

    def stream(self, blob: bytes) -> Iterator[bytes]:
        """The bytes of a blob in pieces, a large one never held whole. Errors as `get`: Corrupt may come at the end."""
        name, hasher = whole_name(blob), blake3()
        if self.index.find(blob) is not None or not self.backend.has(name):
            yield self.get(blob)
            return
        for piece in pieces(self.backend, name):
            hasher.update(piece)
            yield piece
        if BLAKE3 + hasher.digest() != blob:
            raise Corrupt(f"blob {show_id(blob)} in {name} is damaged: its bytes are not what its name says")

    def size(self, blob: bytes) -> int:
        """How many bytes a blob has, without reading it where that is known; errors as `get`."""
        place = self.index.find(blob)
        if place is not None:
            return place.raw
        try:
            return self.backend.size(whole_name(blob))
        except NotFound:
            return len(self.get(blob))

    def check(self, *, data: bool = False, repair: bool = False) -> Iterator[str]:
        """Every damage as a line; see `checking`."""
        self.index.mend()
        self.refresh()
        if (yield from check(self.backend, self.index, data=data, repair=repair)):
            self.renew_index()

    def renew_index(self) -> None:
        """Make the index anew from the packs."""
        self.index.clear()
        self.refresh()

    def _read(self, blob: bytes, place: Place | None) -> bytes:
        if place is None:
            name = whole_name(blob)
            data = self.backend.get(name)
        else:
            name = place.pack
            data = unpack(self.backend.get(name, place.start, place.stored), place.raw)
        if blob_id(data) != blob:
            raise Corrupt(f"blob {show_id(blob)} in {name} is damaged: its bytes are not what its name says")
        return data

    def refresh(self) -> None:
        """Read the footers of packs that are there and not known. A damaged one must not hide the others."""
        self._damaged = []
        for name in sorted(set(self.backend.list(PREFIX)) - self.index.packs()):
            try:
                self.learn([name])
            except Corrupt as error:
                self._damaged.append(str(error))
            except NotFound:
                continue  # collected meanwhile


def _near(places: Iterable[tuple[Place, bytes]]) -> Iterator[list[tuple[Place, bytes]]]:
    """Sorted places in groups that one read can fetch."""
    group: list[tuple[Place, bytes]] = []
    pack, end = "", 0
    for item in places:
        place = item[0]
        if group and (place.pack != pack or place.start > end + GAP):
            yield group
            group = []
        group.append(item)
        pack, end = place.pack, place.start + place.stored
    if group:
        yield group


class Pages:
    """The page port of `map` over blobs, with a memory of the pages last seen.

    Without a writer nothing is stored: pages that are put are remembered a while, which is enough to learn the identity
    of something.
    """

    #: About 5 KB each.
    REMEMBERED = 2048

    def __init__(self, blobs: Blobs, writer: Writer | None = None) -> None:
        self._blobs = blobs
        self._writer = writer
        self._seen: dict[bytes, bytes] = {}
        self._lock = threading.Lock()

    def get(self, page: bytes, /) -> bytes:
        """The bytes of a page; errors as `Blobs.get`."""
        data = self._seen.get(page)
        if data is None:
            data = (self._writer and self._writer.peek(page)) or self._blobs.get(page)
            self._remember(page, data)
        return data

    def put(self, data: bytes, /) -> bytes:
        """Store a page, return its id."""
        page = self._writer.add(data) if self._writer else blob_id(data)
        self._remember(page, data)
        return page

    def _remember(self, page: bytes, data: bytes) -> None:
        with self._lock:
            if len(self._seen) >= self.REMEMBERED:
                for old in list(islice(self._seen, self.REMEMBERED // 4)):
                    del self._seen[old]
            self._seen[page] = data
