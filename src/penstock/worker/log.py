"""The log of a slot: an append-only file; what an attempt prints is one span of it.

Whoever is told that an attempt runs may read on to the end of its file, so the next attempt begins another one.

Attempts do not write the file themselves. They write into a pipe that the slot keeps for all of them and the worker
copies what comes. So `echo > /dev/stderr`, which truncates a log that is a file, cannot harm what others printed; a
task that prints without end fills neither the disk nor our memory; and a silent task costs nothing but one read.
"""

from __future__ import annotations

import os

from penstock.model.wire import LogSpan
from penstock.worker.files import describe

#: Bytes of output kept of one attempt, and how many of them are its last.
CAP = 32 << 20
TAIL = 1 << 20
_READ = 1 << 17


class Log:
    """Takes what attempts print, one attempt after the other. `sink` is for their stdout and stderr."""

    def __init__(self, folder: str, name: str, cap: int = CAP, tail: int = TAIL) -> None:
        self._place, self.name = folder, name
        self._stem, self._files = name.removesuffix(".log"), 1
        self._head, self._tail_size = cap - tail, tail
        self._file = -1  # made with the first byte
        self._size = os.stat(self._path).st_size if os.path.exists(self._path) else 0
        self.source, self.sink = _pipe()
        self.begin()

    @property
    def _path(self) -> str:
        return os.path.join(self._place, self.name)

    def begin(self) -> None:
        """What comes from now on belongs to a new attempt."""
        self.offset = self._size
        self._tail = bytearray()
        self._dropped = 0
        self.trouble = ""  #: why not everything could be kept, for people
        os.set_blocking(self.sink, True)  # the one before may have changed it, for everyone who has this pipe

    def take(self) -> bool:
        """Keep what was printed since; returns whether there was something. Never waits."""
        try:
            chunk = os.read(self.source, _READ)
        except BlockingIOError:
            return False
        room = self._head - (self._size - self.offset)
        if not self._tail and len(chunk) <= room:
            self._write(chunk)
            return True
        if not self._tail:
            self._write(chunk[:room])
            chunk = chunk[room:]
        self._tail += chunk
        # Cut by whole tails, so that bytes are moved once, not at every read.
        if len(self._tail) > 2 * self._tail_size:
            self._dropped += len(self._tail) - self._tail_size
            del self._tail[: -self._tail_size]
        return True

    def end(self, renew: bool, followed: bool = False) -> LogSpan:
        """The span of the attempt that is over. With `renew`, whoever still holds its pipe is cut off; `followed` says
        that it was told to be running.
        """
        for _ in range(64):  # a full pipe is less than that; one that never empties has a writer that outlived it
            if not self.take():
                break
        if self._tail:
            self._dropped += max(0, len(self._tail) - self._tail_size)
            if self._dropped:
                self._write(b"\n[penstock: %d bytes left out here]\n" % self._dropped)
            self._write(bytes(self._tail[-self._tail_size :]))
        if renew:
            os.close(self.source)
            os.close(self.sink)
            self.source, self.sink = _pipe()
        span = LogSpan(self.name, self.offset, self._size - self.offset)
        if followed:
            self._let_go()
            self.name, self._size = f"{self._stem}.{self._files}.log", 0
            self._files += 1
        return span

    def _let_go(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _write(self, chunk: bytes) -> None:
        view = memoryview(chunk)
        try:
            if self._file < 0 and view:
                self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            while view and not self.trouble:
                count = os.write(self._file, view)
                self._size += count
                view = view[count:]
        except OSError as error:
            self.trouble = describe(error, self._place)

    def close(self) -> None:
        """Give back the file and the pipe."""
        self._let_go()
        os.close(self.source)
        os.close(self.sink)


def _pipe() -> tuple[int, int]:
    source, sink = os.pipe()
    os.set_blocking(source, False)
    return source, sink
