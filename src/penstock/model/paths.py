"""What a path inside a tree may be: UTF-8, relative, at most 4096 bytes, no control characters, no `.` or `..`."""

from __future__ import annotations

import unicodedata

from penstock.model.errors import BadPath

MAX_BYTES = 4096


def check_path(path: str) -> str:
    """Return `path` (no leading slash) if a tree may hold it; raise BadPath saying why not.

    >>> check_path("photos/cat.jpg")
    'photos/cat.jpg'
    >>> check_path("a/../b")
    Traceback (most recent call last):
    penstock.model.errors.BadPath: path 'a/../b': '..' is not allowed in a path
    """
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        raise BadPath(f"path {path!r}: not valid UTF-8") from None
    if size > MAX_BYTES:
        raise BadPath(f"path {path[:60]!r}…: {size} bytes, at most {MAX_BYTES} are allowed")
    if not path or path.startswith("/") or path.endswith("/"):
        raise BadPath(f"path {path!r}: expected a relative path of a file")
    if not path.isprintable():
        for char in path:
            if unicodedata.category(char) in ("Cc", "Zl", "Zp"):
                raise BadPath(f"path {path!r}: control character U+{ord(char):04X} is not allowed")
    if "//" in path or ((path[0] == "." or "/." in path) and not {".", ".."}.isdisjoint(path.split("/"))):
        part = next((p for p in path.split("/") if p in ("", ".", "..")), "")
        raise BadPath(f"path {path!r}: {part!r} is not allowed in a path" if part else f"path {path!r}: empty part")
    return path


def link_stays_inside(path: str, target: str) -> bool:
    """Whether a symbolic link at `path` with relative `target` leads to a place inside the tree.

    >>> link_stays_inside("a/b", "../c"), link_stays_inside("a/b", "../../c"), link_stays_inside("a", "/etc")
    (True, False, False)
    """
    if not target or target.startswith("/"):
        return False
    depth = path.count("/")
    for part in target.split("/"):
        depth += -1 if part == ".." else 0 if part in ("", ".") else 1
        if depth < 0:
            return False
    return True


def clean(path: str) -> str:
    """The path a user typed (`/a/b/`, `a/b`, `/`) as trees spell it: no outer slashes, the root is the empty string."""
    inner = path.strip("/")
    return check_path(inner) if inner else ""
