"""A tree of files: the map path -> entry. Empty directories, times and owners are not part of it.

A file's entry is msgpack `[size, executable, ids of its blobs joined]`, a link's is its target as a msgpack string. A
file of no bytes has no blobs. Keys are the UTF-8 of the paths, so that a directory is the range from `dir/` to `dir0`
(`0` comes right after `/`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from penstock.model.data import BLAKE3, EMPTY, Entry
from penstock.model.errors import Collision
from penstock.model.paths import check_path
from penstock.objects import map as maps
from penstock.objects.map import Pages

ID_BYTES = len(BLAKE3) + 32

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
    sound: set[str] = set()
    for path, entry in changes.items():
        if entry is None:
            continue
        check_path(path)
        above = path
        while (above := above.rpartition("/")[0]) and above not in sound:
            held = changes[above] if above in changes else lookup(pages, root, above)
            if held is not None:
                raise Collision(f"{above!r} is a file, so it cannot also be the directory of {path!r}")
            sound.add(above)
        if root != EMPTY:
            left = next((below for below, _ in maps.scan(pages, root, *_range(path)) if _stays(changes, below)), None)
            if left is not None:
                raise Collision(f"{path!r} cannot be a file, because {left.decode()!r} stands below it")
    return maps.edit(
        pages, root, ((path.encode(), None if entry is None else encode(entry)) for path, entry in changes.items())
    )


def _stays(changes: Mapping[str, Entry | None], key: bytes) -> bool:
    path = key.decode()
    return path not in changes or changes[path] is not None


def lookup(pages: Pages, root: bytes, path: str) -> Entry | None:
    """The entry of a file or link, None if there is none (a directory has none)."""
    found = maps.get(pages, root, path.encode())
    return None if found is None else decode(found)


def files(pages: Pages, root: bytes, prefix: str = "") -> Iterator[tuple[str, Entry]]:
    """Every file below a directory with its full path, or the one file that `prefix` names."""
    for lo, hi in _ranges(prefix):
        for key, value in maps.scan(pages, root, lo, hi):
            yield key.decode(), decode(value)


def listing(pages: Pages, root: bytes, directory: str = "") -> Iterator[tuple[str, Entry | None]]:
    """The names right below a directory, in the order of the tree; None marks a directory, which is not read."""
    lo, hi = _range(directory)
    skip = len(lo)
    resume: bytes | None = lo
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


def diff(pages: Pages, a: bytes, b: bytes, prefix: str = "") -> Iterator[tuple[str, Entry | None, Entry | None]]:
    """What differs, in order: (path, entry in `a`, entry in `b`), None where a side has no such file."""
    for lo, hi in _ranges(prefix):
        for key, old, new in maps.diff(pages, a, b, lo, hi):
            yield key.decode(), None if old is None else decode(old), None if new is None else decode(new)
