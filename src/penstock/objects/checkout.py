"""Files out of trees and trees out of files: laying out into a directory, collecting what a directory holds."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from blake3 import blake3

from penstock.model.data import BLAKE3, Entry, show_id
from penstock.model.errors import AlreadyExists, BadOutput, BadPath, Corrupt
from penstock.model.paths import check_path, link_stays_inside
from penstock.objects import tree
from penstock.objects.blobs import Blobs
from penstock.objects.copies import PIECE, clone
from penstock.objects.map import Pages
from penstock.objects.writer import LARGE, Writer

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def put_file(blobs: Blobs, entry: Entry, destination: Path) -> None:
    """Make a file or link in a directory that exists, in place of a file or link that has the name.

    A large file shares its blocks with the store where the file system can do that; everything else is compared with
    its name on the way. Raises Corrupt, NotFound, AlreadyExists for a directory, OSError; then no file is left.
    """
    _put(blobs, entry, os.fspath(destination), None, readonly=False)


def lay_out(
    blobs: Blobs,
    pages: Pages,
    root: bytes,
    destination: Path,
    prefix: str = "",
    strip: bool = False,
    readonly: bool = False,
) -> tuple[int, int]:
    """Lay a tree, or what `prefix` (a directory or a file) names in it, into a directory; return (files, bytes).

    With `strip` the paths begin at `prefix`: of a directory its contents, of a file its name. `destination` is made if
    it is not there; what it holds stays, except files whose path is written. No link inside it is followed. With
    `readonly` neither the files nor the directories can be written to. Errors as `put_file`.
    """
    destination.mkdir(parents=True, exist_ok=True)
    top = os.open(destination, _DIRECTORY)
    try:
        made = {""}
        files = size = 0
        for path, entry in tree.files(pages, root, prefix):
            if strip and prefix:
                path = path[len(prefix) + 1 :] if path != prefix else path.rpartition("/")[2]
            _make(top, path.rpartition("/")[0], made, destination)
            _put(blobs, entry, path, top, readonly)
            files += 1
            size += entry.size
        if readonly:
            for directory in made:
                os.chmod(directory or ".", 0o555, dir_fd=top)
        return files, size
    finally:
        os.close(top)


def remove(directory: Path) -> None:
    """Remove a directory with all it holds, a read-only layout too. A link is removed, not followed."""
    if directory.is_symlink():
        directory.unlink()
        return
    pending, found = [os.fspath(directory)], []
    while pending:
        here = pending.pop()
        found.append(here)
        os.chmod(here, 0o700)
        with os.scandir(here) as items:
            for item in items:
                if item.is_dir(follow_symlinks=False):
                    pending.append(item.path)
                else:
                    os.unlink(item)
    for here in reversed(found):
        os.rmdir(here)


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


def read_entry(writer: Writer, path: str, found: os.stat_result, top: int, move: bool) -> Entry:
    """Add one file or link, of which `found` was told, and return its entry. `path` is below the open directory `top`.

    Raises BadOutput as `collect`.
    """
    try:
        check_path(path)
    except BadPath as error:
        raise BadOutput(str(error)) from None
    if stat.S_ISREG(found.st_mode):
        blobs = writer.add_file(path, found.st_size, move=move, dir_fd=top)
        return Entry(blobs, found.st_size, bool(found.st_mode & stat.S_IXUSR))
    if stat.S_ISLNK(found.st_mode):
        target = os.readlink(path, dir_fd=top)
        if not link_stays_inside(path, target):
            raise BadOutput(f"link {path!r} leads out: {target!r}; only relative links that stay inside are kept")
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
    if within:
        # All above it was seen to be a directory, and nobody is left who could change that.
        try:
            check_path(within[:-1])
            here = os.open(within, _DIRECTORY | os.O_NOFOLLOW, dir_fd=top)
        except (BadPath, PermissionError) as error:
            raise BadOutput(str(error)) from None
    else:
        here = top
    try:
        with os.scandir(here) as items:
            for item in items:
                path = within + item.name
                if item.is_dir(follow_symlinks=False):
                    pending.append(f"{path}/")
                else:
                    entries.append((path, read_entry(writer, path, item.stat(follow_symlinks=False), top, move)))
    finally:
        if within:
            os.close(here)


def _make(top: int, directory: str, made: set[str], destination: Path) -> None:
    """Make a directory below `top` and those above it, and see that each is one: a link would lead elsewhere."""
    if directory in made:
        return
    _make(top, directory.rpartition("/")[0], made, destination)
    try:
        os.mkdir(directory, dir_fd=top)
    except FileExistsError:
        if not stat.S_ISDIR(os.stat(directory, dir_fd=top, follow_symlinks=False).st_mode):
            raise AlreadyExists(f"{destination / directory} is not a directory; remove it, or choose another") from None
    made.add(directory)


def _put(blobs: Blobs, entry: Entry, path: str, top: int | None, readonly: bool) -> None:
    try:
        _create(blobs, entry, path, top, readonly)
    except FileExistsError:
        try:
            os.unlink(path, dir_fd=top)
        except OSError as error:
            if error.errno not in (errno.EISDIR, errno.EPERM):
                raise
            raise AlreadyExists(f"{path} is a directory; remove it, or choose another place") from None
        _create(blobs, entry, path, top, readonly)


def _create(blobs: Blobs, entry: Entry, path: str, top: int | None, readonly: bool) -> None:
    if entry.target is not None:
        os.symlink(entry.target, path, dir_fd=top)
        return
    mode = (0o555 if entry.executable else 0o444) if readonly else (0o777 if entry.executable else 0o666)
    file = os.open(path, _CREATE, mode, dir_fd=top)
    try:
        if entry.size >= LARGE:
            _pour_large(blobs, entry, file)
        else:
            for blob in entry.blobs:
                _write(file, blobs.get(blob))
    except BaseException:
        os.unlink(path, dir_fd=top)
        raise
    finally:
        os.close(file)


def _pour_large(blobs: Blobs, entry: Entry, file: int) -> None:
    """Write a file some of whose blobs may be files of their own, never holding one of those in memory."""
    for blob in entry.blobs:
        whole = blobs.whole(blob)
        if whole is None:
            _write(file, blobs.get(blob))
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
