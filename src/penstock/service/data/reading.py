"""The questions on versioned data: get, ls, cat, diff, log. None of them changes anything in the project."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from penstock.model.data import EMPTY, Entry
from penstock.model.errors import AlreadyExists, NotFound, UsageError
from penstock.model.ids import Reference
from penstock.model.run import Commit
from penstock.objects import checkout, tree
from penstock.service import resolve
from penstock.service.parts import Parts


def get(parts: Parts, source: Reference, destination: Path) -> tuple[int, int]:
    """Write a file, or the contents of a directory, to `destination`; how many files and bytes."""
    root = resolve.tree_root(parts, source)
    path = source.path or ""
    objects = parts.objects
    entry = tree.lookup(objects.pages, root, path) if path else None
    if entry is not None:
        place = destination / Path(path).name if destination.is_dir() else destination
        if place.exists():
            raise AlreadyExists(f"{place}: exists already; remove it or name another destination")
        place.parent.mkdir(parents=True, exist_ok=True)
        checkout.put_file(objects.blobs, entry, place)
        return 1, entry.size
    if path and not tree.is_directory(objects.pages, root, path):
        raise NotFound(f"{source}: there is no such file or directory")
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        raise AlreadyExists(f"{destination}: exists and is not an empty directory; name another destination")
    destination.mkdir(parents=True, exist_ok=True)
    return checkout.lay_out(objects.blobs, objects.pages, root, destination, prefix=path, strip=True)


class Listed(Struct, frozen=True):
    """One line of `ls`: a file or a directory."""

    path: str
    directory: bool
    size: int
    executable: bool = False
    target: str | None = None


def ls(parts: Parts, source: Reference, *, recursive: bool = False) -> Iterator[Listed]:
    """What stands at a path: the file itself, or a directory's children (all files below it with `recursive`)."""
    root = resolve.tree_root(parts, source)
    pages, path = parts.objects.pages, source.path or ""
    entry = tree.lookup(pages, root, path) if path else None
    if entry is not None:
        yield _listed(path, entry)
    elif path and not tree.is_directory(pages, root, path):
        raise NotFound(f"{source}: there is no such file or directory")
    elif recursive:
        yield from (_listed(name, found) for name, found in tree.files(pages, root, path))
    else:
        prefix = f"{path}/" if path else ""
        for name, child in tree.listing(pages, root, path):
            yield _listed(prefix + name, child)


def _listed(path: str, entry: Entry | None) -> Listed:
    if entry is None:
        return Listed(path, True, 0)
    return Listed(path, False, entry.size, entry.executable, entry.target)


def cat(parts: Parts, source: Reference) -> Iterator[bytes]:
    """The bytes of one file, verified, blob by blob."""
    root = resolve.tree_root(parts, source)
    entry = tree.lookup(parts.objects.pages, root, source.path or "") if source.path else None
    if entry is None:
        raise NotFound(f"{source}: there is no such file")
    if entry.target is not None:
        raise UsageError(f"{source}: is a link to {entry.target}; read that instead")
    return (parts.objects.blobs.get(blob) for blob in entry.blobs)


class Difference(Struct, frozen=True):
    """One line of `diff`: `change` is added, removed or modified."""

    path: str
    change: str
    old_size: int | None
    new_size: int | None


def diff(parts: Parts, old: bytes, new: bytes, prefix: str = "") -> Iterator[Difference]:
    """Which files differ between two trees."""
    for path, before, after in tree.diff(parts.objects.pages, old, new, prefix):
        change = "added" if before is None else "removed" if after is None else "modified"
        yield Difference(path, change, before.size if before else None, after.size if after else None)


def parent_root(parts: Parts, of: Commit) -> bytes:
    """The tree a commit followed; the empty one for a first commit."""
    parent = of.parent and resolve.commit_by_id(parts, of.repo, of.parent)
    return parent.root if parent else EMPTY


def history(parts: Parts, of: Commit, limit: int) -> Iterator[Commit]:
    """A commit and its ancestors, newest first."""
    found: Commit | None = of
    while found is not None and limit > 0:
        yield found
        limit -= 1
        found = resolve.commit_by_id(parts, of.repo, found.parent) if found.parent else None
