"""What a reference names in its tree (a file, a directory, or what fits a pattern), and the bytes of one file."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from msgspec import Struct, structs

from penstock.model.data import Entry
from penstock.model.errors import NotFound, UsageError
from penstock.model.glob import Glob, compile_glob
from penstock.model.ids import Reference
from penstock.model.run import Commit
from penstock.objects import search, tree
from penstock.objects.links import Layout, way
from penstock.objects.map import Pages
from penstock.objects.reader import Reader
from penstock.service import resolve
from penstock.service.parts import Parts


class Found(Struct, frozen=True):
    """What a reference names: a file (`entry`), the matches of a pattern (`glob`), else a directory."""

    source: Reference
    root: bytes
    moment: int  #: when the tree came to be, UTC microseconds
    path: str  #: "" is the whole tree
    entry: Entry | None = None
    glob: Glob | None = None

    @property
    def base(self) -> str:
        """The directory in which names begin when this is written elsewhere."""
        if self.glob is not None:
            return self.glob.literal_prefix.rpartition("/")[0]
        return self.path if self.entry is None else self.path.rpartition("/")[0]

    def files(self, pages: Pages, after: str = "") -> Iterator[tuple[str, Entry]]:
        """Every file that is named, or stands below a directory that is, beyond `after`, in order."""
        if self.glob is not None:
            return search.files(pages, self.root, self.glob, after)
        return tree.files(pages, self.root, self.path, after)

    def laid_out(self, pages: Pages) -> Iterator[tuple[str, Entry]]:
        """The same as tasks find it: a link that leads out of what is named as what it leads to. Raises BadLink."""
        if self.glob is None:
            yield from Layout(pages, self.root, self.path, alone=True).files()
            return
        for path, _ in search.named(pages, self.root, self.glob):
            yield from Layout(pages, self.root, path, alone=True).files()

    def inside(self, path: str) -> str:
        """A path as it is spelled below `base`."""
        return path[len(self.base) + 1 :] if self.base else path


def locate(parts: Parts, source: Reference) -> Found:
    """Find what a reference names. A path that exists is meant as it is written, any other as a pattern.

    Raises NotFound for a path that is neither; a pattern may match nothing.
    """
    owner = resolve.holder(parts, source)
    return find(parts.objects.pages, source, owner.root if isinstance(owner, Commit) else owner.tree, owner.created)


def find(pages: Pages, source: Reference, root: bytes, moment: int = 0) -> Found:
    """The same in a tree that is known."""
    path = source.path or ""
    entry = tree.lookup(pages, root, path) if path else None
    if entry is not None or tree.is_directory(pages, root, path):
        return Found(source, root, moment, path, entry)
    try:
        glob = compile_glob(path)
    except UsageError as error:
        raise NotFound(f"{source}: there is no such file or directory, and as a pattern: {error}") from None
    if not glob.literal:
        return Found(source, root, moment, path, glob=glob)
    if glob.literal_prefix == path:
        raise NotFound(f"{source}: there is no such file or directory")
    # All its wildcards were escaped.
    return find(pages, structs.replace(source, path=glob.literal_prefix), root, moment)


def the_file(parts: Parts, found: Found) -> tuple[str, Entry]:
    """The one file that is named, with its path. Raises NotFound, UsageError where it is not one file."""
    if found.entry is not None:
        return found.path, found.entry
    if found.glob is None:
        raise NotFound(f"{found.source}: is a directory; name a file in it, as `penstock ls -r` lists them")
    several = list(islice(found.files(parts.objects.pages), 2))
    if not several:
        raise NotFound(f"{found.source}: no file fits the pattern")
    if len(several) > 1:
        names = " and ".join(f"/{path}" for path, _ in several)
        raise UsageError(f"{found.source}: names several files ({names}, ...), and one is needed")
    return several[0]


def open_file(parts: Parts, source: Reference) -> Reader:
    """One file, to read any range of it."""
    found = locate(parts, source)
    path, entry = the_file(parts, found)
    if entry.target is not None:
        led = way(parts.objects.pages, found.root, path)
        if led.entry is None:
            raise UsageError(f"{source}: /{path} is a link to {entry.target}, which {led.wrong or 'is a directory'}")
        entry = led.entry
    return Reader(parts.objects.blobs, entry)


def cat(parts: Parts, source: Reference, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
    """The bytes of one file from `offset` (negative: from its end), verified, in pieces of at most 1 MiB."""
    reader = open_file(parts, source)
    start = max(reader.size + offset, 0) if offset < 0 else offset
    return reader.pieces(start, None if length is None else start + length)
