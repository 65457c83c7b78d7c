"""Files that stay where they are: what there is of them now, and whether that is what there was."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from blake3 import blake3

from penstock.model.glob import compile_glob
from penstock.model.inplace import is_pattern
from penstock.model.spec import InPlace

#: What a file is known by: its size and mtime in nanoseconds, or the hash of its contents. A directory has no size.
State = list[int] | str
_BLOCK = 1 << 20


def states(root: str, files: Iterable[InPlace]) -> dict[str, State]:
    """What there is of some files, by path; `root` is the project. What cannot be looked at is not there."""
    found: dict[str, State] = {}
    for file in files:
        for path in _paths(root, file.path):
            state = _state(os.path.join(root, path), file.hash)
            if state is not None:
                found[path] = state
    return found


def missing(root: str, files: Iterable[InPlace]) -> list[str]:
    """Those of some files that are not there."""
    return [file.path for file in files if not os.path.lexists(os.path.join(root, file.path))]


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What is not as it was, in words."""
    words = {True: "is new", False: "changed"}
    said = [f"file {path} {words[path not in old]}" for path, state in new.items() if old.get(path) != state]
    return said + [f"file {path} is gone" for path in old if path not in new]


def _paths(root: str, pattern: str) -> Iterator[str]:
    if not is_pattern(pattern):
        yield pattern
        return
    above = "/" if pattern.startswith("/") else ""
    glob = compile_glob("/" + pattern.lstrip("/"))
    top = glob.literal_prefix.rpartition("/")[0]
    deep = "**" in pattern
    depth = pattern.lstrip("/").count("/")
    yield from (above + path for path in _walk(above or root, top, depth, deep) if glob.matches(path))


def _walk(root: str, folder: str, depth: int, deep: bool) -> Iterator[str]:
    """Files and directories below a folder, sorted; as deep as a pattern with so many slashes can reach."""
    try:
        with os.scandir(os.path.join(root, folder)) as entries:
            inside = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return
    for entry in inside:
        path = f"{folder}/{entry.name}" if folder else entry.name
        if path == ".penstock":
            continue
        yield path
        if (deep or path.count("/") < depth) and entry.is_dir(follow_symlinks=False):
            yield from _walk(root, path, depth, deep)


def _state(path: str, hashed: bool) -> State | None:
    try:
        seen = os.stat(path)
        if stat.S_ISDIR(seen.st_mode):
            return [0, seen.st_mtime_ns]
        return _hash(path) if hashed and stat.S_ISREG(seen.st_mode) else [seen.st_size, seen.st_mtime_ns]
    except OSError:
        return None


def _hash(path: str) -> str:
    hashed = blake3()
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            hashed.update(block)
    return hashed.hexdigest()
