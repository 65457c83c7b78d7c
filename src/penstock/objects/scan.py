"""What changed in a directory since it was last stored: one walk beside a flat cache file of what `stat` said.

The cache is 8 bytes of magic and version, then frames, each a FRAME and a body: msgpack `[root, {directory: record}]`
with directories spelled `""` or `a/b/`. The first frame holds all directories, the others what has changed since, nil
for a directory that is gone; what follows the last whole frame does not count. A record is the sorted names of the
files and links right there, joined by slashes, a zero byte, and a STAMP for each. The cache may be lost or damaged any
time: then every file counts as changed.
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, groupby
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from penstock.model.data import EMPTY
from penstock.model.errors import BadOutput, BadPath, Corrupt, NotFound
from penstock.model.paths import check_path
from penstock.objects import tree
from penstock.objects.blobs import Blobs, Pages
from penstock.objects.checkout import read_entry
from penstock.objects.writer import Writer

MAGIC = b"PENSCAN\x03"
#: Bytes of the body; its CRC-32, begun with that of the frame before, so that it counts after that one alone.
FRAME = struct.Struct("<QI")
#: How far behind the clock the time stamps of a file system may be, in nanoseconds; and of one that keeps seconds only.
TICK = 20_000_000
COARSE_TICK = 2_000_000_000
SECOND = 1_000_000_000

#: Size in bytes, time of modification and of change in nanoseconds, inode, mode.
STAMP = struct.Struct("<QqqQI")
CHANGED_AT = struct.Struct("<q")
_told = attrgetter("st_size", "st_mtime_ns", "st_ctime_ns", "st_ino", "st_mode")

#: Directory -> record. Kept as bytes, because a million tuples are 400 MB.
Records = dict[str, bytes]
Stamp = tuple[int, int, int, int, int]
Root = bytes

_decoder = msgspec.msgpack.Decoder(tuple[bytes, dict[str, bytes | None]])
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_KIND, _IS_DIRECTORY = 0o170000, stat.S_IFDIR


def scan(
    directory: Path,
    cache: Path,
    skip: Callable[[str, bool], bool],
    prefix: str = "",
    outside: Callable[[str, str], str] | None = None,
    follow: bool = False,
) -> Scan:
    """Walk a directory and compare it with `cache`, the file that `Scan.commit` wrote for the same prefix.

    `skip(path, is_directory)` says what does not count. `prefix`, empty or ending in a slash, goes before all paths in
    the tree. `outside`: see `read_entry`. With `follow` links count as what they lead to, also out of the directory.
    Reads no file's content. Raises BadOutput if the directory or one below it cannot be read, or a link not followed.
    """
    started = time.time_ns()
    return Scan(directory, cache, prefix, started, _load(cache), _walk(directory, skip, follow), outside, follow)


def root_of(cache: Path) -> Root | None:
    """The root of the tree that a cache stands for; None if it cannot be used."""
    return _load(cache).root


class _Kept(NamedTuple):
    """What a cache says."""

    root: Root | None = None
    records: Records = {}
    size: int = 0  #: how many bytes of it count
    base: int = 0  #: where the second frame begins
    check: int = 0  #: the CRC-32 of the last frame


class Scan:
    """How a directory differs from what its cache stands for. Paths are relative to it."""

    def __init__(
        self,
        directory: Path,
        cache: Path,
        prefix: str,
        started: int,
        kept: _Kept,
        new: Records,
        outside: Callable[[str, str], str] | None = None,
        follow: bool = False,
    ) -> None:
        self._outside = outside
        self._follow = follow
        self._directory = directory
        self._cache = cache
        self._prefix = prefix
        self._started = started
        self._kept = kept
        self._root = kept.root
        self._old = kept.records
        self._new = new
        self._places = _compare(self._old, new)

    def changed(self) -> Iterator[tuple[str, str, Stamp]]:
        """Directory, name and stamp of every file that is new or may have changed.

        Its content may be the same: if it was touched, or was written so shortly before the last scan that its time
        stamps prove nothing.
        """
        for within, places in self._places.items():
            names = _names(self._new[within])
            first = self._new[within].index(0) + 1
            for place in places:
                yield within, names[place], STAMP.unpack_from(self._new[within], first + place * STAMP.size)

    def removed(self) -> Iterator[str]:
        """The path of every file that is gone."""
        for within, record in self._old.items():
            now = self._new.get(within, b"")
            if now != record:
                yield from (within + name for name in {*_names(record)}.difference(_names(now)))

    def commit(self, blobs: Blobs) -> Root:
        """Store what changed, durably; save the cache; return the root of the directory's tree.

        When nothing changed, nothing is written. When the store has lost the tree, all files are read again. Raises
        BadOutput naming what no tree can hold, or what changes while it is read.
        """
        if self._root is None or not _holds(blobs, self._root):
            self._kept, self._root, self._old, self._places = _Kept(), EMPTY, {}, _compare({}, self._new)
        elif self._old == self._new:
            with contextlib.suppress(FileNotFoundError):
                os.utime(self._cache)  # caches that nobody uses any more are removed
            return self._root
        with blobs.writer() as writer:
            gone = ((f"{self._prefix}{path}".encode(errors="surrogateescape"), None) for path in self.removed())
            root = tree.apply(Pages(blobs, writer), self._root, chain(gone, self._read(writer)))
        self._save(root)
        return root

    def _read(self, writer: Writer) -> Iterator[tuple[bytes, bytes]]:
        """Add what changed, as the map has it."""
        top = os.open(self._directory, _OPEN)
        try:
            for within, files in groupby(self.changed(), itemgetter(0)):
                here = _enter(within, top, self._follow)
                try:
                    for _, name, (size, _, _, _, mode) in files:
                        path = within + name
                        key = _key(self._prefix + path)
                        if self._follow:
                            name = os.path.realpath(self._directory / path)
                        try:
                            entry = read_entry(writer, path, name, mode, size, here, outside=self._outside)
                        except BadOutput:  # it may be another one since the walk
                            told = _stat(path, name, here)
                            entry = read_entry(
                                writer, path, name, told.st_mode, told.st_size, here, outside=self._outside
                            )
                        yield key, tree.encode(entry)
                finally:
                    os.close(here)
        finally:
            os.close(top)

    def _save(self, root: Root) -> None:
        """Bring the cache up to date: by one more frame, or anew when the frames have grown as large as the first.

        What changed during the scan or right before gets a stamp that nothing matches.
        """
        limit, coarse = self._started - TICK, self._started - COARSE_TICK
        for within, places in self._places.items():
            record = bytearray(self._new[within])
            first = record.index(0) + 1 + 16
            for at in (first + place * STAMP.size for place in places):
                (when,) = CHANGED_AT.unpack_from(record, at)
                if when >= (limit if when % SECOND else coarse):
                    CHANGED_AT.pack_into(record, at, 0)
            self._new[within] = bytes(record)
        changed: dict[str, bytes | None] = dict.fromkeys(self._old.keys() - self._new.keys())
        changed |= {within: self._new[within] for within in self._places}
        grown = self._kept.size + sum(len(record or b"") for record in changed.values())
        if self._kept.root is None or grown > 2 * self._kept.base:
            self._replace(root)
            return
        # What two scans at once write over each other is the frame of one of them, or does not count.
        with contextlib.suppress(FileNotFoundError), open(self._cache, "r+b") as file:
            file.seek(self._kept.size)
            _write(file, root, changed, self._kept.check)
            file.truncate()

    def _replace(self, root: Root) -> None:
        aside = self._cache.with_name(f"{self._cache.name}.{os.getpid()}-{os.urandom(4).hex()}")
        try:
            with open(aside, "wb") as file:
                file.write(MAGIC)
                _write(file, root, self._new)
            os.replace(aside, self._cache)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise


def _write(file: BinaryIO, root: Root, records: Mapping[str, bytes | None], before: int = 0) -> None:
    """Write one frame; `before` is the check of the frame that it follows."""
    body = msgspec.msgpack.encode((root, records))
    file.write(FRAME.pack(len(body), zlib.crc32(body, before)))
    file.write(body)


def _load(cache: Path) -> _Kept:
    """What a cache says; of one that cannot be used, nothing."""
    kept, records = _Kept(), Records()
    with contextlib.suppress(OSError, struct.error, msgspec.MsgspecError):
        data = memoryview(cache.read_bytes())
        at = len(MAGIC) if data[: len(MAGIC)] == MAGIC else len(data)
        while at < len(data):
            size, check = FRAME.unpack_from(data, at)
            body = data[at + FRAME.size : at + FRAME.size + size]
            if len(body) != size or zlib.crc32(body, kept.check) != check:
                break
            root, changed = _decoder.decode(body)
            for within, record in changed.items():
                if record is None:
                    records.pop(within, None)
                else:
                    records[within] = record
            at += FRAME.size + size
            kept = _Kept(root, records, at, kept.base or at, check)
    return kept


def _walk(directory: Path, skip: Callable[[str, bool], bool], follow: bool) -> Records:
    """The records of all directories, nearly in the order of a tree. One `stat` for each file is what it costs."""
    found: Records = {}
    pending = [""]
    above: dict[str, tuple[tuple[int, int], ...]] = {}  # of directories that were come to through links
    ask, pack = os.stat, STAMP.pack
    while pending:
        within = pending.pop()
        try:
            here = os.open(f"{directory}/{within}", _OPEN | (os.O_NOFOLLOW if within and not follow else 0))
        except OSError as error:
            raise BadOutput(f"{directory}/{within} cannot be read: {error.strerror}") from None
        try:
            names: list[str] = []
            stamps: list[bytes] = []
            below: list[str] = []
            if follow:
                above[within] = _entered(directory, within, here, above)
            for name in sorted(os.listdir(here)):
                try:
                    told = ask(name, dir_fd=here, follow_symlinks=False)
                except FileNotFoundError:
                    continue  # it went since the directory was listed, as if it had never been
                if follow and stat.S_ISLNK(told.st_mode):
                    told = _led(within + name, name, here)
                if told.st_mode & _KIND == _IS_DIRECTORY:
                    if not skip(within + name, True):
                        below.append(f"{within}{name}/")
                elif not skip(within + name, False):
                    names.append(name)
                    stamps.append(pack(*_told(told)))
        finally:
            os.close(here)
        if names:
            found[within] = b"\0".join((os.fsencode("/".join(names)), b"".join(stamps)))
        pending += sorted(below, reverse=True)
    return found


def _led(path: str, name: str, here: int) -> os.stat_result:
    """What a link leads to. Raises BadOutput."""
    try:
        return os.stat(name, dir_fd=here)
    except OSError as error:
        why = "nothing" if isinstance(error, FileNotFoundError) else f"what cannot be read: {error.strerror}"
        raise BadOutput(f"link {path!r} -> {os.readlink(name, dir_fd=here)} leads to {why}") from None


def _entered(
    directory: Path, within: str, here: int, above: Mapping[str, tuple[tuple[int, int], ...]]
) -> tuple[tuple[int, int], ...]:
    """The directories on the way to this one, itself too. Raises BadOutput where a link leads back into one."""
    told = os.fstat(here)
    way = above.get(within[: within.rfind("/", 0, -1) + 1], ()) if within else ()
    if (told.st_dev, told.st_ino) in way:
        raise BadOutput(f"link {within[:-1]!r} leads in a ring: to {os.path.realpath(directory / within)}")
    return (*way, (told.st_dev, told.st_ino))


def _compare(old: Mapping[str, bytes], new: Mapping[str, bytes]) -> dict[str, Sequence[int]]:
    """For each directory that is not as it was: which of its files, by their place in the new record, are not."""
    return {within: _unlike(old.get(within, b""), now) for within, now in new.items() if old.get(within) != now}


def _unlike(old: bytes, new: bytes) -> Sequence[int]:
    names, _, stamps = new.partition(b"\0")
    if not old:
        return range(len(stamps) // STAMP.size)
    old_names, _, old_stamps = old.partition(b"\0")
    if names == old_names:
        return list(_halve(old_stamps, stamps, 0))
    known = dict(zip(old_names.split(b"/"), _rows(old_stamps), strict=True))
    here = zip(names.split(b"/"), _rows(stamps), strict=True)
    return [place for place, (name, row) in enumerate(here) if known.get(name) != row]


def _halve(old: bytes, new: bytes, first: int) -> Iterator[int]:
    """Where two rows of stamps differ: comparing halves and halves of halves is quick where little differs."""
    if old == new:
        return
    count = len(new) // STAMP.size
    if count == 1:
        yield first
        return
    half = count // 2
    cut = half * STAMP.size
    yield from _halve(old[:cut], new[:cut], first)
    yield from _halve(old[cut:], new[cut:], first + half)


def _rows(stamps: bytes) -> Iterator[bytes]:
    return (stamps[at : at + STAMP.size] for at in range(0, len(stamps), STAMP.size))


def _names(record: bytes) -> list[str]:
    return os.fsdecode(record.partition(b"\0")[0]).split("/") if record else []


def _key(path: str) -> bytes:
    try:
        return check_path(path).encode()
    except BadPath as error:
        raise BadOutput(str(error)) from None


def _enter(within: str, top: int, follow: bool = False) -> int:
    try:
        return os.open(within or ".", _OPEN | (0 if follow else os.O_NOFOLLOW), dir_fd=top)
    except (FileNotFoundError, NotADirectoryError):
        raise BadOutput(f"{within!r} went away while the directory was read; run again") from None


def _stat(path: str, name: str, here: int) -> os.stat_result:
    try:
        return os.stat(name, dir_fd=here, follow_symlinks=False)
    except FileNotFoundError:
        raise BadOutput(f"{path!r} went away while the directory was read; run again") from None


def _holds(blobs: Blobs, root: Root) -> bool:
    """Whether a tree is in the store. Its root is written last, so where that is, all is."""
    try:
        return root == EMPTY or bool(blobs.get(root))
    except (NotFound, Corrupt):
        return False
