"""Directories with frozen code, by the trees that say what belongs into them."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from penstock.model.data import EMPTY, Entry
from penstock.objects import checkout, tree
from penstock.objects.store import Objects
from penstock.objects.writer import Writer

#: Python puts these beside the modules it imports. They say nothing about the task.
CACHES = "__pycache__"


class Layouts:
    """What is done to layouts of the trees of one store; `folder` is one of `root`. Raises NotFound, Corrupt, OSError.

    Paths are relative to a layout, as they are in its tree.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def lay_out(self, root: bytes, folder: str) -> None:
        """Write a tree into a new directory."""
        checkout.lay_out(self._objects.blobs, self._objects.pages, root, Path(folder))

    def move(self, old: bytes, new: bytes, folder: str) -> None:
        """Turn the layout of one tree into that of another by what differs; after an error it is neither."""
        checkout.move(self._objects.blobs, self._objects.pages, old, new, Path(folder))

    def differing(self, root: bytes, folder: str, paths: Collection[str] | None) -> list[str]:
        """Those of some paths (None: of all there are) at which a layout is not, or may not be, as its tree says."""
        if paths is None:
            paths = {*_paths(folder), *(path for path, _ in tree.files(self._objects.pages, root))}
        return sorted(path for path in paths if not self._same(root, folder, path))

    def _same(self, root: bytes, folder: str, path: str) -> bool:
        entry = tree.lookup(self._objects.pages, root, path)
        place = os.path.join(folder, path)
        try:
            told = os.lstat(place)
        except (FileNotFoundError, NotADirectoryError):
            return entry is None and not tree.is_directory(self._objects.pages, root, path)
        if entry is None:
            return False  # new; or a directory of the tree that was moved away, and what is there nobody knows
        if entry.target is not None:
            return stat.S_ISLNK(told.st_mode) and os.readlink(place) == entry.target
        if not stat.S_ISREG(told.st_mode) or told.st_size != entry.size:
            return False
        return bool(told.st_mode & stat.S_IXUSR) == entry.executable and self._holds(place, entry)

    def _holds(self, place: str, entry: Entry) -> bool:
        """Whether a file of that size has the bytes of an entry."""
        try:
            with open(place, "rb") as file:
                parts = map(self._objects.blobs.get, entry.blobs)
                return all(file.read(len(part)) == part for part in parts)
        except PermissionError:
            return False

    def reading(self, writer: Writer, root: bytes, opened: Iterable[str], links: dict[str, str]) -> bytes:
        """The root of a tree of those of some paths that are files of `root`, with the links that lead there: `links`
        says of each where. EMPTY if there are none.
        """
        found: dict[str, Entry] = {}
        for path in opened:
            entry = tree.lookup(self._objects.pages, root, path)
            if entry is not None:
                found[path] = entry
        for link, end in links.items():
            below = f"{end}/"
            if any(path == end or path.startswith(below) for path in found) and link not in found:
                entry = tree.lookup(self._objects.pages, root, link)
                if entry is not None:
                    found[link] = entry
        return tree.build(self._objects.writing(writer), found.items()) if found else EMPTY


def _paths(folder: str) -> Iterator[str]:
    """Every file and link of a layout, and every directory in which nothing is."""
    pending = [""]
    while pending:
        within = pending.pop()
        empty = bool(within)
        with os.scandir(os.path.join(folder, within)) as entries:
            for entry in entries:
                empty = False
                if not entry.is_dir(follow_symlinks=False):
                    yield within + entry.name
                elif entry.name != CACHES:
                    pending.append(f"{within}{entry.name}/")
        if empty:
            yield within[:-1]


def links_of(folder: str, names: Iterable[str]) -> dict[str, str]:
    """Where links of a layout lead, as far as that is in it."""
    top = os.path.realpath(folder)
    ends = ((name, os.path.realpath(os.path.join(top, name))) for name in names)
    return {name: end[len(top) + 1 :] for name, end in ends if end.startswith(f"{top}/")}
