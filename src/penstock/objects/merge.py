"""Three-way merge: what two sides made of one base, brought together. Only what differs is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from penstock.objects import map as maps
from penstock.objects.map import Pages

#: A key, and its value in the base and on both sides; None where there is no such key.
Three = tuple[bytes, bytes | None, bytes | None, bytes | None]


class Clash(Struct, frozen=True):
    """A path that both sides changed, each in its way; or, with `other`, a file where the other side has a directory.

    `other` is then the path that stands in the way: `path` is theirs, `other` ours.
    """

    path: bytes
    other: bytes | None = None


class Merged(Struct, frozen=True):
    """`root` has all that does not clash, and of what does, the preferred side; ours if none is preferred."""

    root: bytes
    clashes: Sequence[Clash]


def changes(pages: Pages, base: bytes, ours: bytes, theirs: bytes) -> Iterator[Three]:
    """Every key that either side changed, in order: (key, in the base, in ours, in theirs)."""
    left, right = maps.diff(pages, base, ours), maps.diff(pages, base, theirs)
    our, their = next(left, None), next(right, None)
    while our is not None or their is not None:
        if their is None or (our is not None and our[0] < their[0]):
            assert our is not None
            yield our[0], our[1], our[2], our[1]
            our = next(left, None)
        elif our is None or their[0] < our[0]:
            yield their[0], their[1], their[1], their[2]
            their = next(right, None)
        else:
            yield our[0], our[1], our[2], their[2]
            our, their = next(left, None), next(right, None)


def merge(pages: Pages, base: bytes, ours: bytes, theirs: bytes, prefer: str | None = None) -> Merged:
    """Merge two trees that came from `base`. `prefer` (`ours` or `theirs`) says whose change counts in a clash.

    A path clashes if both sides changed it and not to the same, or if it is a file on one side where the other side has
    a directory. Memory follows what theirs changed.
    """
    if ours == base:
        return Merged(theirs, ())
    if theirs in (base, ours):
        return Merged(ours, ())
    clashes: list[Clash] = []
    edits: dict[bytes, bytes | None] = {}
    for key, before, our, their in changes(pages, base, ours, theirs):
        if their in (before, our):
            continue
        if our != before:
            clashes.append(Clash(key))
            if prefer != "theirs":
                continue
        edits[key] = their
    for key in sorted(key for key, value in edits.items() if value is not None):
        for other in list(_in_the_way(pages, ours, edits, key)):
            clashes.append(Clash(key, other))
            if prefer != "theirs":
                del edits[key]
                break
            edits[other] = None
    return Merged(maps.edit(pages, ours, edits.items()), clashes)


def _in_the_way(pages: Pages, ours: bytes, edits: dict[bytes, bytes | None], key: bytes) -> Iterator[bytes]:
    """Files of ours that cannot stand beside a file of theirs: those that are one of its directories, or below it."""
    above = key
    while above := above.rpartition(b"/")[0]:
        if above not in edits and maps.get(pages, ours, above) is not None:
            yield above
    for below, _ in maps.scan(pages, ours, key + b"/", key + b"0"):
        if below not in edits:
            yield below
