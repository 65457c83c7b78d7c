"""The verbs that write versioned data: put and rm. Each write is one atomic commit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from penstock.model.data import EMPTY, Entry
from penstock.model.errors import NotFound, Refused, UsageError
from penstock.model.ids import Reference, check_name
from penstock.model.paths import check_path
from penstock.model.run import Commit, Repo, Run
from penstock.model.spec import DEFAULT_BRANCH
from penstock.objects import checkout, tree
from penstock.objects.blobs import Pages
from penstock.objects.writer import Writer
from penstock.service import resolve
from penstock.service.bindings.ledger import totals
from penstock.service.opening.launch import Draft, commit, ensure_repos
from penstock.service.parts import Parts

#: What a write does to a tree: new entries by path, None to delete.
Edits = dict[str, Entry | None]


class Written(Struct, frozen=True):
    """What a `put` or `rm` did. `run` is what it opened downstream."""

    commit: Commit
    run: Run | None
    made_repo: bool
    changed: int


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
    pages_of = parts.objects.blobs
    with parts.objects.writer() as writer:
        found = _gather(writer, target, sources, contents or [False] * len(sources))

        def edit(pages: Pages, root: bytes) -> Edits:
            edits: Edits = dict(found)
            if append:
                edits = {path: _appended(tree.lookup(pages, root, path), entry) for path, entry in found.items()}
            if mirror:
                prefix = target.path or ""
                edits.update({path: None for path, _ in tree.files(pages, root, prefix) if path not in found})
            return edits

        return write(parts, target, edit, Pages(pages_of, writer), writer, message)


def remove(parts: Parts, target: Reference, *, recursive: bool = False, message: str = "") -> Written:
    """Delete a file, or with `recursive` a directory, in one commit."""
    there = resolve.repo(parts, target.repo)
    check_writable(parts, target.repo, there)
    if target.path is None:
        raise UsageError(f"{target}: say which path to remove, for example {target.repo}:/old.csv")
    path = target.path

    def edit(pages: Pages, root: bytes) -> Edits:
        if path and tree.lookup(pages, root, path) is not None:
            return {path: None}
        below: Edits = {name: None for name, _ in tree.files(pages, root, path)}
        if not below:
            raise NotFound(f"{target}: there is no such file")
        if not recursive:
            raise UsageError(f"{target}: is a directory with {len(below)} files; use -r to remove them all")
        return below

    with parts.objects.writer() as writer:
        return write(parts, target, edit, Pages(parts.objects.blobs, writer), writer, message)


def check_writable(parts: Parts, name: str, there: Repo | None) -> None:
    if there is not None and there.path is not None:
        raise Refused(f"repo {name!r} is linked to {there.path}/: change the files there, `penstock run` commits them")
    for row in parts.store.fetch("publishers"):
        if row["repo"] == name:
            raise Refused(
                f"repo {name!r} is written by step {row['step']!r} ({row['place']}); put into one of its inputs"
            )


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


def write(
    parts: Parts,
    target: Reference,
    edit: Callable[[Pages, bytes], Edits],
    pages: Pages,
    writer: Writer,
    message: str,
) -> Written:
    """Edit the head of a branch and commit. If somebody else commits meanwhile, the edit is made again on theirs."""
    found = parts.store.load(Repo, "repo", name=target.repo)
    name = target.ref or (found[0].default_branch if found else DEFAULT_BRANCH)
    if resolve.is_id(name):
        raise UsageError(f"{target}: a commit cannot be changed; name a branch")
    check_name(target.repo, "repo")
    check_name(name, "branch")
    while True:
        head = resolve.head(parts, target.repo, name)
        root = head.root if head else EMPTY
        edits = edit(pages, root)
        new_root = tree.edit(pages, root, edits)
        files, size = totals(pages, root, new_root, head.files if head else 0, head.size if head else 0)
        writer.seal()
        with parts.store.transaction(durable=True):
            now_head = resolve.head(parts, target.repo, name)
            if (now_head.id if now_head else None) != (head.id if head else None):
                continue
            made = ensure_repos(parts, [target.repo], parts.now())
            draft = Draft(target.repo, name, head.id if head else None, new_root, files, size, "put", message)
            commits, run = commit(parts, [draft], parts.new_id())
        return Written(commits[0], run, bool(made), len(edits))
