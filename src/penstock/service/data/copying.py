"""`cp`: files and directories of one commit in another one, by reference: no bytes are read or written."""

from __future__ import annotations

from collections.abc import Iterator

from penstock.model.data import EMPTY, Entry
from penstock.model.errors import NotFound, UsageError
from penstock.model.ids import Reference
from penstock.model.paths import link_stays_inside
from penstock.model.run import Commit, Repo
from penstock.objects import tree
from penstock.objects.blobs import Pages
from penstock.objects.layer import Layer
from penstock.objects.tree import Change
from penstock.service import resolve
from penstock.service.data import reading
from penstock.service.data.committing import Written, check_writable, write
from penstock.service.data.reading import Found
from penstock.service.parts import Parts


def copy(parts: Parts, source: Reference, target: Reference, *, append: bool = False, message: str = "") -> Written:
    """Copy a file, a directory or what fits a pattern, in one commit; what is there stays unless its path is copied.

    A target path without a slash at its end is what one file or directory shall be called; with one, and without any
    path, it is where they go under their own names. A whole repo, and what a source with a slash at its end holds, goes
    there as it is. `append` adds bytes at the end of files that exist. The cost follows the files copied; all of a
    repo into an empty one is a single page. Raises NotFound, Refused, Collision, UsageError.
    """
    existing = parts.store.load(Repo, "repo", name=target.repo)
    check_writable(parts, target.repo, existing[0] if existing else None)
    with parts.objects.writer() as writer:
        holder = resolve.holder(parts, source)
        root = holder.root if isinstance(holder, Commit) else holder.tree
        found = reading.find(parts.objects.pages, source, root)
        pages = Pages(parts.objects.blobs, writer)
        base = _place(found, target)
        if found.path == "" and base == "":
            layer, files = found.root, holder.files
        else:
            layer, files = _layer(pages, found, base)
        if not files:
            raise NotFound(f"{source}: there is nothing to copy")

        def edit(pages: Pages, root: bytes) -> Change:
            if root == EMPTY and layer == found.root:
                return Change(layer, files, holder.size, files)
            return tree.overlay(pages, root, layer, append=append)

        return write(parts, target, edit, writer, message or f"copied from {source}", origin="copy")


def _place(found: Found, target: Reference) -> str:
    """The path that takes the place of the copied directory, or of the directory around a copied file."""
    into = target.path or ""
    whole = found.path == "" or found.source.directory and found.entry is None
    one = found.glob is None and not whole
    if one and (target.directory or not into):
        name = found.path.rpartition("/")[2]
        return f"{into}/{name}" if into else name
    return into


def _layer(pages: Pages, found: Found, base: str) -> tuple[bytes, int]:
    """The tree of what is copied, under its new paths; how many files."""
    layer = Layer(pages)
    for path, entry in _renamed(pages, found, base):
        if entry.target is not None and not link_stays_inside(path, entry.target):
            raise UsageError(f"/{path} would be a link to {entry.target}, which leads out of the repo")
        layer.add(path, entry)
    return layer.finish(), layer.files


def _renamed(pages: Pages, found: Found, base: str) -> Iterator[tuple[str, Entry]]:
    if found.entry is not None:
        yield base, found.entry
        return
    prefix = f"{base}/" if base else ""
    for path, entry in found.files(pages):
        yield prefix + found.inside(path), entry
