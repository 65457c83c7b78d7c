"""Which commits touched a path."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from penstock.model.data import EMPTY
from penstock.model.errors import UsageError
from penstock.model.ids import Reference
from penstock.model.run import Commit
from penstock.objects import map as maps
from penstock.objects import tree
from penstock.service import resolve
from penstock.service.parts import Parts


class Touch(Struct, frozen=True):
    """A commit and what it did to a path: added, modified or removed."""

    commit: Commit
    change: str


def find(parts: Parts, target: Reference) -> Iterator[Touch]:
    """The commits before a reference that touched a file, or anything below a directory, newest first.

    Each commit costs a few pages, however much it holds. Raises UsageError, NotFound.
    """
    if not target.path:
        raise UsageError(f"{target}: name a path, for example {target.repo}:/cat.jpg; `penstock log` shows all commits")
    return _touches(parts, resolve.commit(parts, target), target.path)


def _touches(parts: Parts, newest: Commit, path: str) -> Iterator[Touch]:
    later: Commit | None = None
    now = EMPTY
    for commit in resolve.history(parts, newest):
        if commit.forgotten is not None:
            break
        before = now if later is not None and later.root == commit.root else _content(parts, commit.root, path)
        if later is not None and before != now:
            yield Touch(later, "added" if not before else "removed" if not now else "modified")
        later, now = commit, before
    if later is not None and later.parent is None and now:
        yield Touch(later, "added")


def _content(parts: Parts, root: bytes, path: str) -> bytes:
    """What stands at a path, as one value; nothing where nothing does."""
    pages = parts.objects.pages
    return maps.get(pages, root, path.encode()) or tree.identity(pages, root, path)
