"""What archives hold, member by member, as a stream: nothing is written to a disk under a name that an archive gives.

Tar, plain or compressed (gzip, bzip2, xz, zstd), and zip. The kind is told by the first bytes, not by the name.
"""

from __future__ import annotations

import errno
import io
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from msgspec import Struct

from penstock.model.errors import BadPath, UsageError
from penstock.model.paths import check_path, link_stays_inside
from penstock.objects import tar

if TYPE_CHECKING:
    import lzma

#: Less than this many bytes are never called a bomb.
SMALL = 64 << 20
PIECE = 1 << 20
#: What xz and zstd may ask for in memory, in bytes.
WINDOW = 128 << 20
#: The end record of a zip file lies within this many bytes of its end, and an entry of its directory has at least 46.
ZIP_END, ZIP_ENTRY = 65_557, 46
LONGEST_TARGET = 4095


class Limits(Struct, frozen=True):
    """How much one archive may hold. `ratio` is bytes out per byte in."""

    size: int = 1 << 40
    members: int = 1_000_000
    ratio: int = 200


class Member(Struct, frozen=True):
    """A file with its bytes, to be read before the next is asked for; a link to `target`; or another name of `same`."""

    path: str
    chunks: Iterable[bytes] = ()
    executable: bool = False
    target: str | None = None
    same: str | None = None


def members(file: IO[bytes], said: str, limits: Limits, aside: Callable[[], Path]) -> Iterator[Member]:
    """The members of an archive; directories are passed over.

    A zip file that cannot be sought in is first copied to a fresh path that `aside` gives, and removed at the end.
    Raises UsageError beginning with `said` and naming the member: for what no tree can hold, what leads out, what is
    damaged, and what passes the limits.
    """
    counted = _Counted(file)
    source = io.BufferedReader(counted, PIECE)
    head = source.peek(6)[:6]
    with _readable(said):
        if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
            yield from _zip(source, said, limits, aside)
            return
        meter = _Meter(said, limits, lambda: counted.done)
        stream = _inflated(source, head, said)
        yield from _tar(lambda size: meter.count(_exactly(stream, size)), said, meter)
        # To the end: only then has a compressed stream shown that it is whole.
        while meter.count(stream.read(PIECE)):
            pass


class _Meter:
    """Counts what came out, and says when it is too much."""

    def __init__(self, said: str, limits: Limits, taken: Callable[[], int]) -> None:
        self._said = said
        self._limits = limits
        self._taken = taken
        self._size = self._members = 0

    def count(self, data: bytes) -> bytes:
        self._size += len(data)
        if self._size > self._limits.size:
            raise UsageError(f"{self._said}: holds more than {self._limits.size:,} bytes; see --max-size")
        if self._size > max(SMALL, self._limits.ratio * self._taken()):
            raise UsageError(
                f"{self._said}: grows to more than {self._limits.ratio} times its size, as what shall do harm does; "
                "see --max-ratio"
            )
        return data

    def member(self) -> None:
        self._members += 1
        if self._members > self._limits.members:
            raise UsageError(f"{self._said}: has more than {self._limits.members:,} members; see --max-members")


class _Counted(io.RawIOBase):
    """Counts the bytes that are read of a file."""

    def __init__(self, file: IO[bytes]) -> None:
        self.done = 0
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._file.seekable()

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def readinto(self, buffer: Any, /) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        self.done += len(data)
        return len(data)


def _tar(read: tar.Read, said: str, meter: _Meter) -> Iterator[Member]:
    for header, content in tar.members(read, said):
        meter.member()
        path = _path(_decoded(header.path, said), said)
        if header.kind == "file":
            yield Member(_named(path, said), _guarded(content, said), header.executable)
        elif header.kind == "link":
            yield Member(_named(path, said), target=_target(path, _decoded(header.target, said), said))
        elif header.kind == "hard":
            yield Member(_named(path, said), same=_named(_path(_decoded(header.target, said), said), said))


def _zip(source: io.BufferedReader[_Counted], said: str, limits: Limits, aside: Callable[[], Path]) -> Iterator[Member]:
    import zipfile

    if not source.seekable():
        place = aside()
        try:
            with open(place, "xb+") as copy:
                place.unlink()
                meter = _Meter(said, Limits(limits.size, limits.members, 1), lambda: limits.size)
                while piece := meter.count(source.read(PIECE)):
                    copy.write(piece)
                copy.seek(0)
                yield from _zip(io.BufferedReader(_Counted(copy)), said, limits, aside)
        finally:
            place.unlink(missing_ok=True)
        return
    total = source.seek(0, io.SEEK_END)
    if _directory_bytes(source, total) > limits.members * ZIP_ENTRY * 8:
        raise UsageError(f"{said}: has more than {limits.members:,} members; see --max-members")
    meter = _Meter(said, limits, lambda: total)
    with zipfile.ZipFile(source) as archive:
        for info in archive.infolist():
            meter.member()
            name, kind = info.orig_filename, stat.S_IFMT(info.external_attr >> 16)
            path = _path(name, said)
            if info.flag_bits & 1:
                raise UsageError(f"{said}: member {name!r} is encrypted; unpack it yourself and put the files")
            if info.header_offset + info.compress_size > archive.start_dir:
                raise UsageError(f"{said}: member {name!r} is not as long as it says")
            if info.is_dir():
                continue
            if kind == stat.S_IFLNK:
                with archive.open(info) as content:
                    target = content.read(LONGEST_TARGET + 1)
                yield Member(_named(path, said), target=_target(path, _decoded(target, said), said))
            elif kind in (0, stat.S_IFREG):
                executable = bool(info.external_attr >> 16 & 0o100)
                with archive.open(info) as content:
                    yield Member(
                        _named(path, said), _guarded(_pieces(content, info.file_size, meter), said), executable
                    )
            else:
                raise UsageError(f"{said}: member {name!r} is a device, a pipe or a socket, which no tree can hold")


def _pieces(content: IO[bytes], size: int, meter: _Meter) -> Iterator[bytes]:
    while piece := meter.count(content.read(PIECE)):
        size -= len(piece)
        yield piece
    if size:
        raise EOFError("a member is not as long as it says")


def _guarded(chunks: Iterable[bytes], said: str) -> Iterator[bytes]:
    """They are read elsewhere, so their errors come there."""
    with _readable(said):
        yield from chunks


def _directory_bytes(source: io.BufferedReader[_Counted], total: int) -> int:
    """How long the directory of a zip file says it is: it is read into memory as a whole."""
    source.seek(max(total - ZIP_END - 56, 0))
    tail = source.read()
    source.seek(0)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or at + 22 + int.from_bytes(tail[at + 20 : at + 22], "little") != len(tail):
        raise EOFError("it does not end as a zip file does")
    size = int.from_bytes(tail[at + 12 : at + 16], "little")
    if size == 0xFFFFFFFF and (at := tail.rfind(b"PK\x06\x06")) >= 0:
        size = int.from_bytes(tail[at + 40 : at + 48], "little")
    return min(size, total)


def _inflated(source: io.BufferedReader[_Counted], head: bytes, said: str) -> IO[bytes]:
    """What a compressed stream holds; a plain one as it is."""
    if head.startswith(b"\x1f\x8b"):
        import gzip

        return gzip.GzipFile(fileobj=source)  # type: ignore[return-value]
    if head.startswith(b"BZh"):
        import bz2

        return bz2.BZ2File(source)
    if head.startswith(b"\xfd7zXZ\0"):
        return io.BufferedReader(_Xz(source), PIECE)
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        import zstandard

        return zstandard.ZstdDecompressor(max_window_size=WINDOW).stream_reader(source, read_across_frames=True)
    return source


class _Xz(io.RawIOBase):
    """An xz stream that may not ask for more memory than `WINDOW`."""

    def __init__(self, source: io.BufferedReader[_Counted]) -> None:
        self._source = source
        self._state = self._fresh()

    @staticmethod
    def _fresh() -> lzma.LZMADecompressor:
        import lzma

        return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=WINDOW)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while True:
            rest = b""
            if self._state.eof:  # another stream may follow, after padding
                if not (rest := (self._state.unused_data or self._source.read1(PIECE)).lstrip(b"\0")):
                    return 0
                self._state = self._fresh()
            elif self._state.needs_input and not (rest := self._source.read1(PIECE)):
                raise EOFError("compressed data ends in the middle")
            if data := self._state.decompress(rest, len(buffer)):
                buffer[: len(data)] = data
                return len(data)


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    while len(data) < size and (more := stream.read(size - len(data))):
        data += more
    return data


@contextmanager
def _readable(said: str) -> Iterator[None]:
    """What the libraries say of damaged archives, in our words. A disk's own errors pass."""
    import lzma
    import struct
    import zipfile

    import zstandard

    try:
        yield
    except (
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        zstandard.ZstdError,
        EOFError,
        NotImplementedError,
        RuntimeError,
        struct.error,
        ValueError,
        OverflowError,
    ) as error:
        raise UsageError(f"{said}: is damaged, or of a kind that cannot be read: {error}") from None
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):  # a place that cannot be sought
            raise
        raise UsageError(f"{said}: is damaged: {error}") from None


def _decoded(name: bytes, said: str) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        shown = name.decode(errors="backslashreplace")
        raise UsageError(f"{said}: member {shown[:200]!r}: its name is not valid UTF-8") from None


def _path(name: str, said: str) -> str:
    """The path a name means: without `./` before and slashes behind. Empty for the top."""
    path = name.rstrip("/") or name
    while path.startswith("./"):
        path = path[2:]
    if path in ("", "."):
        return ""
    try:
        return check_path(path)
    except BadPath as error:
        raise UsageError(f"{said}: {error}") from None


def _named(path: str, said: str) -> str:
    if not path:
        raise UsageError(f"{said}: has a file without a name")
    return path


def _target(path: str, target: str, said: str) -> str:
    if len(target.encode()) > LONGEST_TARGET or not target.isprintable():
        raise UsageError(f"{said}: link {path!r}: its target cannot be one")
    if not link_stays_inside(path, target):
        raise UsageError(
            f"{said}: link {path!r} leads out: {target[:200]!r}; only relative links that stay inside are kept"
        )
    return target
