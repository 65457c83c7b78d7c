"""The back end on a folder: one file per name, written aside and renamed into place."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from penstock.model.errors import NotFound
from penstock.objects.backend import check_name

#: Unfinished files live here, each named `host-pid-chance`. No name of ours begins with a dot, so none is in the way.
ASIDE = ".tmp"
DAY = 86_400


class Folder:
    """Keeps each name as a read-only file below `root`. A full disk (OSError) leaves nothing behind."""

    def __init__(self, root: Path, *, writable: bool = True) -> None:
        self._root = os.fspath(root)
        self._settled: set[str] = set()
        self._host = os.uname().nodename.replace("-", "_").replace("/", "_")
        if writable:
            os.makedirs(f"{self._root}/{ASIDE}", exist_ok=True)
            self._sweep()

    def put(self, name: str, data: bytes | bytearray) -> None:
        source = self.aside()
        try:
            file = os.open(source, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
            try:
                view, done = memoryview(data), 0
                while done < len(data):
                    done += os.write(file, view[done:])
            finally:
                os.close(file)
            self.adopt(name, source)
        except BaseException:
            source.unlink(missing_ok=True)
            raise

    def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        try:
            file = os.open(self._place(name), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise NotFound(f"{name} is not in {self._root}") from None
        try:
            if start < 0 or length is None:
                size = os.fstat(file).st_size
                start = max(start + size, 0) if start < 0 else start
                length = max(size - start, 0) if length is None else length
            data = os.pread(file, length, start)
            # The system may hand over less than asked for; only nothing at all is the end.
            while len(data) < length and (more := os.pread(file, length - len(data), start + len(data))):
                data += more
            return data
        finally:
            os.close(file)

    def size(self, name: str) -> int:
        try:
            return os.stat(self._place(name)).st_size
        except FileNotFoundError:
            raise NotFound(f"{name} is not in {self._root}") from None

    def has(self, name: str) -> bool:
        return os.path.exists(self._place(name))

    def list(self, prefix: str = "") -> Iterator[str]:
        within = prefix.rpartition("/")[0]
        pending = [within] if not within or os.path.isdir(self._place(within)) else []
        while pending:
            directory = pending.pop()
            with os.scandir(f"{self._root}/{directory}") as found:
                for item in found:
                    name = f"{directory}/{item.name}" if directory else item.name
                    if item.name.startswith("."):
                        continue
                    if item.is_dir():
                        pending.append(name)
                    elif name.startswith(prefix):
                        yield name

    def delete(self, name: str) -> None:
        Path(self._place(name)).unlink(missing_ok=True)

    def path(self, name: str) -> Path | None:
        place = self._place(name)
        return Path(place) if os.path.exists(place) else None

    def aside(self) -> Path:
        """A fresh path on the same file system for a file that `adopt` will take, or that is swept away some day."""
        return Path(f"{self._root}/{ASIDE}/{self._host}-{os.getpid()}-{os.urandom(8).hex()}")

    def adopt(self, name: str, source: Path) -> None:
        """Take a finished file, by renaming it, under a name. On return it survives a power cut."""
        target = self._place(name)
        file = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fchmod(file, 0o444)
            os.fsync(file)
        finally:
            os.close(file)
        self._make(os.path.dirname(target))
        os.rename(source, target)
        self.settle(name)

    def settle(self, name: str) -> None:
        """Make it last that `name` is there: another process may have put it there a moment ago."""
        _sync(os.path.dirname(self._place(name)))

    def _place(self, name: str) -> str:
        check_name(name)
        return f"{self._root}/{name}"

    def _make(self, directory: str) -> None:
        if directory in self._settled or directory == self._root:
            return
        parent = os.path.dirname(directory)
        self._make(parent)
        os.makedirs(directory, exist_ok=True)
        # Also where another process made it: that process may not have come this far.
        _sync(parent)
        self._settled.add(directory)

    def _sweep(self) -> None:
        """Remove what processes that are gone left unfinished; of another host's, what has not changed for a day."""
        with os.scandir(f"{self._root}/{ASIDE}") as found:
            for item in found:
                host, _, rest = item.name.partition("-")
                try:
                    if host == self._host:
                        gone = not _alive(int(rest.partition("-")[0]))
                    else:
                        # Not the time of modification: a file that was moved here keeps its own.
                        gone = item.stat(follow_symlinks=False).st_ctime < time.time() - DAY
                    if gone:
                        os.unlink(item)
                except FileNotFoundError:
                    continue  # another process swept it first
                except ValueError:
                    continue  # not a file of ours


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _sync(directory: str) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
