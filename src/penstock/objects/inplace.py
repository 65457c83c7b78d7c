"""What there is of files in place: looked at by the engine for all tasks of a job, and by workers around each attempt.

A small file, or one that asks for it, is known by its contents, every other by size, mtime and inode of what it leads
to. Contents are read again only when the stamp of a file is another one, or was too young to prove anything.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from pathlib import Path

import msgspec
from blake3 import blake3

from penstock.model.fingerprint import digest
from penstock.model.glob import compile_glob
from penstock.model.inplace import State, States, is_pattern
from penstock.model.spec import InPlace
from penstock.objects.scan import COARSE_TICK, SECOND, TICK

#: Files up to so many bytes are known by their contents.
SMALL = 1 << 20
_BLOCK = 1 << 20
_OWN = ".penstock"

#: Size, mtime and ctime in nanoseconds, inode.
Stamp = tuple[int, int, int, int]
_decoder = msgspec.msgpack.Decoder(dict[str, tuple[Stamp, str]])


class Contents:
    """The hashes of files as they were read last, by path and stamp. `kept` is a file that remembers them; it may be
    lost or damaged any time: then contents are read again.
    """

    def __init__(self, kept: Path | None = None) -> None:
        self._kept = kept
        self._known: dict[str, tuple[Stamp, str]] = {}
        self._seen: dict[str, tuple[Stamp, str]] = {}
        if kept is not None:
            with contextlib.suppress(OSError, msgspec.MsgspecError):
                self._known = _decoder.decode(kept.read_bytes())

    def hash(self, path: str, seen: os.stat_result) -> str:
        """The hash of a file that is as `seen`. Raises OSError if it cannot be read."""
        stamp = (seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino)
        known = self._seen.get(path) or self._known.get(path)
        if known is None or known[0] != stamp:
            began = time.time_ns()
            known = stamp, _hash(path, seen.st_size)
            if _is_young(seen, began):
                self._seen.pop(path, None)
                return known[1]
        self._seen[path] = known
        return known[1]

    def save(self) -> None:
        """Keep what was seen, and nothing else. What cannot be kept is read again."""
        if self._kept is None or self._seen == self._known:
            return
        aside = self._kept.with_name(f"{self._kept.name}.{os.getpid()}")
        with contextlib.suppress(OSError):
            aside.write_bytes(msgspec.msgpack.encode({_text(path): known for path, known in self._seen.items()}))
            os.replace(aside, self._kept)


class Look:
    """One look at files in place below `root`, the project. `without`: paths there that do not count, as the step that
    looks makes them itself.
    """

    def __init__(self, root: str, contents: Contents, without: Iterable[str] = ()) -> None:
        self._root = os.path.realpath(root)
        self._contents = contents
        self._own = without

    def states(self, file: InPlace) -> States:
        """What there is of a file, of all that a pattern names, by path. What cannot be looked at is not there."""
        found: States = {}
        for path in self.paths(file.path):
            full = os.path.join(self._root, path)
            if not self._without or _place(full) not in self._without:
                state = self._state(full, file.hash)
                if state is not None:
                    found[_text(path)] = state
        return found

    def state(self, path: str, hashed: bool = False) -> State | None:
        """What there is of one path, even if it does not count otherwise; None if nothing is there."""
        return self._state(os.path.join(self._root, path), hashed)

    @cached_property
    def _without(self) -> Collection[str]:
        """Where these lie, whatever links lead there."""
        folders: dict[str, str] = {}
        found = set()
        for path in self._own:
            folder, _, name = os.path.join(self._root, path).rpartition("/")
            if folder not in folders:
                folders[folder] = os.path.realpath(folder)
            found.add(f"{folders[folder].rstrip('/')}/{name}")
        return found

    def _state(self, path: str, hashed: bool) -> State | None:
        try:
            seen = os.stat(path)
        except OSError:
            return None
        if stat.S_ISDIR(seen.st_mode):
            return "directory " + digest("directory/1", list(self._below(path, hashed))).hex()
        if not stat.S_ISREG(seen.st_mode):
            return "no regular file"
        if hashed or seen.st_size <= SMALL:
            with contextlib.suppress(OSError):
                return self._contents.hash(path, seen)
        return [seen.st_size, seen.st_mtime_ns, seen.st_ino]

    def _below(self, top: str, hashed: bool) -> Iterator[tuple[str, State]]:
        """The names below a directory that count, and what there is of each; of a directory, that it is one."""
        for path, entry, folder in walk(top, self._without):
            if folder:
                yield path, "directory"
                continue
            state = self._state(entry, hashed)
            yield path, state or _leads(entry)

    def paths(self, pattern: str) -> Iterator[str]:
        """All that a pattern names; a path that is none, whether it is there or not."""
        if not is_pattern(pattern):
            yield pattern
            return
        above = "/" if pattern.startswith("/") else ""
        glob = compile_glob("/" + pattern.lstrip("/"))
        top = glob.literal_prefix.rpartition("/")[0]
        depth = None if "**" in pattern else pattern.lstrip("/").count("/") - (top.count("/") + 1 if top else 0)
        for below, _, _ in walk(os.path.join(above or self._root, top), self._without, depth):
            path = f"{top}/{below}" if top else below
            if glob.matches(path):
                yield above + path


def walk(top: str, without: Collection[str] = (), depth: int | None = None) -> Iterator[tuple[str, str, bool]]:
    """All below a directory, sorted: (path from there, whole path, whether it is a directory). At most `depth` levels
    below the first; links to directories are gone through, until they lead back. `without`: what is left out, by where
    it lies. What cannot be read has nothing below it.
    """
    real = os.path.realpath(top)
    todo: list[tuple[str, str, str, tuple[str, ...], int]] = [("", top, real, (), 0)]
    while todo:
        below, folder, real, before, level = todo.pop()
        try:
            with os.scandir(folder) as entries:
                inside = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            continue
        inner = []
        for entry in inside:
            if entry.name == _OWN or f"{real.rstrip('/')}/{entry.name}" in without:
                continue
            path = below + entry.name
            is_folder = _is_folder(entry)
            yield path, entry.path, is_folder
            if is_folder and (depth is None or level < depth):
                there, chain = f"{real.rstrip('/')}/{entry.name}", before
                if entry.is_symlink():
                    there, chain = os.path.realpath(entry.path), (*before, real)
                    if any(_is_in(place, there) for place in chain):
                        continue
                inner.append((f"{path}/", entry.path, there, chain, level + 1))
        todo += reversed(inner)


def _leads(path: str) -> str:
    """Where a link leads that leads nowhere; a word for all else that cannot be looked at."""
    try:
        return os.readlink(path)
    except OSError:
        return "unreadable"


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_in(place: str, folder: str) -> bool:
    return place == folder or place.startswith(folder.rstrip("/") + "/")


def _place(path: str) -> str:
    """Where the last name of a path lies, whatever links lead there."""
    folder, _, name = path.rpartition("/")
    return f"{os.path.realpath(folder or '/').rstrip('/')}/{name}"


def _text(path: str) -> str:
    """A path that can be written down, whatever bytes it has."""
    return path if path.isascii() else os.fsencode(path).decode(errors="backslashreplace")


def _hash(path: str, size: int) -> str:
    hashed = blake3()
    if size:  # the system's own files say 0, and some never end
        with open(path, "rb") as file:
            while block := file.read(_BLOCK):
                hashed.update(block)
    return hashed.hexdigest()


def _is_young(seen: os.stat_result, now: int) -> bool:
    """Whether a file changed so shortly ago that another change might leave the same stamp."""
    when = seen.st_ctime_ns
    return when >= now - (TICK if when % SECOND else COARSE_TICK)
