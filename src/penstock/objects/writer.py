"""Writing blobs: small ones gather in packs, large ones become files; nothing shows before it is durable."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from threading import Thread
from types import TracebackType

from blake3 import blake3

from penstock.model.data import BLAKE3
from penstock.model.errors import BadOutput
from penstock.objects.backend import Backend
from penstock.objects.copies import blob_id, clone, copy, hash_file
from penstock.objects.index import Index
from penstock.objects.packs import Row, Squeezer, footer, pack_name, unpack
from penstock.objects.sessions import Sessions

#: From this many bytes on a blob is a file of its own, so that a checkout can share its blocks.
LARGE = 1 << 16
#: A pack is written when its records pass this many bytes; they are held in memory until then.
PACK_BYTES = 16 << 20
#: Or has this many, whatever their size.
PACK_ROWS = 1 << 16
#: So many small blobs, or bytes of them, are gathered before the index is asked which of them it knows.
BATCH = 512
BATCH_BYTES = 1 << 20
#: Large files of so many bytes are brought to the back end while others are still being read.
LARGE_BYTES = 64 << 20
WHOLE = "blobs/"


def whole_name(blob: bytes) -> str:
    """The name of a large blob in the back end."""
    digits = blob[1:].hex()
    return f"{WHOLE}{digits[:2]}/{digits}"


class _Load:
    """What goes to the back end together: large files, and the records of one pack."""

    def __init__(self, large: dict[bytes, Path | None] | None = None) -> None:
        self.large = large or {}  # None: it is there already
        self.large_bytes = 0
        self.records = bytearray()
        self.rows: dict[bytes, Row] = {}
        self.there = False


class Writer:
    """Adds blobs. Used by one thread; any number of writers work at once.

    What was added is readable by others, and survives a power cut, once `seal` returned. Leaving the context seals; an
    exception discards. A full disk surfaces as OSError. Until the context is left, nothing that was added or found to
    be there can be collected as garbage.
    """

    def __init__(self, backend: Backend, index: Index, sessions: Sessions) -> None:
        self._backend = backend
        self._index = index
        self._sessions = sessions
        self._session = -1
        self._there: dict[str, bool] = {}  # pack -> whether its file is there
        self._squeezer = Squeezer()
        self._fresh: dict[bytes, bytes] = {}  # small blobs of which the index has not been asked
        self._fresh_bytes = 0
        self._load = _Load()  # what is being gathered
        self._sent = _Load()  # what a thread of its own brings to the back end meanwhile
        self._carrier: Thread | None = None
        self._packs: list[str] = []

    def __enter__(self) -> Writer:
        self._session = self._sessions.begin()
        self._index.renew()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.seal()
        finally:
            self.discard()
            os.close(self._session)

    def add(self, data: bytes) -> bytes:
        """Add some bytes, return their id."""
        blob = blob_id(data)
        if len(data) >= LARGE:
            if blob not in self._load.large:
                self._take(blob, self._spill(data), len(data))
        elif blob not in self._load.rows and blob not in self._sent.rows and blob not in self._fresh:
            self._fresh[blob] = data
            self._fresh_bytes += len(data)
            if len(self._fresh) >= BATCH or self._fresh_bytes >= BATCH_BYTES:
                self._sift()
                if len(self._load.records) >= PACK_BYTES or len(self._load.rows) >= PACK_ROWS:
                    self._send(self._load)
                    self._load = _Load()
        return blob

    def _sift(self) -> None:
        """Make records of those small blobs that no pack has."""
        known = self._index.places(self._fresh)
        rows, records = self._load.rows, self._load.records
        for blob, data in self._fresh.items():
            if blob not in known or not self._has(known[blob].pack):
                stored = self._squeezer.squeeze(data)
                rows[blob] = (blob, len(records), len(stored), len(data))
                records += stored
        self._fresh.clear()
        self._fresh_bytes = 0

    def _has(self, pack: str) -> bool:
        """Whether a pack is there: the index may be newer than what was restored beside it."""
        if pack not in self._there:
            # Asked first: what a collection that died has deleted stays condemned, so that the next one clears it up.
            self._there[pack] = self._backend.has(pack) and self._kept(pack)
        return self._there[pack]

    def _kept(self, name: str) -> bool:
        """Whether a pack or a large blob is there, and stays."""
        self._index.spare(name)
        return self._backend.has(name)

    def add_file(
        self, path: str | Path, size: int, *, move: bool = False, dir_fd: int | None = None, called: str = ""
    ) -> tuple[bytes, ...]:
        """Add the content of a regular file of `size` bytes; return the ids its bytes are joined from.

        `path` is relative to the open directory `dir_fd` if that is given; errors say `called` for it. With `move` a
        large file may be taken away instead of copied, unless it has another name too. Raises BadOutput if the file
        cannot be read, or is not `size` bytes long, or changes while it is read.
        """
        called = called or os.fspath(path)
        if not size:
            return ()
        try:
            file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=dir_fd)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO):
                raise BadOutput(f"{called!r} changed while it was read") from None
            if error.errno == errno.EACCES:
                raise BadOutput(f"{called!r} cannot be read: {error.strerror}") from None
            raise
        try:
            if size < LARGE:
                # One byte more than there should be tells whether it grew.
                data = os.read(file, size + 1)
                while len(data) < size and (more := os.read(file, size + 1 - len(data))):
                    data += more
                if len(data) != size:
                    raise BadOutput(f"{called!r} changed while it was read")
                return (self.add(data),)
            return (self._add_large(path, file, size, move, dir_fd, called),)
        finally:
            os.close(file)

    def add_stream(self, chunks: Iterable[bytes]) -> tuple[tuple[bytes, ...], int]:
        """Add what comes in pieces, of which one is held at a time; return the ids it is joined from and its bytes.

        What `chunks` raises passes, and nothing is left.
        """
        head, rest = bytearray(), iter(chunks)
        for chunk in rest:
            head += chunk
            if len(head) >= LARGE:
                return self._add_poured(head, rest)
        return ((self.add(bytes(head)),) if head else ()), len(head)

    def _add_poured(self, head: bytearray, rest: Iterator[bytes]) -> tuple[tuple[bytes, ...], int]:
        source = self._backend.aside()
        hasher, size = blake3(max_threads=1), 0
        try:
            with open(source, "xb", buffering=0) as file:
                for chunk in chain((bytes(head),), rest):
                    hasher.update(chunk)
                    view = memoryview(chunk)
                    while view:
                        view = view[file.write(view) :]
                    size += len(chunk)
        except BaseException:
            source.unlink(missing_ok=True)
            raise
        blob = BLAKE3 + hasher.digest()
        self._take(blob, source, size)
        return (blob,), size

    def peek(self, blob: bytes) -> bytes | None:
        """The bytes of a blob that was added and is not yet where others find it; None for any other."""
        if blob in self._fresh:
            return self._fresh[blob]
        if blob in self._sent.large:
            self._land()
        for load in (self._load, self._sent):
            if blob in load.rows:
                _, start, stored, raw = load.rows[blob]
                return unpack(bytes(load.records[start : start + stored]), raw)
        source = self._load.large.get(blob)
        return None if source is None else source.read_bytes()

    def seal(self) -> list[str]:
        """Make all that was added durable, then visible. Returns the packs written since the last seal."""
        self._sift()
        self._land()
        self._store(self._load)
        self._load = _Load()
        packs, self._packs = self._packs, []
        return packs

    def discard(self) -> None:
        """Forget what was added and not sealed."""
        if self._carrier is not None:
            self._carrier.join()
            self._carrier = None
        for load in (self._sent, self._load):
            for source in load.large.values():
                if source is not None:
                    source.unlink(missing_ok=True)
        self._sent, self._load = _Load(), _Load()
        self._fresh.clear()
        self._fresh_bytes = 0

    def _send(self, load: _Load) -> None:
        """Let a thread bring a load to the back end: the disk's time and the processor's pass side by side."""
        self._land()
        self._sent = load
        self._carrier = Thread(target=self._carry, args=(load,), name="penstock-carrier")
        self._carrier.start()

    def _carry(self, load: _Load) -> None:
        try:
            self._store(load)
        except Exception:
            return  # whoever waits for it tries again, and hears what is wrong

    def _land(self) -> None:
        """Wait until what was sent is there."""
        if self._carrier is not None:
            self._carrier.join()
            self._carrier = None
        if not self._sent.there:
            self._store(self._sent)
        self._sent = _Load()

    def _store(self, load: _Load) -> None:
        """Bring a load to the back end; where that failed before, what is left of it."""
        # Large ones first: what names them, a page, may be in the pack. So a page that is there can be believed.
        for blob, source in load.large.items():
            if source is None:
                self._backend.settle(whole_name(blob))
            else:
                self._backend.adopt(whole_name(blob), source)
                load.large[blob] = None
        if load.rows:
            name, rows = pack_name(os.urandom(16)), [load.rows[blob] for blob in sorted(load.rows)]
            self._backend.put(name, load.records + footer(load.records, rows))
            self._index.add(name, rows)
            self._packs.append(name)
        load.there = True

    def _add_large(self, path: str | Path, file: int, size: int, move: bool, dir_fd: int | None, called: str) -> bytes:
        before = os.fstat(file)
        source = self._backend.aside()
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
                raise BadOutput(f"{called!r} changed while it was read")
        except BaseException:
            source.unlink(missing_ok=True)
            raise
        self._take(blob, source, size)
        return blob

    def _take(self, blob: bytes, source: Path, size: int) -> None:
        """Keep a finished file of so many bytes for the back end, unless it is there already."""
        known = blob in self._load.large or blob in self._sent.large
        if known or self._kept(whole_name(blob)):
            source.unlink()
            if not known:
                self._load.large[blob] = None
            return
        self._load.large[blob] = source
        self._load.large_bytes += size
        if self._load.large_bytes >= LARGE_BYTES:
            self._send(_Load(self._load.large))
            self._load.large, self._load.large_bytes = {}, 0

    def _spill(self, data: bytes) -> Path:
        source = self._backend.aside()
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
