"""The verbs that write versioned data: put and rm. Each write is one atomic commit."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.model.data import EMPTY
from penstock.model.errors import NotFound, UsageError
from penstock.model.ids import Reference
from penstock.model.run import Repo
from penstock.objects import tree
from penstock.objects.blobs import Pages
from penstock.service import resolve
from penstock.service.data.committing import Change, Written, check_writable, write
from penstock.service.data.sources import Taking, gather
from penstock.service.parts import Parts


def put(
    parts: Parts,
    target: Reference,
    sources: Sequence[str],
    *,
    mirror: bool = False,
    append: bool = False,
    message: str = "",
    taking: Taking | None = None,
) -> Written:
    """Store files and directories in one commit; a source that ends in a slash stands for its contents.

    `mirror` also deletes what the sources do not have; `append` adds bytes at the end of files that exist.
    """
    existing = parts.store.load(Repo, "repo", name=target.repo)
    check_writable(parts, target.repo, existing[0] if existing else None)
    with parts.objects.writer() as writer:
        layer = gather(parts, target, sources, writer, taking or Taking())

        def edit(pages: Pages, root: bytes) -> Change:
            return tree.overlay(pages, root, layer, append=append, mirror=target.path or "" if mirror else None)

        return write(parts, target, edit, writer, message)


def remove(parts: Parts, target: Reference, *, recursive: bool = False, message: str = "") -> Written:
    """Delete a file, or with `recursive` a directory, in one commit."""
    there = resolve.repo(parts, target.repo)
    check_writable(parts, target.repo, there)
    if target.path is None:
        raise UsageError(f"{target}: say which path to remove, for example {target.repo}:/old.csv")
    path = target.path

    def edit(pages: Pages, root: bytes) -> Change:
        change = tree.overlay(pages, root, EMPTY, mirror=path)
        if not change.changed:
            raise NotFound(f"{target}: there is no such file")
        if not recursive and tree.lookup(pages, root, path) is None:
            raise UsageError(f"{target}: is a directory with {change.changed} files; use -r to remove them all")
        return change

    with parts.objects.writer() as writer:
        return write(parts, target, edit, writer, message)
