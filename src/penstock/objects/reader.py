"""Ranges of a file's bytes, reading only the blobs they touch."""

from __future__ import annotations

import io
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from penstock.model.data import Entry, show_id
from penstock.model.errors import Corrupt
from penstock.objects.blobs import Blobs
from penstock.objects.copies import PIECE, hash_file
from penstock.objects.writer import LARGE


class Reader:
    """The bytes of one file. A blob is compared with its name before anything of it is given out.

    A large blob is never held in memory: it is compared once, the first time it is touched, and then read piece by
    piece from its file; where the back end has no files, from a copy that lives as long as it is the last one touched.
    Of the small ones the last is kept. Threads take turns.
    """

    def __init__(self, blobs: Blobs, entry: Entry) -> None:
        self.size = entry.size
        self._blobs = blobs
        self._ids = entry.blobs
        self._ends: list[int] = [] if len(entry.blobs) > 1 else [entry.size] * len(entry.blobs)
        self._lock = threading.Lock()
        self._sound: set[bytes] = set()
        self._last: tuple[bytes, bytes | int] = b"", b""
        self._close: Callable[[], object] = bool  # of the open file, once there is one

    def read(self, start: int, stop: int) -> bytes:
        """The bytes [start, stop), or those of them that there are. Raises Corrupt, NotFound."""
        return b"".join(self.pieces(start, stop))

    def pieces(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The same in pieces, none of them larger than 1 MiB."""
        stop = self.size if stop is None else min(stop, self.size)
        at = 0
        for place, blob in enumerate(self._ids):
            if at >= stop:
                return
            end = self._end(place, at)
            if end > start:
                for step in range(max(start - at, 0), min(stop, end) - at, PIECE):
                    yield self._piece(blob, end - at, step, min(stop, end) - at - step)
            at = end

    def _end(self, place: int, at: int) -> int:
        """Where the blob at a place, which begins at byte `at`, ends."""
        with self._lock:
            if place == len(self._ends):
                self._ends.append(at + self._blobs.size(self._ids[place]))
        return self._ends[place]

    def _piece(self, blob: bytes, size: int, start: int, most: int) -> bytes:
        with self._lock:
            source = self._open(blob, size)
            length = min(PIECE, most)
            return source[start : start + length] if isinstance(source, bytes) else _read(source, start, length)

    def _open(self, blob: bytes, size: int) -> bytes | int:
        """A blob that was compared with its name: its bytes, or of a large one an open file."""
        if self._last[0] != blob:
            self._last = blob, self._blobs.get(blob) if size < LARGE else self._open_large(blob)
        return self._last[1]

    def _open_large(self, blob: bytes) -> int:
        whole = self._blobs.whole(blob)
        if whole is None:
            import tempfile  # costs 3 ms, and on a folder nobody needs it

            with tempfile.TemporaryFile(prefix="penstock-") as copy:
                for piece in self._blobs.stream(blob):
                    copy.write(piece)
                copy.flush()
                file = os.dup(copy.fileno())
        else:
            if blob not in self._sound and hash_file(whole) != blob:
                raise Corrupt(f"blob {show_id(blob)} in {whole} is damaged: its bytes are not what its name says")
            self._sound.add(blob)
            file = os.open(whole, os.O_RDONLY | os.O_CLOEXEC)
        self._close()
        self._close = weakref.finalize(self, os.close, file)
        return file


def _read(file: int, start: int, length: int) -> bytes:
    data = os.pread(file, length, start)
    while len(data) < length and (more := os.pread(file, length - len(data), start + len(data))):
        data += more
    return data


class Stream(io.RawIOBase):
    """A file's bytes as a file object to read and seek in; use it in an `io.BufferedReader`."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._reader.size}[whence]
        if start + offset < 0:
            raise ValueError(f"cannot seek to {start + offset}")
        self._at = start + offset
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer).cast("B")
        done = 0
        for piece in self._reader.pieces(self._at, self._at + len(view)):
            view[done : done + len(piece)] = piece
            done += len(piece)
        self._at += done
        return done
