"""What nobody needs: marked from roots, condemned, and deleted by a later collection, or copied away from.

A *mark* knows every blob that can be reached. A *sweep* compares all packs and large blobs with it. What it finds
unneeded is condemned: a note in the index, which a writer takes back when it finds a blob there. It is deleted only by
a sweep that began after everybody who might have relied on it before that note had ended. A pack less than half of
which is needed is copied, and is garbage from then on. Dying at any point does no harm: the next sweep goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Iterator

from blake3 import blake3
from msgspec import Struct, field

from penstock.model.data import BLAKE3
from penstock.model.errors import Corrupt, NotFound
from penstock.objects import map as maps
from penstock.objects import tree
from penstock.objects.backend import Backend
from penstock.objects.blobs import Blobs
from penstock.objects.checking import is_good
from penstock.objects.index import Index
from penstock.objects.map import Pages
from penstock.objects.packs import PREFIX, Row, read_end
from penstock.objects.repacking import Repacker
from penstock.objects.writer import WHOLE

#: A pack smaller than this is tiny, in bytes; when there are more than so many, they are made into one.
TINY = 1 << 20
TINY_PACKS = 16

#: Of a map's values: the blobs they name, and the roots of trees they name.
Refs = Callable[[bytes], tuple[Iterable[bytes], Iterable[bytes]]]


def tree_refs(value: bytes) -> tuple[Iterable[bytes], Iterable[bytes]]:
    """What the entry of a tree names."""
    return tree.decode(value).blobs, ()


class Mark:
    """Every blob and page that was reached: 33 bytes each, in memory. No page is read twice.

    After an error it does not know all that is below what it has read: only what is added before counts.
    """

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self.blobs: set[bytes] = set()  # of files
        # A file may hold the very bytes of a page, so what was read is not what is needed. Nor does a page that was
        # read as one kind of map tell what it names as another.
        self._read: dict[Refs, set[bytes]] = {}

    def __iter__(self) -> Iterator[bytes]:
        yield from self.blobs
        for pages in self._read.values():
            yield from pages - self.blobs

    def __contains__(self, blob: object) -> bool:
        return blob in self.blobs or any(blob in pages for pages in self._read.values())

    def tree(self, root: bytes) -> None:
        """Reach everything below a tree. Raises NotFound, Corrupt."""
        for values in self._fresh(root, tree_refs):
            for value in values:
                self.blobs.update(tree.decode(value).blobs)

    def map(self, root: bytes, refs: Refs) -> None:
        """Reach everything below another map, with the trees that its values name."""
        for values in self._fresh(root, refs):
            for value in values:
                blobs, trees = refs(value)
                self.blobs.update(blobs)
                for below in trees:
                    self.tree(below)

    def _fresh(self, root: bytes, refs: Refs) -> Iterator[tuple[bytes, ...]]:
        """The values of pages that were not read before."""
        seen = self._read.setdefault(refs, set())

        def enter(page: bytes) -> bool:
            if page in seen:
                return False
            seen.add(page)
            return True

        yield from maps.visit(self._pages, root, enter)


class Amount(Struct):
    """Packs and large blobs of one fate, and their bytes on disk."""

    packs: int = 0
    blobs: int = 0
    bytes: int = 0

    def add(self, name: str, size: int) -> None:
        """Count a name."""
        if name.startswith(PREFIX):
            self.packs += 1
        else:
            self.blobs += 1
        self.bytes += size


class Swept(Struct):
    """What a sweep did, or would do."""

    deleted: Amount = field(default_factory=Amount)
    waiting: Amount = field(default_factory=Amount)  #: condemned now or before, and not deleted yet
    repacked: Amount = field(default_factory=Amount)  #: packs that were copied from; they are condemned
    written: Amount = field(default_factory=Amount)  #: the packs they were copied to
    kept: Amount = field(default_factory=Amount)  #: all others
    since: int | None = None  #: when the oldest of what waits was condemned
    damage: list[str] = field(default_factory=list)  #: packs that cannot be read, which stay as they are


def heal(blobs: Blobs) -> None:
    """Bring the index in line with the packs that are there."""
    blobs.index.mend()
    blobs.refresh()
    for name in blobs.index.condemned():
        if not blobs.backend.has(name):  # a sweep that died had deleted it
            blobs.index.forget(name)
            blobs.index.spare(name)
    if blobs.index.packs().difference(blobs.backend.list(PREFIX)):
        blobs.renew_index()


def sweep(
    blobs: Blobs, mark: Container[bytes], now: int, before: int, *, alone: bool = False, dry_run: bool = False
) -> Swept:
    """Compare all that is stored with a mark, which was made after `heal`.

    Deletes what was condemned up to the time `before` (UTC microseconds, as `now`); alone, with nobody else in a
    session, all that is unneeded. The caller says `before` 0 while somebody is left who may rely on what is condemned.
    """
    found = _Sweep(blobs.backend, blobs.index, mark, now, before, alone, dry_run)
    found.packs()
    found.large()
    found.repack()
    if found.condemn():
        # Dated only afterwards: if this dies, the next sweep takes it for newly condemned.
        blobs.sessions.turn_over()
        blobs.index.date(now)
    return found.swept


class _Sweep:
    def __init__(
        self, backend: Backend, index: Index, mark: Container[bytes], now: int, before: int, alone: bool, dry_run: bool
    ) -> None:
        self.swept = Swept()
        self._backend, self._index, self._mark = backend, index, mark
        self._now, self._before, self._alone, self._dry = now, before, alone, dry_run
        self._condemned = index.condemned()
        self._fresh: list[str] = []
        # Packs to be copied from; their sizes, and bytes of the records that are needed.
        self._weak: list[tuple[str, int, int]] = []
        self._tiny: list[tuple[str, int, int]] = []

    def packs(self) -> None:
        for name in sorted(self._backend.list(PREFIX)):
            try:
                end = read_end(self._backend, name)
            except Corrupt as error:
                self.swept.damage.append(str(error))
                continue
            except NotFound:
                continue  # a dry run beside a collection
            needed = self._needed(name, end.rows)
            records = sum(stored for _, _, stored, _ in end.rows)
            size = records + end.size
            if not needed:
                self._unneeded(name, size, [row[0] for row in end.rows])
                continue
            self._needed_after_all(name)
            good = sum(stored for _, _, stored, _ in needed)
            if 2 * good < records:
                self._weak.append((name, size, good))
            elif size < TINY:
                self._tiny.append((name, size, good))
            else:
                self.swept.kept.add(name, size)

    def large(self) -> None:
        for name in self._backend.list(WHOLE):
            try:
                size = self._backend.size(name)
            except NotFound:
                continue
            if blob_of(name) in self._mark:
                self._needed_after_all(name)
                self.swept.kept.add(name, size)
            else:
                self._unneeded(name, size, ())

    def repack(self) -> None:
        """Copy what is needed out of weak packs, and out of tiny ones if there are many."""
        chosen = self._weak + (self._tiny if len(self._tiny) > TINY_PACKS else [])
        for name, size, _ in self._tiny if len(self._tiny) <= TINY_PACKS else ():
            self.swept.kept.add(name, size)
        repacker = Repacker(self._backend, self._index)
        copied = []
        for name, size, good in chosen:
            if self._dry:
                self.swept.written.bytes += good
            else:
                try:
                    self._copy(name, repacker)
                except Corrupt as error:
                    self.swept.damage.append(str(error))
                    self.swept.kept.add(name, size)
                    continue
            copied.append((name, size))
            self.swept.repacked.add(name, size)
        repacker.flush()
        self.swept.written.packs += repacker.packs
        self.swept.written.bytes += repacker.bytes
        # Only now: all that was in them can be found elsewhere.
        for name, size in copied:
            self._unneeded(name, size, () if self._dry else [row[0] for row in read_end(self._backend, name).rows])

    def condemn(self) -> bool:
        """Note what is newly unneeded; whether anything is without a date."""
        if self._dry or not (self._fresh or None in self._condemned.values()):
            return False
        self._index.condemn(self._fresh)
        return True

    def _needed(self, name: str, rows: Collection[Row]) -> list[Row]:
        """The rows of a pack that are needed, and found in this pack and no other."""
        rows = [row for row in rows if row[0] in self._mark]
        places = self._index.places([row[0] for row in rows])
        return [row for row in rows if (place := places.get(row[0])) is None or place.pack == name]

    def _needed_after_all(self, name: str) -> None:
        if name in self._condemned:
            del self._condemned[name]
            if not self._dry:
                self._index.spare(name)

    def _unneeded(self, name: str, size: int, blobs: Iterable[bytes]) -> None:
        since = self._condemned.get(name)
        if self._alone or (since is not None and since <= self._before):
            if self._alone and not self._dry:
                self._index.condemn([name])
            if self._dry or self._index.drop(name, blobs, self._backend.delete):
                self.swept.deleted.add(name, size)
            return
        if name not in self._condemned:
            self._fresh.append(name)
        since = self._now if since is None else since
        self.swept.since = min(since, self.swept.since or since)
        self.swept.waiting.add(name, size)

    def _copy(self, name: str, repacker: Repacker) -> None:
        """Copy what is needed from a pack. Raises Corrupt for a damaged one, before anything is copied."""
        end = read_end(self._backend, name)
        records = self._backend.get(name, 0, sum(stored for _, _, stored, _ in end.rows))
        needed = self._needed(name, end.rows)
        whole = end.digest == blake3(records, max_threads=blake3.AUTO).digest()
        if not whole and (end.digest is not None or not all(is_good(row, records) for row in needed)):
            raise Corrupt(f"{name}: damaged, so it is not packed anew; see `penstock fsck --data`")
        for blob, start, stored, raw in needed:
            repacker.add(blob, records[start : start + stored], raw)


def blob_of(name: str) -> bytes:
    """The blob that a file for a large one is named by."""
    return BLAKE3 + bytes.fromhex(name.rpartition("/")[2])
