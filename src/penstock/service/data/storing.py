"""Single files by path, for faces that hand over one file after the other: any number of changes as one commit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from penstock.model.data import Entry
from penstock.model.ids import Reference
from penstock.model.run import Repo
from penstock.objects import tree
from penstock.objects.blobs import Pages
from penstock.service.data.committing import Change, Written, check_writable, measured, write
from penstock.service.parts import Parts


def store(parts: Parts, target: Reference, changes: Mapping[str, Path | Entry | None], message: str = "") -> Written:
    """Set paths to what local files hold or to entries that are stored already, or delete them (None) if they exist.

    One commit on the branch that `target` names; its path is not looked at. Raises Refused for linked and published
    repos, BadPath, Collision.
    """
    existing = parts.store.load(Repo, "repo", name=target.repo)
    check_writable(parts, target.repo, existing[0] if existing else None)
    with parts.objects.writer() as writer:
        entries: dict[str, Entry | None] = {}
        for path, item in changes.items():
            if isinstance(item, Path):
                size = item.stat().st_size
                item = Entry(writer.add_file(item, size), size)
            entries[path] = item

        def edit(pages: Pages, root: bytes) -> Change:
            return measured(pages, root, tree.edit(pages, root, entries))

        return write(parts, target, edit, writer, message)
