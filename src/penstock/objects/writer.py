"""Writing blobs: small ones gather in packs, large ones become files; nothing shows before it is durable."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import TracebackType

from penstock.model.errors import BadOutput
from penstock.objects.copies import blob_id, clone, copy, hash_file
from penstock.objects.folder import Folder
from penstock.objects.index import Index
from penstock.objects.packs import Row, Squeezer, footer, pack_name, unpack

#: From this many bytes on a blob is a file of its own, so that a checkout can share its blocks.
LARGE = 1 << 16
#: A pack is written when its records pass this many bytes; they are held in memory until then.
PACK_BYTES = 16 << 20
WHOLE = "blobs/"


def whole_name(blob: bytes) -> str:
    """The name of a large blob in the back end."""
    digits = blob[1:].hex()
    return f"{WHOLE}{digits[:2]}/{digits}"


class Writer:
    """Adds blobs. Used by one thread; any number of writers work at once.

    What was added is readable by others, and survives a power cut, once `seal` returned. Leaving the context seals; an
    exception discards. A full disk surfaces as OSError.
    """

    def __init__(self, folder: Folder, index: Index) -> None:
        self._folder = folder
        self._index = index
        self._there: dict[str, bool] = {}  # pack -> whether its file is there
        self._squeezer = Squeezer()
        self._records = bytearray()
        self._rows: dict[bytes, Row] = {}
        self._large: dict[bytes, Path | None] = {}
        self._packs: list[str] = []

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.seal()
        finally:
            self.discard()

    def add(self, data: bytes) -> bytes:
        """Add some bytes, return their id."""
        blob = blob_id(data)
        if len(data) >= LARGE:
            if blob not in self._large:
                self._take(blob, self._spill(data))
        elif blob not in self._rows and not self._has(blob):
            stored = self._squeezer.squeeze(data)
            self._rows[blob] = (blob, len(self._records), len(stored), len(data))
            self._records += stored
            if len(self._records) >= PACK_BYTES:
                self._write()
        return blob

    def _has(self, blob: bytes) -> bool:
        """Whether a pack that is there holds a blob: the index alone may be newer than what was restored beside it."""
        place = self._index.find(blob)
        if place is None:
            return False
        if place.pack not in self._there:
            self._there[place.pack] = self._folder.has(place.pack)
        return self._there[place.pack]

    def add_file(
        self, path: str | Path, size: int, *, move: bool = False, dir_fd: int | None = None
    ) -> tuple[bytes, ...]:
        """Add the content of a regular file of `size` bytes; return the ids its bytes are joined from.

        `path` is relative to the open directory `dir_fd` if that is given. With `move` a large file may be taken away
        instead of copied, unless it has another name too. Raises BadOutput if the file cannot be read, or is not
        `size` bytes long, or changes while it is read.
        """
        if not size:
            return ()
        try:
            file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=dir_fd)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO):
                raise BadOutput(f"{os.fspath(path)!r} changed while it was read") from None
            if error.errno == errno.EACCES:
                raise BadOutput(f"{os.fspath(path)!r} cannot be read: {error.strerror}") from None
            raise
        try:
            if size < LARGE:
                # One byte more than there should be tells whether it grew.
                data = os.read(file, size + 1)
                while len(data) < size and (more := os.read(file, size + 1 - len(data))):
                    data += more
                if len(data) != size:
                    raise BadOutput(f"{os.fspath(path)!r} changed while it was read")
                return (self.add(data),)
            return (self._add_large(path, file, size, move, dir_fd),)
        finally:
            os.close(file)

    def peek(self, blob: bytes) -> bytes | None:
        """The bytes of a blob that was added and is not yet where others find it; None for any other."""
        row = self._rows.get(blob)
        if row is None:
            source = self._large.get(blob)
            return None if source is None else source.read_bytes()
        _, start, stored, raw = row
        return unpack(bytes(self._records[start : start + stored]), raw)

    def seal(self) -> list[str]:
        """Make all that was added durable, then visible. Returns the packs written since the last seal."""
        self._write()
        packs, self._packs = self._packs, []
        return packs

    def discard(self) -> None:
        """Forget what was added and not sealed."""
        for source in self._large.values():
            if source is not None:
                source.unlink(missing_ok=True)
        self._large.clear()
        self._rows.clear()
        self._records = bytearray()

    def _write(self) -> None:
        # Large ones first: what names them, a page, may be in the pack. So a page that is there can be believed.
        for blob, source in list(self._large.items()):
            if source is None:
                self._folder.settle(whole_name(blob))
            else:
                self._folder.adopt(whole_name(blob), source)
            del self._large[blob]
        if not self._rows:
            return
        name = pack_name(os.urandom(16))
        rows = list(self._rows.values())
        self._records += footer(rows)
        try:
            self._folder.put(name, self._records)
        except BaseException:
            # A new one: the error's traceback may still look at the old one, which then cannot change its size.
            self._records = self._records[: sum(stored for _, _, stored, _ in rows)]
            raise
        self._index.add(name, rows)
        self._packs.append(name)
        self._rows.clear()
        self._records = bytearray()

    def _add_large(self, path: str | Path, file: int, size: int, move: bool, dir_fd: int | None) -> bytes:
        before = os.fstat(file)
        source = self._folder.aside()
        try:
            ours = before.st_nlink == 1 and before.st_uid == os.geteuid()
            if not (move and ours and _rename(path, source, dir_fd)):
                # The copy is hashed, not the original: whatever happens to that one, the name fits the bytes.
                target = os.open(source, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                try:
                    if not clone(file, target):
                        copy(file, target, size)
                finally:
                    os.close(target)
            blob = hash_file(source)
            after = os.fstat(file)
            sizes = {before.st_size, after.st_size, source.stat().st_size}
            if sizes != {size} or before.st_mtime_ns != after.st_mtime_ns:
                raise BadOutput(f"{os.fspath(path)!r} changed while it was read")
        except BaseException:
            source.unlink(missing_ok=True)
            raise
        self._take(blob, source)
        return blob

    def _take(self, blob: bytes, source: Path) -> None:
        """Keep a finished file for the next seal, unless its bytes are there already."""
        known = blob in self._large
        if known or self._folder.has(whole_name(blob)):
            source.unlink()
            if not known:
                self._large[blob] = None
        else:
            self._large[blob] = source

    def _spill(self, data: bytes) -> Path:
        source = self._folder.aside()
        try:
            source.write_bytes(data)
        except BaseException:
            source.unlink(missing_ok=True)
            raise
        return source


def _rename(path: str | Path, target: Path, dir_fd: int | None) -> bool:
    try:
        os.rename(path, target, src_dir_fd=dir_fd)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        return False
    return True
