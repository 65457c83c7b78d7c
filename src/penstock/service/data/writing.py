"""The verbs that write versioned data: put and rm. Each write is one atomic commit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from penstock.model.data import Entry
from penstock.model.errors import NotFound, UsageError
from penstock.model.ids import Reference
from penstock.model.paths import check_path
from penstock.model.run import Repo
from penstock.objects import checkout, tree
from penstock.objects.blobs import Pages
from penstock.objects.writer import Writer
from penstock.service import resolve
from penstock.service.data.committing import Change, Written, check_writable, measured, write
from penstock.service.parts import Parts

#: What a write does to a tree: new entries by path, None to delete.
Edits = dict[str, Entry | None]


def put(
    parts: Parts,
    target: Reference,
    sources: Sequence[Path],
    *,
    contents: Sequence[bool] = (),
    mirror: bool = False,
    append: bool = False,
    message: str = "",
) -> Written:
    """Store files and directories in one commit.

    `contents[i]` says whether source i was written with a trailing slash: its contents are meant, not itself. `mirror`
    also deletes what the sources do not have; `append` adds bytes at the end of files that exist.
    """
    existing = parts.store.load(Repo, "repo", name=target.repo)
    check_writable(parts, target.repo, existing[0] if existing else None)
    with parts.objects.writer() as writer:
        found = _gather(writer, target, sources, contents or [False] * len(sources))

        def edit(pages: Pages, root: bytes) -> Change:
            edits: Edits = dict(found)
            if append:
                edits = {path: _appended(tree.lookup(pages, root, path), entry) for path, entry in found.items()}
            if mirror:
                prefix = target.path or ""
                edits.update({path: None for path, _ in tree.files(pages, root, prefix) if path not in found})
            return measured(pages, root, tree.edit(pages, root, edits))

        return write(parts, target, edit, writer, message)


def remove(parts: Parts, target: Reference, *, recursive: bool = False, message: str = "") -> Written:
    """Delete a file, or with `recursive` a directory, in one commit."""
    there = resolve.repo(parts, target.repo)
    check_writable(parts, target.repo, there)
    if target.path is None:
        raise UsageError(f"{target}: say which path to remove, for example {target.repo}:/old.csv")
    path = target.path

    def edit(pages: Pages, root: bytes) -> Change:
        if path and tree.lookup(pages, root, path) is not None:
            return measured(pages, root, tree.edit(pages, root, {path: None}))
        below: Edits = {name: None for name, _ in tree.files(pages, root, path)}
        if not below:
            raise NotFound(f"{target}: there is no such file")
        if not recursive:
            raise UsageError(f"{target}: is a directory with {len(below)} files; use -r to remove them all")
        return measured(pages, root, tree.edit(pages, root, below))

    with parts.objects.writer() as writer:
        return write(parts, target, edit, writer, message)


def _gather(writer: Writer, target: Reference, sources: Sequence[Path], contents: Sequence[bool]) -> dict[str, Entry]:
    """The entries of all sources, by the path they shall have."""
    prefix = f"{target.path}/" if target.path else ""
    found: dict[str, Entry] = {}

    def take(path: str, entry: Entry) -> None:
        if check_path(path) in found:
            raise UsageError(f"two sources have a file for {target.repo}:/{path}; put them into different directories")
        found[path] = entry

    for source, inner in zip(sources, contents, strict=True):
        if source.is_dir():
            below = prefix if inner else f"{prefix}{source.resolve().name}/"
            for path, entry in checkout.collect(writer, source):
                take(below + path, entry)
        elif source.is_file():
            exact = len(sources) == 1 and target.path and not target.directory
            path = target.path if exact and target.path else prefix + source.name
            status = source.stat()
            blobs = writer.add_file(source.resolve(), status.st_size)
            take(path, Entry(blobs, status.st_size, bool(status.st_mode & 0o100)))
        else:
            raise NotFound(f"{source}: no such file or directory")
    return found


def _appended(old: Entry | None, new: Entry) -> Entry:
    if old is None or old.target is not None:
        return new
    return Entry(old.blobs + new.blobs, old.size + new.size, old.executable)
