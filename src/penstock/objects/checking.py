"""Whether packs, large blobs and index are whole, and moving aside what is not."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator

from blake3 import blake3

from penstock.model.data import BLAKE3, show_id
from penstock.model.errors import Corrupt, NotFound
from penstock.objects.backend import Backend, pieces
from penstock.objects.copies import blob_id, hash_file
from penstock.objects.index import Index, Place
from penstock.objects.packs import PREFIX, End, Row, read_end, unpack
from penstock.objects.repacking import Repacker
from penstock.objects.writer import WHOLE, whole_name

#: Where damaged files go. Nothing is looked for there: putting the same bytes again stores them again.
DAMAGED = "damaged/"


def check(backend: Backend, index: Index, *, data: bool, repair: bool) -> Generator[str, None, bool]:
    """Every damage as a line: packs that cannot be read, an index that disagrees; with `data`, bytes too.

    With `repair` what is damaged is moved aside, after the good records of a pack were copied to a new one; returns
    whether anything was, so that the index is to be made anew.
    """
    moved = False
    packs = sorted(backend.list(PREFIX))
    for name in packs:
        try:
            end = read_end(backend, name)
            found = list(_wrong_places(backend, index, name, end.rows))
            bad = (yield from _records(backend, name, end)) if data else None
        except NotFound:
            continue  # garbage that was collected meanwhile
        except Corrupt as error:
            yield str(error)
            end, found, bad = None, [], set()
        yield from found
        moved |= repair and bool(found)
        if repair and bad is not None:
            _salvage(backend, index, name, end.rows if end else index.rows(name), bad)
            yield f"{name}: moved to {DAMAGED}{name}; what was good in it is kept"
            moved = True
    for name in sorted(index.packs().difference(packs)):
        # What is condemned may go any moment, or is gone since a collection died. Asked in this order, because a
        # collection deletes a file, and then forgets it and its condemnation at once.
        if not backend.has(name) and name not in index.condemned() and index.knows(name):
            yield f"{name}: the index knows this pack, and the file is gone"
            moved |= repair
    for name in sorted(backend.list(WHOLE)) if data else ():
        found_id = _hash(backend, name)
        if found_id is not None and whole_name(found_id) != name:
            yield f"{name}: holds {show_id(found_id)}"
            if repair:
                _move_aside(backend, name)
                yield f"{name}: moved to {DAMAGED}{name}; put the same bytes again to have them back"
    return moved


def _wrong_places(backend: Backend, index: Index, name: str, rows: Iterable[Row]) -> Iterator[str]:
    rows = list(rows)
    places = index.places([row[0] for row in rows])
    missing = [row for row in rows if row[0] not in places]
    if missing:
        index.add(name, missing, backend.has)  # another pack had them too, and is gone
    for blob, start, stored, raw in rows:
        place = places.get(blob)
        if place is not None and place.pack == name and place != Place(name, start, stored, raw):
            yield f"the index is wrong about blob {show_id(blob)} in {name}; delete it, it is made again"


def _records(backend: Backend, name: str, end: End) -> Generator[str, None, set[bytes] | None]:
    """Compare the records of a pack with its digest, and with their names where that differs; the blobs that are
    damaged, None if the pack is as it was written."""
    records = backend.get(name, 0, sum(stored for _, _, stored, _ in end.rows))
    if end.digest == blake3(records, max_threads=blake3.AUTO).digest():
        return None
    bad = set()
    for row in end.rows:
        if not is_good(row, records):
            bad.add(row[0])
            yield f"blob {show_id(row[0])} in {name} is damaged: its bytes are not what its name says"
    if bad or end.digest is None:
        return bad or None
    yield f"{name}: its records are not as they were written, though no blob shows it yet"
    return bad


def is_good(row: Row, records: bytes) -> bool:
    """Whether a record among all records of its pack is what its name says."""
    blob, start, stored, raw = row
    return blob_id(unpack(records[start : start + stored], raw)) == blob


def _salvage(backend: Backend, index: Index, name: str, rows: Iterable[Row], bad: set[bytes]) -> None:
    """Copy the good records of a damaged pack to a new one, then move it aside."""
    repacker = Repacker(backend, index)
    records = backend.get(name)
    for row in rows:
        blob, start, stored, raw = row
        if blob not in bad and is_good(row, records):
            repacker.add(blob, records[start : start + stored], raw)
    repacker.flush()
    _move_aside(backend, name)


def _move_aside(backend: Backend, name: str) -> None:
    path = backend.path(name)
    if path is not None:
        backend.adopt(DAMAGED + name, path)
    else:
        backend.put(DAMAGED + name, backend.get(name))
        backend.delete(name)


def _hash(backend: Backend, name: str) -> bytes | None:
    """The id of the bytes a large blob has; None if it is gone."""
    path = backend.path(name)
    try:
        if path is not None:
            return hash_file(path)
        hasher = blake3()
        for piece in pieces(backend, name):
            hasher.update(piece)
        return BLAKE3 + hasher.digest()
    except (FileNotFoundError, NotFound):
        return None
