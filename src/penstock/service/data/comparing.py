"""`diff`: how two trees differ, and the lines of two texts."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO

from msgspec import Struct

from penstock.model.data import EMPTY, Entry
from penstock.model.errors import NotFound
from penstock.model.ids import Reference
from penstock.model.run import Commit
from penstock.objects import search, tree
from penstock.objects.map import Pages
from penstock.objects.reader import Reader
from penstock.service import resolve
from penstock.service.data.reading import Found, find, locate
from penstock.service.parts import Parts

#: The text of larger files (bytes), or of files with more lines, is not compared.
LARGEST = 1 << 20
MOST_LINES = 20_000


class Difference(Struct, frozen=True):
    """One line of `diff`: `change` is added, removed or modified."""

    path: str
    change: str
    old_size: int | None
    new_size: int | None


class Changed(Struct, frozen=True):
    """A path and what stands there before and after; None where nothing does."""

    path: str
    before: Entry | None
    after: Entry | None

    @property
    def difference(self) -> Difference:
        before, after = self.before, self.after
        change = "added" if before is None else "removed" if after is None else "modified"
        return Difference(self.path, change, before.size if before else None, after.size if after else None)


class Totals(Struct):
    """What differences add up to; bytes of the files that differ."""

    added: int = 0
    removed: int = 0
    modified: int = 0
    old_size: int = 0
    new_size: int = 0

    def count(self, item: Difference) -> None:
        setattr(self, item.change, getattr(self, item.change) + 1)
        self.old_size += item.old_size or 0
        self.new_size += item.new_size or 0


def diff(parts: Parts, old: bytes, new: bytes) -> Iterator[Difference]:
    """Which files differ between two trees."""
    for path, before, after in tree.diff(parts.objects.pages, old, new):
        yield Changed(path, before, after).difference


def compare(parts: Parts, one: Reference, other: Reference | None = None, after: str = "") -> Iterator[Changed]:
    """How `other` differs from `one`, beyond the path `after`, in order; without it, how `one` does from its parent.

    Each may name a file, a directory or a pattern. A path that only one of them has counts for both, and what both
    share is not read. Two different paths are compared file by file, by the names below them. Raises NotFound.
    """
    pages = parts.objects.pages
    if other is not None and in_two_places(one, other):
        return _by_name(pages, locate(parts, one), locate(parts, other), after)
    roots = _roots(parts, one, other)
    return _in_place(pages, _either(pages, _scope(one, other), roots), roots, after)


def around(parts: Parts, one: Reference, other: Reference | None = None) -> Iterator[Difference]:
    """What `compare` tells, and beside it the directories that hold it, as far up as was looked at, with the bytes of
    all that is in them; in order, a directory before its files. Its path ends in a slash, and is "" for the whole.
    """
    pages = parts.objects.pages
    if other is not None and in_two_places(one, other):
        looked_at = [locate(parts, one), locate(parts, other)]
        sides, top = [(found.root, found.base) for found in looked_at], ""
    else:
        roots = _roots(parts, one, other)
        looked_at = [_either(pages, _scope(one, other), roots)]
        sides, top = [(root, "") for root in roots], looked_at[0].path
    files = [changed.difference for changed in compare(parts, one, other)]
    above = {item.path[: cut + 1] for item in files for cut, char in enumerate(item.path) if char == "/"}
    if files and all(found.glob is None and found.entry is None for found in looked_at):
        for path in (path for path in {"", *above} if path.startswith(f"{top}/" if top else "")):
            old, new = (_size_below(pages, root, f"{base}/{path}".strip("/")) for root, base in sides)
            change = "added" if old is None else "removed" if new is None else "modified"
            files.append(Difference(path, change, old, new))
    return iter(sorted(files, key=lambda item: item.path))


def _size_below(pages: Pages, root: bytes, path: str) -> int | None:
    """The bytes of all files in a directory; None if there is none."""
    if not tree.is_directory(pages, root, path):
        return None
    return sum(entry.size for _, entry in tree.files(pages, root, path))


def in_two_places(one: Reference, other: Reference) -> bool:
    """Whether two different paths are compared, by the names below them."""
    return None not in (one.path, other.path) and one.path != other.path


def _roots(parts: Parts, one: Reference, other: Reference | None) -> tuple[bytes, bytes]:
    if other is not None:
        return resolve.tree_root(parts, one), resolve.tree_root(parts, other)
    commit = resolve.readable(parts, resolve.commit(parts, one))
    return parent_root(parts, commit), commit.root


def _scope(one: Reference, other: Reference | None) -> Reference:
    return Reference(one.repo, one.ref, one.path or (other.path if other else None))


def _either(pages: Pages, source: Reference, roots: tuple[bytes, bytes]) -> Found:
    """What a path names in either of two trees; what exists in one of them is no pattern. Raises NotFound."""
    found: list[Found] = []
    for root in roots:
        try:
            found.append(find(pages, source, root))
        except NotFound:
            if not found and root is roots[-1]:
                raise
    return min(found, key=lambda item: item.glob is not None)


def _in_place(pages: Pages, scope: Found, roots: tuple[bytes, bytes], after: str) -> Iterator[Changed]:
    within = scope.path if scope.glob is None else scope.base
    for path, before, now in tree.diff(pages, *roots, within, after):
        if scope.glob is None or search.concerns(scope.glob, path):
            yield Changed(path, before, now)


def _by_name(pages: Pages, old: Found, new: Found, after: str) -> Iterator[Changed]:
    if old.entry is not None and new.entry is not None:
        if old.entry != new.entry and new.path > after:
            yield Changed(new.path, old.entry, new.entry)
        return
    olds, news = _named(pages, old), _named(pages, new)
    before, now = next(olds, None), next(news, None)
    while before is not None or now is not None:
        path = min(item[0] for item in (before, now) if item is not None)
        was = is_now = None
        if before is not None and before[0] == path:
            was, before = before[1], next(olds, None)
        if now is not None and now[0] == path:
            is_now, now = now[1], next(news, None)
        if was != is_now and path > after:
            yield Changed(path, was, is_now)


def _named(pages: Pages, found: Found) -> Iterator[tuple[str, Entry]]:
    return ((found.inside(path), entry) for path, entry in found.files(pages))


def text(parts: Parts, item: Changed) -> str:
    """A unified diff of two texts; for what is no text, or too large, one line that says so."""
    from difflib import unified_diff

    before, after = (_lines(parts, entry) for entry in (item.before, item.after))
    for side in (before, after):
        if isinstance(side, str):
            return f"{item.path}: {side}\n"
    old = f"a/{item.path}" if item.before else "/dev/null"
    new = f"b/{item.path}" if item.after else "/dev/null"
    lines = unified_diff([*before], [*after], old, new)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _lines(parts: Parts, entry: Entry | None) -> list[str] | str:
    """The lines of a text, or why there are none to compare."""
    if entry is None:
        return []
    if entry.target is not None:
        return [f"link to {entry.target}\n"]
    if entry.size > LARGEST:
        return f"larger than {LARGEST >> 20} MiB, the text is not compared"
    data = Reader(parts.objects.blobs, entry).read(0, entry.size)
    try:
        lines = list(StringIO(data.decode(), newline="\n"))
    except UnicodeDecodeError:
        return "is no text"
    if b"\0" in data:
        return "is no text"
    return lines if len(lines) <= MOST_LINES else f"more than {MOST_LINES:,} lines, the text is not compared"


def parent_root(parts: Parts, of: Commit) -> bytes:
    """The tree a commit followed; the empty one for a first commit."""
    parent = of.parent and resolve.commit_by_id(parts, of.repo, of.parent)
    return resolve.readable(parts, parent).root if parent else EMPTY
