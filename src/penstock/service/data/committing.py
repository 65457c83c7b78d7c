"""Every write as one atomic commit: edit a branch's head, store it, write the row if nobody else did meanwhile."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from penstock.model.data import EMPTY
from penstock.model.errors import Refused, UsageError
from penstock.model.ids import Reference, check_name
from penstock.model.run import Commit, Repo, Run
from penstock.model.spec import DEFAULT_BRANCH
from penstock.objects import tree
from penstock.objects.blobs import Pages
from penstock.objects.writer import Writer
from penstock.service import resolve
from penstock.service.opening.launch import Draft, commit, ensure_repos
from penstock.service.parts import Parts


class Change(Struct, frozen=True):
    """A new tree and how it differs from the one it was made from. `files` and `size` (bytes) are differences."""

    root: bytes
    files: int
    size: int
    changed: int  #: paths written or deleted


class Written(Struct, frozen=True):
    """What a write did. `run` is what it opened downstream."""

    commit: Commit
    run: Run | None
    made_repo: bool
    changed: int


def measured(pages: Pages, old: bytes, new: bytes) -> Change:
    """The change from one tree to another; the cost follows their difference."""
    files = size = changed = 0
    for _, before, after in tree.diff(pages, old, new):
        files += (after is not None) - (before is not None)
        size += (after.size if after else 0) - (before.size if before else 0)
        changed += 1
    return Change(new, files, size, changed)


def check_writable(parts: Parts, name: str, there: Repo | None) -> None:
    """Raises Refused for a repo that a directory or a step fills."""
    if there is not None and there.path is not None:
        raise Refused(f"repo {name!r} is linked to {there.path}/: change the files there, `penstock run` commits them")
    for row in parts.store.fetch("publishers"):
        if row["repo"] == name:
            raise Refused(
                f"repo {name!r} is written by step {row['step']!r} ({row['place']}); put into one of its inputs"
            )


def write(
    parts: Parts,
    target: Reference,
    edit: Callable[[Pages, bytes], Change],
    writer: Writer,
    message: str,
    origin: str = "put",
) -> Written:
    """Edit the head of a branch and commit. If somebody else commits meanwhile, the edit is made again on theirs."""
    found = parts.store.load(Repo, "repo", name=target.repo)
    name = target.ref or (found[0].default_branch if found else DEFAULT_BRANCH)
    if resolve.is_id(name):
        raise UsageError(f"{target}: a commit cannot be changed; name a branch")
    check_name(target.repo, "repo")
    check_name(name, "branch")
    pages = Pages(parts.objects.blobs, writer)
    while True:
        head = resolve.head(parts, target.repo, name)
        change = edit(pages, head.root if head else EMPTY)
        files = (head.files if head else 0) + change.files
        size = (head.size if head else 0) + change.size
        writer.seal()
        with parts.store.transaction(durable=True):
            now_head = resolve.head(parts, target.repo, name)
            if (now_head.id if now_head else None) != (head.id if head else None):
                continue
            made = ensure_repos(parts, [target.repo], parts.now())
            draft = Draft(target.repo, name, head.id if head else None, change.root, files, size, origin, message)
            commits, run = commit(parts, [draft], parts.new_id())
        return Written(commits[0], run, bool(made), change.changed)
