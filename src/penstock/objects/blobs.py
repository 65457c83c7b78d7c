"""Reading blobs: bytes by their BLAKE3, out of packs or files of their own, compared with their name each time."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from penstock.model.data import show_id
from penstock.model.errors import Corrupt, NotFound
from penstock.objects.copies import blob_id, hash_file
from penstock.objects.folder import Folder
from penstock.objects.index import Index, Place
from penstock.objects.packs import PREFIX, read_footer, unpack
from penstock.objects.writer import WHOLE, Writer, whole_name


class Blobs:
    """All blobs of one store. The index is a file of this host that may be deleted any time."""

    def __init__(self, backend: Folder, index_path: Path) -> None:
        self._backend = backend
        self._index = Index(index_path)
        self._damaged: list[str] = []
        if not self._index.packs():
            self._refresh()

    def close(self) -> None:
        self._index.close()

    def writer(self) -> Writer:
        """A writer of one's own; use it as a context."""
        return Writer(self._backend, self._index)

    def get(self, blob: bytes) -> bytes:
        """The bytes of a blob, all in memory. Raises Corrupt naming the file, NotFound if no pack or file has it."""
        place = self._index.find(blob)
        if place is None:
            name = whole_name(blob)
            try:
                return self._verified(blob, name, self._backend.get(name))
            except NotFound:
                self._refresh()
                place = self._index.find(blob)
        if place is None:
            if self._damaged:
                raise Corrupt(f"blob {show_id(blob)} is missing, and {'; '.join(self._damaged)}")
            raise NotFound(f"blob {show_id(blob)} is in no pack and no file of the object store")
        return self._read(blob, place)

    def has(self, blobs: Iterable[bytes]) -> set[bytes]:
        """Those of some blobs that are there."""
        wanted = set(blobs)
        found = {blob for blob in wanted if self._index.find(blob) or self._backend.has(whole_name(blob))}
        if found != wanted:
            self._refresh()
            found |= {blob for blob in wanted - found if self._index.find(blob)}
        return found

    def learn(self, packs: Iterable[str]) -> None:
        """Put packs that other processes wrote into the index. Raises Corrupt, NotFound."""
        for name in packs:
            if not self._index.knows(name):
                self._index.add(name, read_footer(self._backend, name))

    def whole(self, blob: bytes) -> Path | None:
        """The read-only file of a large blob; None if the blob is small or absent."""
        path = self._backend.path(whole_name(blob))
        return path if path.exists() else None

    def check(self, *, data: bool = False) -> Iterator[str]:
        """Every damage as a line: packs that cannot be read, an index that disagrees; with `data`, bytes too."""
        self._index.mend()
        self._refresh()
        packs = sorted(self._backend.list(PREFIX))
        for name in packs:
            try:
                rows = read_footer(self._backend, name)
            except Corrupt as error:
                yield str(error)
                continue
            for blob, start, stored, raw in rows:
                here, place = Place(name, start, stored, raw), self._index.find(blob)
                if place is None or (place.pack == name and place != here):
                    yield f"the index is wrong about blob {show_id(blob)} in {name}; delete it, it is made again"
                if data:
                    yield from self._damage(blob, here)
        for name in sorted(self._index.packs().difference(packs)):
            yield f"{name}: the index knows this pack, and the file is gone"
        for name in sorted(self._backend.list(WHOLE)) if data else ():
            if whole_name(found := hash_file(self._backend.path(name))) != name:
                yield f"{name}: holds {show_id(found)}"

    def _damage(self, blob: bytes, place: Place) -> Iterator[str]:
        try:
            self._read(blob, place)
        except Corrupt as error:
            yield str(error)

    def _read(self, blob: bytes, place: Place) -> bytes:
        try:
            stored = self._backend.get(place.pack, place.start, place.stored)
        except NotFound:
            raise Corrupt(f"blob {show_id(blob)} should be in {place.pack}, and that file is gone") from None
        return self._verified(blob, place.pack, unpack(stored, place.raw))

    def _verified(self, blob: bytes, name: str, data: bytes) -> bytes:
        if blob_id(data) != blob:
            raise Corrupt(f"blob {show_id(blob)} in {name} is damaged: its bytes are not what its name says")
        return data

    def _refresh(self) -> None:
        """Read the footers of packs that are there and not known. A damaged one must not hide the others."""
        self._damaged = []
        for name in sorted(set(self._backend.list(PREFIX)) - self._index.packs()):
            try:
                self.learn([name])
            except Corrupt as error:
                self._damaged.append(str(error))


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
