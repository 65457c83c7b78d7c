"""Files out of trees and trees out of files: laying out into a directory, collecting what a directory holds."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from blake3 import blake3

from penstock.model.data import BLAKE3, Entry, show_id
from penstock.model.errors import AlreadyExists, BadOutput, BadPath, Corrupt
from penstock.model.paths import check_path, link_stays_inside
from penstock.objects import tree
from penstock.objects.blobs import Blobs
from penstock.objects.copies import PIECE, clone
from penstock.objects.links import Layout
from penstock.objects.map import Pages
from penstock.objects.writer import LARGE, Writer

#: So many files, or bytes of small ones, are read before they are written.
BATCH = 1024
BATCH_BYTES = 8 << 20
_CANNOT_LINK = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP)

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

#: A file with more bytes of holes than this is not kept: to read them would take hours.
HOLES = 1 << 40


class LeadsOut(BadOutput):
    """A link is absolute or leads out of the directory that is stored."""


def put_file(blobs: Blobs, entry: Entry, destination: Path, *, link: bool = False) -> None:
    """Make a file or link in a directory that exists, in place of a file or link that has the name.

    A large file shares its blocks with the store where the file system can do that; everything else is compared with
    its name on the way. With `link` a large file is the store's own under another name, where the file system can do
    that: read-only, and compared with nothing. Raises Corrupt, NotFound, AlreadyExists for a directory, OSError; then
    no file is left.
    """
    _Places(blobs, None, readonly=False, link=link).put(os.fspath(destination), entry, {})


def lay_out(
    blobs: Blobs,
    pages: Pages,
    root: bytes,
    destination: Path,
    prefix: str = "",
    strip: bool = False,
    readonly: bool = False,
    link: bool = False,
) -> tuple[int, int]:
    """Lay a tree, or what `prefix` (a directory or a file) names in it, into a directory; return (files, bytes).

    Links that lead out of `prefix` are laid out as what they lead to; see `links`. With `strip` the paths begin at
    `prefix`: of a directory its contents, of a file its name. `destination` is made if
    it is not there; what it holds stays, except files whose path is written. No link inside it is followed. With
    `readonly` neither the files nor the directories can be written to. `link` and errors as `put_file`.
    """
    destination.mkdir(parents=True, exist_ok=True)
    top = os.open(destination, _DIRECTORY)
    try:
        made = {""}
        files = size = 0
        places = _Places(blobs, top, readonly, link)
        for batch in _batches(Layout(pages, root, prefix, alone=strip).files()):
            small = blobs.load(blob for _, entry in batch if entry.size < LARGE for blob in entry.blobs)
            for path, entry in batch:
                if strip and prefix:
                    path = path[len(prefix) + 1 :] if path != prefix else path.rpartition("/")[2]
                make_directory(top, path.rpartition("/")[0], made, destination)
                places.put(path, entry, small)
                files += 1
                size += entry.size
        if readonly:
            for directory in made:
                os.chmod(directory or ".", 0o555, dir_fd=top)
        return files, size
    finally:
        os.close(top)


def move(blobs: Blobs, pages: Pages, old: bytes, new: bytes, destination: Path) -> tuple[int, int]:
    """Turn a checkout of one tree, which nobody else touches, into one of another by what differs; return (files,
    bytes) that were written. Errors as `lay_out`; then what is there is neither.
    """
    top = os.open(destination, _DIRECTORY)
    try:
        changes = list(tree.diff(pages, old, new))
        emptied = {""}
        for path, before, after in changes:
            if after is None and before is not None:
                os.unlink(path, dir_fd=top)
                emptied.add(path.rpartition("/")[0])
        _prune(top, emptied - {""})
        made, size = {""}, 0
        places = _Places(blobs, top, readonly=False, link=False)
        written = [(path, entry) for path, _, entry in changes if entry is not None]
        for batch in _batches(iter(written)):
            small = blobs.load(blob for _, entry in batch if entry.size < LARGE for blob in entry.blobs)
            for path, entry in batch:
                make_directory(top, path.rpartition("/")[0], made, destination)
                places.put(path, entry, small)
                size += entry.size
        return len(written), size
    finally:
        os.close(top)


def _prune(top: int, directories: set[str]) -> None:
    """Remove those of some directories that are empty by now, and what is empty above them."""
    for directory in sorted(directories, key=len, reverse=True):
        while directory:
            try:
                os.rmdir(directory, dir_fd=top)
            except (FileNotFoundError, OSError) as error:
                if isinstance(error, FileNotFoundError) or error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                    break
                raise
            directory = directory.rpartition("/")[0]


def collect(writer: Writer, directory: Path, *, move: bool = False) -> list[tuple[str, Entry]]:
    """Add every file below a directory; return (path, entry) sorted by path. Empty directories do not count.

    With `move` large files may be taken away. Raises BadOutput naming what no tree can hold: an impossible name, a link
    that is absolute or leads out, a device, socket or pipe, a file that cannot be read or changes meanwhile.
    """
    try:
        top = os.open(directory, _DIRECTORY | os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
        raise BadOutput(f"{directory} is no directory that can be read: {error.strerror}") from None
    try:
        entries: list[tuple[str, Entry]] = []
        pending = [""]
        while pending:
            _collect(writer, top, pending.pop(), pending, entries, move)
        entries.sort()
        return entries
    finally:
        os.close(top)


def read_entry(
    writer: Writer,
    path: str,
    name: str,
    mode: int,
    size: int,
    here: int,
    *,
    move: bool = False,
    outside: Callable[[str, str], str] | None = None,
) -> Entry:
    """Add one file or link, which `stat` said to be of this mode and size, and return its entry.

    `name` stands in the open directory `here`; `path` is where that is, seen from the top. `outside(path, target)` says
    how a link that leads out is to be kept. Raises BadOutput as `collect`, but leaves it to the caller whether a tree
    may hold the path.
    """
    if stat.S_ISREG(mode):
        blobs = writer.add_file(name, size, move=move, dir_fd=here, called=path)
        return Entry(blobs, size, bool(mode & stat.S_IXUSR))
    if stat.S_ISLNK(mode):
        try:
            target = os.readlink(name, dir_fd=here)
        except OSError:
            raise BadOutput(f"{path!r} changed while it was read") from None
        if outside is not None and not link_stays_inside(path, target):
            target = outside(path, target)
        elif not link_stays_inside(path, target):
            raise LeadsOut(f"link {path!r} leads out: {target!r}; only relative links that stay inside are kept")
        try:
            target.encode()
        except UnicodeEncodeError:
            raise BadOutput(f"link {path!r}: its target {target!r} is not valid UTF-8") from None
        return Entry(target=target)
    raise BadOutput(f"{path!r} is neither a file, a directory nor a link, and cannot be kept")


def _collect(
    writer: Writer, top: int, within: str, pending: list[str], entries: list[tuple[str, Entry]], move: bool
) -> None:
    """Collect one directory, `within` being "" or its path and a slash; what is below it goes to `pending`."""
    try:
        # All above it was seen to be a directory, and nobody is left who could change that.
        here = os.open(_checked(within[:-1]), _DIRECTORY | os.O_NOFOLLOW, dir_fd=top) if within else top
    except PermissionError as error:
        raise BadOutput(str(error)) from None
    try:
        with os.scandir(here) as items:
            for item in items:
                path = within + item.name
                if item.is_dir(follow_symlinks=False):
                    pending.append(f"{path}/")
                else:
                    told = item.stat(follow_symlinks=False)
                    if told.st_size - told.st_blocks * 512 > HOLES:
                        raise BadOutput(f"{path!r} has {told.st_size:,} bytes, nearly all of them holes")
                    entry = read_entry(writer, _checked(path), item.name, told.st_mode, told.st_size, here, move=move)
                    entries.append((path, entry))
    finally:
        if within:
            os.close(here)


def _checked(path: str) -> str:
    try:
        return check_path(path)
    except BadPath as error:
        raise BadOutput(str(error)) from None


def make_directory(top: int, directory: str, made: set[str], destination: Path) -> None:
    """Make a directory below `top` and those above it, and see that each is one: a link would lead elsewhere."""
    missing = []
    while directory not in made:
        missing.append(directory)
        directory = directory.rpartition("/")[0]
    for here in reversed(missing):
        try:
            os.mkdir(here, dir_fd=top)
        except FileExistsError:
            if not stat.S_ISDIR(os.stat(here, dir_fd=top, follow_symlinks=False).st_mode):
                raise AlreadyExists(f"{destination / here} is not a directory; remove it, or choose another") from None
        made.add(here)


def _batches(files: Iterable[tuple[str, Entry]]) -> Iterator[list[tuple[str, Entry]]]:
    """Files in groups whose small ones fit into memory."""
    batch: list[tuple[str, Entry]] = []
    size = 0
    for item in files:
        batch.append(item)
        size += item[1].size if item[1].size < LARGE else 0
        if len(batch) >= BATCH or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    yield batch


class _Places:
    """Where files are made: by their path, below the open directory `top` if there is one."""

    def __init__(self, blobs: Blobs, top: int | None, readonly: bool, link: bool) -> None:
        self._blobs = blobs
        self._top = top
        self._link = link
        self._modes = (0o444, 0o555) if readonly else (0o666, 0o777)

    def put(self, path: str, entry: Entry, known: Mapping[bytes, bytes]) -> None:
        """Make a file in place of a file or link; `known` has the bytes of blobs that were read already."""
        try:
            self._create(path, entry, known)
        except FileExistsError:
            try:
                os.unlink(path, dir_fd=self._top)
            except OSError as error:
                if error.errno not in (errno.EISDIR, errno.EPERM):
                    raise
                raise AlreadyExists(f"{path} is a directory; remove it, or choose another place") from None
            self._create(path, entry, known)

    def _create(self, path: str, entry: Entry, known: Mapping[bytes, bytes]) -> None:
        if entry.target is not None:
            os.symlink(entry.target, path, dir_fd=self._top)
            return
        if self._link and self._linked(path, entry):
            return
        file = os.open(path, _CREATE, self._modes[entry.executable], dir_fd=self._top)
        try:
            if entry.size >= LARGE:
                _pour_large(self._blobs, entry, file)
            else:
                for blob in entry.blobs:
                    _write(file, known[blob] if blob in known else self._blobs.get(blob))
        except BaseException:
            os.unlink(path, dir_fd=self._top)
            raise
        finally:
            os.close(file)

    def _linked(self, path: str, entry: Entry) -> bool:
        """Give the store's own file another name; False where there is none, or none that can be shared."""
        whole = self._blobs.whole(entry.blobs[0]) if len(entry.blobs) == 1 and not entry.executable else None
        if whole is None:
            return False
        try:
            os.link(whole, path, dst_dir_fd=self._top)
        except OSError as error:
            if error.errno not in _CANNOT_LINK:
                raise
            return False
        return True


def _pour_large(blobs: Blobs, entry: Entry, file: int) -> None:
    """Write a file some of whose blobs may be files of their own, never holding one of those in memory."""
    for blob in entry.blobs:
        whole = blobs.whole(blob)
        if whole is None:
            for piece in blobs.stream(blob):
                _write(file, piece)
            continue
        source = os.open(whole, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if len(entry.blobs) == 1 and clone(source, file):
                return
            hasher = blake3()
            while piece := os.read(source, PIECE):
                hasher.update(piece)
                _write(file, piece)
            if BLAKE3 + hasher.digest() != blob:
                raise Corrupt(f"blob {show_id(blob)} in {whole} is damaged: its bytes are not what its name says")
        finally:
            os.close(source)


def _write(file: int, data: bytes) -> None:
    done = os.write(file, data)
    while done < len(data):
        done += os.write(file, memoryview(data)[done:])
