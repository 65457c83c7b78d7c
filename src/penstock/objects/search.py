"""Globs over trees: a pattern is followed in the tree's own order, one directory at a time, and nothing is gathered."""

from __future__ import annotations

from collections.abc import Iterator

from penstock.model.data import Entry
from penstock.model.glob import Glob
from penstock.model.globmachine import State
from penstock.objects import tree
from penstock.objects.map import Pages


def matches(pages: Pages, root: bytes, glob: Glob, after: str = "") -> Iterator[tuple[str, Entry | None]]:
    """What a pattern names, as (path, entry), None for a directory.

    In the order of the tree: a directory is spelled with a slash at its end, so that it stands right before what it
    holds. With `after`, a path so spelled, only what comes beyond it. Neither what is before it nor a directory that
    cannot hold a match is read.
    """
    for path, entry in _walk(pages, root, glob, after, inside=True):
        if entry is not None or f"{path}/" > after:
            yield path, entry


def files(pages: Pages, root: bytes, glob: Glob, after: str = "") -> Iterator[tuple[str, Entry]]:
    """The files that a pattern names, and all files below directories that it names, each once, in the same order."""
    for path, entry in named(pages, root, glob, after):
        if entry is not None:
            yield path, entry
        else:
            yield from tree.files(pages, root, path, after)


def named(pages: Pages, root: bytes, glob: Glob, after: str = "") -> Iterator[tuple[str, Entry | None]]:
    """As `matches`, without those below a directory that is one itself."""
    return _walk(pages, root, glob, after, inside=False)


def concerns(glob: Glob, path: str) -> bool:
    """Whether a pattern names a file or a directory above it."""
    state: State | None = glob.start()
    for name in path.split("/"):
        state = glob.after(state, name)
        if state is None or state.accepts:
            return state is not None
        state = glob.after(state, "/")
    return False


def _walk(pages: Pages, root: bytes, glob: Glob, after: str, inside: bool) -> Iterator[tuple[str, Entry | None]]:
    """Files beyond `after`, and directories that are beyond it or hold `after`; `inside`: also look into matches."""
    top = glob.literal_prefix[: glob.literal_prefix.rfind("/") + 1]
    state = glob.after(glob.start(), top)
    ahead = [] if state is None else [(top, state, tree.listing(pages, root, top[:-1], after))]
    while ahead:
        top, state, names = ahead[-1]
        for name, entry in names:
            reached = glob.after(state, name)
            if reached is None:
                continue
            path = top + name
            if reached.accepts:
                yield path, entry
            below = glob.after(reached, "/") if entry is None and (inside or not reached.accepts) else None
            if below is not None:
                ahead.append((f"{path}/", below, tree.listing(pages, root, path, after)))
                break
        else:
            ahead.pop()
