"""`ls` and `file show`: what stands at a path, in the order of the tree, page by page."""

from __future__ import annotations

from collections.abc import Iterator

from blake3 import blake3
from msgspec import Struct

from penstock.model.data import BLAKE3, Entry, show_id
from penstock.model.ids import Reference
from penstock.objects import search, tree
from penstock.objects.reader import Reader
from penstock.service.data.reading import Found, locate, the_file
from penstock.service.parts import Parts


class Listed(Struct, frozen=True):
    """One line of `ls`: a file or a directory."""

    path: str
    directory: bool
    size: int  #: bytes; of a directory 0 unless sums were asked for
    executable: bool = False
    target: str | None = None

    @property
    def cursor(self) -> str:
        """What `after` takes to go on behind this one; it is also how the path is spelled in a list."""
        return f"{self.path}/" if self.directory else self.path


def ls(
    parts: Parts, source: Reference, *, recursive: bool = False, after: str = "", sizes: bool = False
) -> Iterator[Listed]:
    """What stands at a path: the file itself, a directory's children, what fits a pattern; beyond `after`, in order.

    With `recursive` all files below instead of directories. A page costs what it shows, not what the tree holds; with
    `sizes` also what stands below the directories shown.
    """
    pages, found = parts.objects.pages, locate(parts, source)
    for path, entry in found.files(pages, after) if recursive else _level(parts, found, after):
        if entry is not None:
            yield Listed(path, False, entry.size, entry.executable, entry.target)
        else:
            below = tree.files(pages, found.root, path) if sizes else ()
            yield Listed(path, True, sum(item.size for _, item in below))


def fitting(parts: Parts, source: Reference) -> Iterator[Listed]:
    """What fits a pattern, with its sizes; a plain path fits the one file or directory that it names."""
    found = locate(parts, source)
    if found.glob is not None or found.entry is not None:
        yield from ls(parts, source, sizes=True)
    else:
        shown = show(parts, source)
        yield Listed(shown.path, True, shown.size)


def _level(parts: Parts, found: Found, after: str) -> Iterator[tuple[str, Entry | None]]:
    pages, path = parts.objects.pages, found.path
    if found.glob is not None:
        yield from search.matches(pages, found.root, found.glob, after)
    elif found.entry is not None:
        if path > after:
            yield path, found.entry
    else:
        prefix = f"{path}/" if path else ""
        for name, entry in tree.listing(pages, found.root, path, after):
            if entry is not None or f"{prefix}{name}/" > after:
                yield prefix + name, entry


class Shown(Struct, frozen=True):
    """One file or directory. Equal `hash` means equal bytes; of a directory, equal files under equal names."""

    path: str
    directory: bool
    size: int  #: bytes; of a directory all that is below
    files: int
    hash: str | None  #: a file's BLAKE3, a directory's root; None for a link
    executable: bool
    target: str | None


def show(parts: Parts, source: Reference) -> Shown:
    """A file or directory at a closer look. Costs what a directory holds; a file is read only if it was appended to."""
    pages, found = parts.objects.pages, locate(parts, source)
    if found.entry is None and found.glob is None:
        sizes = [entry.size for _, entry in found.files(pages)]
        identity = show_id(tree.identity(pages, found.root, found.path))
        return Shown(found.path, True, sum(sizes), len(sizes), identity, False, None)
    path, entry = the_file(parts, found)
    return Shown(path, False, entry.size, 1, _hash(parts, entry), entry.executable, entry.target)


def _hash(parts: Parts, entry: Entry) -> str | None:
    if entry.target is not None:
        return None
    if len(entry.blobs) == 1:
        return show_id(entry.blobs[0])
    hasher = blake3()
    for piece in Reader(parts.objects.blobs, entry).pieces():
        hasher.update(piece)
    return show_id(BLAKE3 + hasher.digest())
