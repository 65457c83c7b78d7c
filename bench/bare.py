"""What disk and processor allow: each verb is the plainest loop that does the work. `bare.py VERB ARGUMENT...`"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable, Iterator

from blake3 import blake3


def files(top: str) -> Iterator[tuple[str, int]]:
    """Every file below a directory and its size, from one walk with `stat`."""
    pending = [top]
    while pending:
        with os.scandir(pending.pop()) as items:
            for item in items:
                if item.is_dir(follow_symlinks=False):
                    pending.append(item.path)
                else:
                    yield item.path, item.stat(follow_symlinks=False).st_size


def walk(top: str) -> None:
    """`stat` every file."""
    for _ in files(top):
        pass


def pack(top: str, target: str) -> None:
    """Read and hash every file, write all of them into one file, sync that, and note who lies where in a database."""
    rows = []
    with open(f"{target}.pack", "wb", buffering=1 << 20) as packed:
        for path, size in files(top):
            file = os.open(path, os.O_RDONLY)
            data = os.read(file, size + 1)
            os.close(file)
            rows.append((path, blake3(data).digest(), packed.tell(), size))
            packed.write(data)
        packed.flush()
        os.fsync(packed.fileno())
    db = sqlite3.connect(f"{target}.db")
    db.execute("pragma journal_mode = wal")
    db.execute("pragma synchronous = full")
    db.execute("create table file (path text primary key, hash blob, start integer, size integer) without rowid")
    db.executemany("insert into file values (?, ?, ?, ?)", sorted(rows))
    db.commit()


def digest(*paths: str) -> None:
    """Hash large files with all cores."""
    for path in paths:
        blake3(max_threads=blake3.AUTO).update_mmap(path).digest()


if __name__ == "__main__":
    verbs: dict[str, Callable[..., None]] = {"walk": walk, "pack": pack, "digest": digest}
    verbs[sys.argv[1]](*sys.argv[2:])
