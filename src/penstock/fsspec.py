"""Penstock as an fsspec file system: `pandas.read_csv("penstock://images@main/x.csv")` in a project's directory.

A URL is `penstock://REPO[@REF]/PATH`; the storage option `project` names another directory. Every call looks at the
head as it is now, an open file stays what it was when it was opened, and `REPO@COMMIT` pins all of them. Nothing is
cached between calls, so that no instance can be stale.

A file opened for writing becomes one commit when it is closed, and none when it is closed by an error. Several files of
one call (`put`, `pipe`, `copy`, `mv`, `rm`), or inside `with fs.transaction:`, become one commit per branch.
"""

from __future__ import annotations

import io
import os
import posixpath
import sys
import tempfile
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fsspec.spec import AbstractFileSystem
from fsspec.transaction import Transaction
from fsspec.utils import stringify_path, tokenize

from penstock.model.data import EMPTY, Entry
from penstock.model.errors import NotFound
from penstock.model.ids import Reference, parse_reference
from penstock.model.paths import check_path
from penstock.model.run import Commit, Repo
from penstock.objects import tree
from penstock.objects.copies import blob_id
from penstock.objects.reader import Reader, Stream
from penstock.service import layout, resolve
from penstock.service.data.storing import store
from penstock.service.parts import Parts

#: How much is read ahead, in bytes, where the caller does not say.
AHEAD = 1 << 17
#: How many links one path may go through.
LINKS = 40

Changes = dict[Reference, dict[str, Path | Entry | None]]


class _Transaction(Transaction):
    def complete(self, commit: bool = True) -> None:
        with self.fs._together():
            super().complete(commit)


class PenstockFileSystem(AbstractFileSystem):
    """The repos of the project in or above a directory, here unless `project` names another. Threads may share it."""

    protocol = "penstock"
    root_marker = ""
    cachable = False
    transaction_type = _Transaction

    def __init__(self, project: str | os.PathLike[str] = ".", **options: Any) -> None:
        super().__init__(**options)
        self.project = os.path.abspath(project)
        self._lock = threading.RLock()
        self._opened: tuple[int, Parts] | None = None
        self._mine = threading.local()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.project,)

    @property
    def _fs_token(self) -> str:
        return str(tokenize(self.protocol, self.project))

    @property
    def fsid(self) -> str:
        return f"penstock-{self._fs_token}"

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(item) for item in path]
        return str(stringify_path(path)).removeprefix("penstock://").strip("/")

    # What is there.

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        path = self._strip_protocol(path)
        if not path:
            return _directory(path)
        with self._looking(path) as at:
            return at.info()

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:
        path = self._strip_protocol(path)
        if path:
            with self._looking(path) as at:
                found = at.children()
        else:
            with self._project() as parts:
                found = [_directory(repo.name) for repo in parts.store.load(Repo, "repos")]
        return found if detail else [item["name"] for item in found]

    def modified(self, path: str) -> datetime:
        """When the commit was made that a path is looked up in."""
        return datetime.fromtimestamp(self.info(path)["mtime"], UTC)

    created = modified

    def ukey(self, path: str) -> str:
        return str(tokenize(self.info(path)))

    # Reading.

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **kwargs: Any) -> bytes:
        reader = self._reader(self._strip_protocol(path))
        return reader.read(*slice(start, end).indices(reader.size)[:2])

    def _open(
        self, path: str, mode: str = "rb", block_size: int | None = None, autocommit: bool = True, **kwargs: Any
    ) -> io.IOBase:
        path = self._strip_protocol(path)
        if mode == "rb":
            return _Download(self, path, self._reader(path), block_size or AHEAD)
        if mode not in ("wb", "xb"):
            raise ValueError(f"mode {mode!r}: a file is read (rb) or written as a whole (wb, xb)")
        if mode == "xb" and self.exists(path):
            raise FileExistsError(path)
        check_path(_split(path)[1])
        return _Upload(self, path, autocommit)

    def _reader(self, path: str) -> Reader:
        with self._looking(path) as at:
            entry = at.entry
            if entry is None:
                raise IsADirectoryError(path)
            return Reader(at.parts.objects.blobs, entry)

    # Writing.

    def cp_file(self, path1: str, path2: str, **kwargs: Any) -> None:
        """Copy by reference: no bytes are moved, also from repo to repo."""
        with self._looking(self._strip_protocol(path1)) as at:
            entry = at.entry
        if entry is not None:
            self._set(path2, entry)

    def rm_file(self, path: str) -> None:
        if self.info(path)["type"] == "directory":
            raise IsADirectoryError(path)
        self._set(path, None)

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        with self._together():
            for item in self.expand_path(path, recursive=recursive, maxdepth=maxdepth):
                if not recursive or self.isfile(item):
                    self.rm_file(item)

    def put(self, *args: Any, **kwargs: Any) -> None:
        with self._together():
            super().put(*args, **kwargs)

    def pipe(self, *args: Any, **kwargs: Any) -> None:
        with self._together():
            super().pipe(*args, **kwargs)

    def copy(self, *args: Any, **kwargs: Any) -> None:
        with self._together():
            super().copy(*args, **kwargs)

    def mv(self, *args: Any, **kwargs: Any) -> None:
        with self._together():
            super().mv(*args, **kwargs)

    def touch(self, path: str, truncate: bool = True, **kwargs: Any) -> None:
        if truncate or not self.exists(path):
            self.pipe_file(path, b"")

    def _set(self, path: str, change: Path | Entry | None) -> None:
        """Write one path, now or together with others of the same call."""
        target, inner = _split(self._strip_protocol(path))
        with self._together() as changes:
            files = changes.setdefault(target, {})
            earlier = files.get(inner)
            files[check_path(inner)] = change
        if isinstance(earlier, Path):
            earlier.unlink()

    @contextmanager
    def _together(self) -> Iterator[Changes]:
        """Gather what this thread writes, and commit it when the outermost block ends well."""
        gathered = getattr(self._mine, "changes", None)
        if gathered is not None:
            yield gathered
            return
        gathered = self._mine.changes = {}
        try:
            yield gathered
            for target, changes in gathered.items():
                with self._project() as parts:
                    store(parts, target, changes)
        finally:
            del self._mine.changes
            for changes in gathered.values():
                for change in changes.values():
                    if isinstance(change, Path):
                        change.unlink()

    # The project.

    @contextmanager
    def _project(self) -> Iterator[Parts]:
        """The open project, for one thread at a time: rows come over one connection."""
        with self._lock:
            if self._opened is None or self._opened[0] != os.getpid():
                # After a fork as well: a connection must not be used on both sides.
                parts = Parts.open(layout.find(Path(self.project)))
                self._opened = os.getpid(), parts
                weakref.finalize(self, _close, *self._opened)
            try:
                yield self._opened[1]
            except NotFound as error:
                raise FileNotFoundError(str(error)) from error

    @contextmanager
    def _looking(self, path: str) -> Iterator[_Place]:
        with self._project() as parts:
            yield _Place(parts, path)


class _Place:
    """A path as it is now: a file (`entry`) or a directory. Links are followed. Raises NotFound."""

    def __init__(self, parts: Parts, path: str) -> None:
        target, inner = _split(path)
        self.parts, self.path = parts, path
        self._pages = parts.objects.pages
        try:
            owner = resolve.holder(parts, target)
            self._root, self._moment = owner.root if isinstance(owner, Commit) else owner.tree, owner.created
        except NotFound:
            # A repo without a commit is an empty directory; if there is no such repo, this says so.
            resolve.repo(parts, target.repo)
            if target.ref is not None:
                raise
            self._root, self._moment = EMPTY, 0
        self._real = self._follow(inner)
        self.entry = self._lookup(self._real)
        if self.entry is None and not tree.is_directory(self._pages, self._root, self._real):
            raise NotFound(f"{path}: there is no such file or directory")

    def info(self) -> dict[str, Any]:
        return self._describe(self.path, self.entry)

    def children(self) -> list[dict[str, Any]]:
        """What stands right below a directory; a file itself."""
        if self.entry is not None:
            return [self.info()]
        found = []
        for name, entry in tree.listing(self._pages, self._root, self._real):
            if entry is not None and entry.target is not None:
                try:
                    found.append(_Place(self.parts, f"{self.path}/{name}").info() | {"islink": True})
                except NotFound:
                    found.append({"name": f"{self.path}/{name}", "size": 0, "type": "other", "islink": True})
            else:
                found.append(self._describe(f"{self.path}/{name}", entry))
        return found

    def _describe(self, name: str, entry: Entry | None) -> dict[str, Any]:
        when = {"mtime": self._moment / 1e6}
        if entry is None:
            return _directory(name) | when
        etag = blob_id(tree.encode(entry)).hex()
        return {"name": name, "size": entry.size, "type": "file", "executable": entry.executable, "etag": etag} | when

    def _lookup(self, path: str) -> Entry | None:
        return tree.lookup(self._pages, self._root, path) if path else None

    def _follow(self, path: str) -> str:
        """The path without links on its way. Raises NotFound where they lead in circles."""
        for _ in range(LINKS):
            for cut in (place for place, char in enumerate(f"{path}/") if char == "/"):
                entry = self._lookup(path[:cut])
                if entry is not None and entry.target is not None:
                    there = posixpath.normpath(posixpath.join(posixpath.dirname(path[:cut]), entry.target))
                    path = path[cut + 1 :] if there == "." else there + path[cut:]
                    break
            else:
                return path
        raise NotFound(f"{self.path}: more than {LINKS} links on the way")


class _Download(io.BufferedReader):
    mode = "rb"

    def __init__(self, fs: PenstockFileSystem, path: str, reader: Reader, ahead: int) -> None:
        super().__init__(Stream(reader), ahead)
        # Whoever keeps the file alone, `fsspec.open(URL).open()`, keeps the project open too.
        self.fs = fs
        self.path, self.size = path, reader.size


class _Upload(io.BufferedIOBase):
    """A local file that becomes a commit when it is closed, unless an error closes it, or nobody does."""

    mode = "wb"

    def __init__(self, fs: PenstockFileSystem, path: str, autocommit: bool) -> None:
        self.path = path
        self._fs, self._autocommit = fs, autocommit
        # What is handled already has nothing to do with this file.
        self._handled = sys.exc_info()[1]
        number, name = tempfile.mkstemp(prefix="penstock-")
        self._file = open(number, "wb")  # noqa: SIM115
        self._name: Path | None = Path(name)

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        return self._file.write(data)

    def tell(self) -> int:
        return self._file.tell()

    def flush(self) -> None:
        """Nothing can be seen before the commit."""

    def close(self) -> None:
        if self.closed:
            return
        super().close()
        self._file.close()
        # The layers above (text, gzip, pandas) close by an error as they do without one: only the interpreter knows.
        error = sys.exc_info()[1]
        if error is not None and error is not self._handled:
            self.discard()
        elif self._autocommit:
            self.commit()

    def commit(self) -> None:
        """Called by a transaction at its end, too."""
        if self._name is not None:
            name, self._name = self._name, None
            self._fs._set(self.path, name)

    def discard(self) -> None:
        if self._name is not None:
            self._name.unlink()
            self._name = None
        self._file.close()

    def __del__(self) -> None:
        self.discard()


def _split(path: str) -> tuple[Reference, str]:
    """`REPO[@REF]/PATH` as its tree and the path in there."""
    first, _, inner = path.partition("/")
    return parse_reference(first), inner


def _directory(name: str) -> dict[str, Any]:
    return {"name": name, "size": 0, "type": "directory"}


def _close(pid: int, parts: Parts) -> None:
    if pid == os.getpid():
        parts.close()
