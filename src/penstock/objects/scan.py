"""What changed in a directory since it was last stored: one walk beside a flat cache file of what `stat` said.

The cache is msgpack `[version, root, {directory: {name: stamp}}]` with directories spelled `""` or `a/b/`. It may be
lost or damaged any time: then every file counts as changed.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from penstock.model.data import EMPTY, Entry
from penstock.model.errors import BadOutput, Corrupt, NotFound
from penstock.objects import tree
from penstock.objects.blobs import Blobs, Pages
from penstock.objects.checkout import read_entry

VERSION = 1
#: How far behind the clock the time stamps of a file system may be, in nanoseconds; and of one that keeps seconds only.
TICK = 20_000_000
COARSE_TICK = 2_000_000_000
SECOND = 1_000_000_000

#: Mode, size in bytes, time of modification and of change in nanoseconds, inode.
Stamp = tuple[int, int, int, int, int]
Stamps = dict[str, dict[str, Stamp]]
Root = bytes

_decoder = msgspec.msgpack.Decoder(tuple[int, bytes, Stamps])
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_KIND, _IS_DIRECTORY = 0o170000, stat.S_IFDIR


def scan(directory: Path, cache: Path, skip: Callable[[str, bool], bool]) -> Scan:
    """Walk a directory and compare it with `cache`, the file that `Scan.commit` wrote.

    `skip(path, is_directory)` says what does not count. Reads no file's content. Raises BadOutput if the directory or
    one below cannot be read.
    """
    started = time.time_ns()
    root, old = _load(cache)
    return Scan(directory, cache, started, root, old, _walk(directory, skip))


class Scan:
    """How a directory differs from what its cache stands for. Paths are relative to it.

    `changed` may name files whose content is the same: those that were touched, or were written so shortly before the
    last scan that their time stamps prove nothing.
    """

    def __init__(self, directory: Path, cache: Path, started: int, root: Root | None, old: Stamps, new: Stamps) -> None:
        self._directory = directory
        self._cache = cache
        self._started = started
        self._root = root
        self._new = new
        self.changed: list[str] = []
        self.removed: list[str] = []
        for within, stamps in new.items():
            known = old.get(within, {})
            if known != stamps:
                self.changed += [within + name for name, stamp in stamps.items() if known.get(name) != stamp]
                self.removed += [within + name for name in known.keys() - stamps.keys()]
        for within in old.keys() - new.keys():
            self.removed += [within + name for name in old[within]]

    @property
    def files(self) -> int:
        """How many files and links there are."""
        return sum(len(stamps) for stamps in self._new.values())

    @property
    def bytes(self) -> int:
        """How many bytes the files hold."""
        return sum(stamp[1] for stamps in self._new.values() for stamp in stamps.values() if stat.S_ISREG(stamp[0]))

    def commit(self, blobs: Blobs) -> Root:
        """Store what changed, durably; save the cache; return the root of the directory's tree.

        When nothing changed, nothing is written. When the store has lost the tree, all files are read again. Raises
        BadOutput naming what no tree can hold, or what changes while it is read.
        """
        kept = self._root is not None and _holds(blobs, self._root)
        if kept and self._root is not None and not self.changed and not self.removed:
            return self._root
        base = self._root if kept and self._root is not None else EMPTY
        paths = self.changed if kept else [within + name for within, stamps in self._new.items() for name in stamps]
        changes: dict[str, Entry | None] = dict.fromkeys(self.removed) if kept else {}
        with blobs.writer() as writer:
            top = os.open(self._directory, _OPEN)
            try:
                for path in paths:
                    changes[path] = read_entry(writer, path, _stat(path, top), top, move=False)
            finally:
                os.close(top)
            root = tree.edit(Pages(blobs, writer), base, changes)
        self._save(root)
        return root

    def _save(self, root: Root) -> None:
        """Replace the cache. What changed during the scan or right before gets a stamp that nothing matches."""
        limit, coarse = self._started - TICK, self._started - COARSE_TICK
        stamps = {
            within: {
                name: stamp if stamp[3] < (limit if stamp[3] % SECOND else coarse) else (*stamp[:3], 0, stamp[4])
                for name, stamp in names.items()
            }
            for within, names in self._new.items()
        }
        aside = self._cache.with_name(f"{self._cache.name}.{os.getpid()}-{os.urandom(4).hex()}")
        try:
            aside.write_bytes(msgspec.msgpack.encode((VERSION, root, stamps)))
            os.replace(aside, self._cache)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise


def _load(cache: Path) -> tuple[bytes | None, Stamps]:
    """Root and stamps of a cache; (None, {}) if it cannot be used."""
    try:
        version, root, stamps = _decoder.decode(cache.read_bytes())
    except (OSError, msgspec.MsgspecError):
        return None, {}
    return (root, stamps) if version == VERSION else (None, {})


def _walk(directory: Path, skip: Callable[[str, bool], bool]) -> Stamps:
    """The stamps of all files and links. One `stat` each is what it costs."""
    found: Stamps = {}
    pending = [""]
    while pending:
        within = pending.pop()
        try:
            here = os.open(f"{directory}/{within}", _OPEN | (os.O_NOFOLLOW if within else 0))
        except OSError as error:
            raise BadOutput(f"{directory}/{within} cannot be read: {error.strerror}") from None
        try:
            stamps: dict[str, Stamp] = {}
            ask = os.stat
            for name in os.listdir(here):
                try:
                    told = ask(name, dir_fd=here, follow_symlinks=False)
                except FileNotFoundError:
                    continue  # it went since the directory was listed, as if it had never been
                mode = told.st_mode
                if mode & _KIND == _IS_DIRECTORY:
                    if not skip(within + name, True):
                        pending.append(f"{within}{name}/")
                elif not skip(within + name, False):
                    stamps[name] = (mode, told.st_size, told.st_mtime_ns, told.st_ctime_ns, told.st_ino)
        finally:
            os.close(here)
        if stamps:
            found[within] = stamps
    return found


def _stat(path: str, top: int) -> os.stat_result:
    try:
        return os.stat(path, dir_fd=top, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        raise BadOutput(f"{path!r} went away while the directory was read; run again") from None


def _holds(blobs: Blobs, root: bytes) -> bool:
    """Whether a tree is in the store. Its root is written last, so where that is, all is."""
    try:
        return root == EMPTY or bool(blobs.get(root))
    except (NotFound, Corrupt):
        return False
