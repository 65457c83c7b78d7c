"""An output as files elsewhere: in a directory, or as objects below a prefix of a bucket.

Each file is whole or not there at all; what is there already and did not change since is not written again.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from penstock.model.data import Entry
from penstock.model.errors import AlreadyExists, BadOutput
from penstock.objects import checkout, tree
from penstock.objects import map as pages_map
from penstock.objects.blobs import Blobs
from penstock.objects.folder import Folder
from penstock.objects.places import parse_url
from penstock.objects.reader import Reader
from penstock.objects.s3 import S3
from penstock.objects.store import Objects
from penstock.service.egress.order import Order

#: What a file is called until it is whole.
DRAFT = ".penstock-export"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Place(Protocol):
    """Where files go. Paths are those of the tree."""

    def has(self, path: str, entry: Entry) -> bool:
        """Whether something of that size is there."""

    def put(self, path: str, entry: Entry) -> None:
        """Write a file in place of what has its path."""

    def remove(self, path: str) -> None:
        """Remove a file, if it is there."""

    def close(self) -> None: ...


def copy(objects: Objects, order: Order) -> None:
    """Bring a place to hold an order's tree; with `mirror`, without what earlier orders left there.

    Raises AlreadyExists where something stands in the way, BadOutput, Refused, Unreachable, OSError.
    """
    pages = objects.pages
    changed: set[str] = set()
    gone: set[str] = set()
    for before in order.before:
        for key, _, now in pages_map.diff(pages, before, order.tree):
            (changed if now is not None else gone).add(key.decode())
    place = _place(objects, order)
    try:
        for path in sorted(gone) if order.export.mirror else ():
            place.remove(path)
        for path, entry in tree.files(pages, order.tree):
            if not order.before or path in changed or not place.has(path, entry):
                place.put(path, entry)
    finally:
        place.close()


def _place(objects: Objects, order: Order) -> Place:
    if order.export.kind == "s3":
        return Prefix(objects.blobs, order)
    return Directory(objects.blobs, Path(order.project, order.export.to))


class Directory:
    """A directory; no link inside it is followed."""

    def __init__(self, blobs: Blobs, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._blobs = blobs
        self._root = root
        self._draft = root / DRAFT
        self._top = os.open(root, _DIRECTORY)
        self._made = {""}

    def has(self, path: str, entry: Entry) -> bool:
        if not self._inside(path):
            return False
        try:
            told = os.lstat(path, dir_fd=self._top)
        except FileNotFoundError:
            return False
        if entry.target is not None:
            return stat.S_ISLNK(told.st_mode) and os.readlink(path, dir_fd=self._top) == entry.target
        return stat.S_ISREG(told.st_mode) and told.st_size == entry.size

    def put(self, path: str, entry: Entry) -> None:
        checkout.make_directory(self._top, path.rpartition("/")[0], self._made, self._root)
        checkout.put_file(self._blobs, entry, self._draft)
        try:
            os.replace(DRAFT, path, src_dir_fd=self._top, dst_dir_fd=self._top)
        except IsADirectoryError:
            raise AlreadyExists(f"{self._root / path} is a directory; remove it, or export elsewhere") from None

    def remove(self, path: str) -> None:
        if not self._inside(path):
            return
        with suppress(FileNotFoundError):
            os.unlink(path, dir_fd=self._top)
        with suppress(OSError):  # a directory that holds more, or is gone
            while path := path.rpartition("/")[0]:
                os.rmdir(path, dir_fd=self._top)

    def _inside(self, path: str) -> bool:
        """Whether all directories above a path are some, and no links that lead elsewhere."""
        above = path.rpartition("/")[0]
        parts = above.split("/") if above else []
        try:
            return all(
                stat.S_ISDIR(os.lstat("/".join(parts[: end + 1]), dir_fd=self._top).st_mode)
                for end in range(len(parts))
            )
        except (FileNotFoundError, NotADirectoryError):
            return False

    def close(self) -> None:
        self._draft.unlink(missing_ok=True)
        os.close(self._top)


class Prefix:
    """A prefix of a bucket. Who may write there, and at which endpoint, the usual AWS variables say."""

    def __init__(self, blobs: Blobs, order: Order) -> None:
        told = os.environ
        where = parse_url(
            order.export.to,
            told.get("AWS_ENDPOINT_URL_S3") or told.get("AWS_ENDPOINT_URL"),
            told.get("AWS_REGION") or told.get("AWS_DEFAULT_REGION"),
        )
        self._blobs = blobs
        self._s3 = S3(where, Folder(Path(order.objects)))
        self._sizes = self._s3.sizes()

    def has(self, path: str, entry: Entry) -> bool:
        return self._sizes.get(path) == entry.size

    def put(self, path: str, entry: Entry) -> None:
        if entry.target is not None:
            raise BadOutput(f"{path} is a link, which no bucket can hold; let the step write a file")
        self._s3.upload(path, lambda: Reader(self._blobs, entry).pieces(), entry.size)

    def remove(self, path: str) -> None:
        self._s3.discard(path)

    def close(self) -> None:
        """Nothing is held open."""
