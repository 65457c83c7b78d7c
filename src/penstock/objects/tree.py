"""A tree of files: the map path -> entry. Empty directories, times and owners are not part of it.

A file's entry is msgpack `[size, executable, ids of its blobs joined]`, a link's is its target as a msgpack string. A
file of no bytes has no blobs. Keys are the UTF-8 of the paths, so that a directory is the range from `dir/` to `dir0`
(`0` comes right after `/`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

import msgspec
from msgspec import Struct

from penstock.model.data import BLAKE3, EMPTY, Entry
from penstock.model.errors import Collision
from penstock.model.paths import check_path
from penstock.objects import map as maps
from penstock.objects.map import Pages

ID_BYTES = len(BLAKE3) + 32
#: How many entries are held in memory at most where there may be any number.
CHUNK = 1 << 15

#: A key and its value on both sides, None where a side has no such key.
Difference = tuple[bytes, bytes | None, bytes | None]

_decoder = msgspec.msgpack.Decoder(str | tuple[int, bool, bytes])
_encode = msgspec.msgpack.Encoder().encode


def encode(entry: Entry) -> bytes:
    """The one way to write an entry: equal entries give equal bytes."""
    if entry.target is not None:
        return _encode(entry.target)
    return _encode((entry.size, entry.executable, b"".join(entry.blobs)))


def decode(data: bytes) -> Entry:
    """The entry that `encode` wrote."""
    found = _decoder.decode(data)
    if isinstance(found, str):
        return Entry(target=found)
    size, executable, ids = found
    if len(ids) == ID_BYTES:
        return Entry((ids,), size, executable)
    return Entry(tuple(ids[at : at + ID_BYTES] for at in range(0, len(ids), ID_BYTES)), size, executable)


def _range(directory: str) -> tuple[bytes, bytes | None]:
    """The keys [lo, hi) of everything below a directory; "" is the whole tree."""
    return (f"{directory}/".encode(), f"{directory}0".encode()) if directory else (b"", None)


def _ranges(path: str) -> Iterator[tuple[bytes, bytes | None]]:
    """The ranges of a path that may name a file or a directory."""
    if path:
        yield path.encode(), path.encode() + b"\0"
    yield _range(path)


def build(pages: Pages, items: Iterable[tuple[str, Entry]]) -> bytes:
    """The root of a new tree; items in any order.

    Raises Collision naming both paths when one path comes twice, or a file stands where another has a directory;
    BadPath for a path that no tree may hold.
    """
    changes: dict[str, Entry | None] = {}
    for path, entry in items:
        if path in changes:
            raise Collision(f"{path!r} is there twice")
        changes[path] = entry
    return edit(pages, EMPTY, changes)


def edit(pages: Pages, root: bytes, changes: Mapping[str, Entry | None]) -> bytes:
    """The root after setting paths, or removing those whose entry is None. Errors as in `build`."""
    for path, entry in changes.items():
        if entry is not None:
            check_path(path)
    return write(
        pages, root, {path.encode(): None if entry is None else encode(entry) for path, entry in changes.items()}
    )


def write(pages: Pages, root: bytes, changes: Mapping[bytes, bytes | None]) -> bytes:
    """`edit` for what is encoded already, by paths that are known to be good."""
    finder = maps.Finder(pages, root)
    sound: set[bytes] = set()
    # In order, so that the finder stays where it is.
    for key in sorted(changes):
        if changes[key] is None:
            continue
        above = key
        while (above := above.rpartition(b"/")[0]) and above not in sound:
            if changes[above] is not None if above in changes else finder.first(above) == above:
                raise Collision(f"{above.decode()!r} is a file, so it cannot also be the directory of {key.decode()!r}")
            sound.add(above)
        below = finder.first(key + b"/")
        while below is not None and below < key + b"0":
            if changes.get(below, below) is not None:
                raise Collision(f"{key.decode()!r} cannot be a file, because {below.decode()!r} stands below it")
            below = finder.first(below + b"\0")
    return maps.edit(pages, root, changes.items())


def lookup(pages: Pages, root: bytes, path: str) -> Entry | None:
    """The entry of a file or link, None if there is none (a directory has none)."""
    found = maps.get(pages, root, path.encode())
    return None if found is None else decode(found)


def _beyond(after: str) -> bytes:
    """The first key after a path; "" is before all keys."""
    return after.encode(errors="surrogateescape") + b"\0" if after else b""


def files(pages: Pages, root: bytes, prefix: str = "", after: str = "") -> Iterator[tuple[str, Entry]]:
    """Every file below a directory with its full path, or the one file that `prefix` names; those beyond `after`."""
    for lo, hi in _ranges(prefix):
        for key, value in maps.scan(pages, root, max(lo, _beyond(after)), hi):
            yield key.decode(), decode(value)


def listing(pages: Pages, root: bytes, directory: str = "", after: str = "") -> Iterator[tuple[str, Entry | None]]:
    """The names right below a directory, in the order of the tree; None marks a directory, which is not read.

    The order is that of the paths, where a directory is spelled with a slash at its end. With `after`, a path so
    spelled, only names that stand beyond it or have something below them that does; what is before is not read.
    """
    lo, hi = _range(directory)
    skip = len(lo)
    resume: bytes | None = max(lo, _beyond(after))
    while resume is not None:
        start, resume = resume, None
        for key, value in maps.scan(pages, root, start, hi):
            name, slash, _ = key[skip:].partition(b"/")
            if slash:
                yield name.decode(), None
                resume = lo + name + b"0"
                break
            yield name.decode(), decode(value)


def identity(pages: Pages, root: bytes, directory: str) -> bytes:
    """What a directory holds, as one id: the root of its key range, EMPTY if there is nothing. "" is the whole tree."""
    return maps.part(pages, root, *_range(directory)) if directory else root


def is_directory(pages: Pages, root: bytes, path: str) -> bool:
    """Whether something stands below `path`; the whole tree always is one."""
    return not path or next(maps.scan(pages, root, *_range(path)), None) is not None


def diff(
    pages: Pages, a: bytes, b: bytes, prefix: str = "", after: str = ""
) -> Iterator[tuple[str, Entry | None, Entry | None]]:
    """What differs beyond `after`, in order: (path, entry in `a`, entry in `b`), None where a side has no such file."""
    for lo, hi in _ranges(prefix):
        for key, old, new in maps.diff(pages, a, b, max(lo, _beyond(after)), hi):
            yield key.decode(), None if old is None else decode(old), None if new is None else decode(new)


def apply(pages: Pages, root: bytes, changes: Iterable[tuple[bytes, bytes | None]]) -> bytes:
    """`write` for more changes than memory shall hold. Removals come before what stands in their place."""
    source = iter(changes)
    while chunk := dict(islice(source, CHUNK)):
        root = write(pages, root, chunk)
    return root


class Change(Struct, frozen=True):
    """A new tree and how it differs from the one it was made from. `files` and `size` (bytes) are differences."""

    root: bytes
    files: int
    size: int
    changed: int  #: paths written or deleted


def _size(value: bytes | None) -> int:
    found = "" if value is None else _decoder.decode(value)
    return 0 if isinstance(found, str) else found[0]


def _joined(old: bytes, new: bytes) -> bytes:
    """A file with the bytes of another at its end; a link takes no bytes, and gives none."""
    before, after = decode(old), decode(new)
    if before.target is not None or after.target is not None:
        return new
    return encode(Entry(before.blobs + after.blobs, before.size + after.size, before.executable))


def overlay(pages: Pages, root: bytes, layer: bytes, *, append: bool = False, mirror: str | None = None) -> Change:
    """Lay all files of one tree, the layer, over another.

    With `append` the bytes of a file go to the end of the one that is there; with `mirror`, a directory or a file, what
    stands there and is not in the layer goes. Reads only what differs (with `append` all of the layer), and holds some
    tens of thousands of entries in memory at most. Raises Collision as `build`.
    """
    files = size = changed = 0

    def counted(differences: Iterable[Difference]) -> Iterator[tuple[bytes, bytes | None]]:
        nonlocal files, size, changed
        for key, old, new in differences:
            if append and old is not None and new is not None:
                new = _joined(old, new)
            files += (new is not None) - (old is not None)
            size += _size(new) - _size(old)
            changed += 1
            yield key, new

    for lo, hi in () if mirror is None else _ranges(mirror):
        gone = (difference for difference in maps.diff(pages, root, layer, lo, hi) if difference[2] is None)
        root = apply(pages, root, counted(gone))
    base = root
    differences: Iterable[Difference] = maps.diff(pages, base, layer, gone=False)
    if append:
        differences = ((key, maps.get(pages, base, key), value) for key, value in maps.scan(pages, layer))
    if base == EMPTY:
        deque(counted(differences), 0)
        return Change(layer, files, size, changed)
    return Change(apply(pages, base, counted(differences)), files, size, changed)
