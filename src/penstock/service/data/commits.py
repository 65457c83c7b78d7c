"""Commits that stay open for several puts. Those of one id are a transaction: finished together, one run downstream."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from penstock.model.errors import NotFound, Refused, UsageError
from penstock.model.ids import Reference, parse_reference
from penstock.model.run import Branch, Commit, Repo, Run
from penstock.objects.tree import Change
from penstock.service import resolve
from penstock.service.data.committing import (
    Written,
    branch_of,
    check_movable,
    check_writable,
    measured,
    open_commit,
    write,
)
from penstock.service.opening.freeze import linked_tree
from penstock.service.opening.launch import advance, ensure_repos
from penstock.service.parts import Parts


def start(parts: Parts, targets: Sequence[Reference], message: str = "") -> list[Commit]:
    """Open a commit on each of some branches, all under one id. Missing repos and branches are made.

    Until it is finished, what is put to the branch goes into it, and the branch shows what it showed before. Raises
    Refused for linked and published repos, for branches that a trigger moves, and where a commit is open already.
    """
    names = [(target.repo, branch_of(parts, target)) for target in targets]
    twice = next((repo for place, (repo, _) in enumerate(names) if repo in [name for name, _ in names[:place]]), None)
    if twice is not None:
        raise UsageError(f"repo {twice!r} is named twice; commits that belong together are in different repos")
    with parts.store.transaction(durable=True):
        new_id, now = parts.new_id(), parts.now()
        for repo, branch in names:
            there = parts.store.load(Repo, "repo", name=repo)
            check_writable(parts, repo, there[0] if there else None)
            check_movable(parts, repo, branch)
        ensure_repos(parts, (repo for repo, _ in names), now)
        for repo, branch in names:
            if resolve.branch(parts, repo, branch) is None:
                parts.store.insert([Branch(repo, branch, None, now)])
            parts.store.insert([_opened(resolve.head(parts, repo, branch), repo, branch, new_id, message, now)])
    return members(parts, new_id)


def _opened(head: Commit | None, repo: str, branch: str, new_id: str, message: str, now: int) -> Commit:
    if head is None:
        return Commit(0, new_id, repo, branch, None, None, "put", b"", 0, 0, now, message)
    return Commit(0, new_id, repo, branch, head.id, None, "put", head.root, head.files, head.size, now, message)


def members(parts: Parts, commit_id: str) -> list[Commit]:
    """The open commits of an id, in the order in which they were started."""
    return [item for item in parts.store.load(Commit, "open_commits") if item.id == commit_id]


def named(parts: Parts, text: str) -> list[Commit]:
    """The open commits that belong together, by their id or as REPO[@BRANCH]. Raises NotFound, UsageError."""
    opened = parts.store.load(Commit, "open_commits")
    if "@" in text or parts.store.load(Repo, "repo", name=text):
        target = parse_reference(text)
        there = resolve.repo(parts, target.repo)
        name = target.ref or there.default_branch
        fits = [item for item in opened if item.repo == there.name and (item.branch == name or _begins(item, name))]
        if not fits:
            raise NotFound(f"{there.name}@{name}: no commit is open there; `penstock commit start {text}` opens one")
    else:
        fits = [item for item in opened if _begins(item, text)]
        if not fits:
            raise NotFound(f"there is no open commit {text!r}; `penstock commit list REPO` shows them")
    if len({item.id for item in fits}) > 1:
        raise UsageError(f"{text} fits several open commits; give more digits")
    return members(parts, fits[0].id)


def _begins(item: Commit, text: str) -> bool:
    return resolve.is_id(text) and item.id.startswith(text)


def finish(parts: Parts, text: str) -> tuple[list[Commit], Run | None]:
    """Finish all open commits of an id in one transaction: their branches move to them, and one run opens downstream
    under that id. Raises NotFound; Refused where the branch or repo has become somebody else's meanwhile.
    """
    with parts.store.transaction(durable=True):
        opened, now = named(parts, text), parts.now()
        for item in opened:
            check_writable(parts, item.repo, resolve.repo(parts, item.repo))
            head = resolve.head(parts, item.repo, item.branch)
            if (head.id if head else None) != item.parent:
                raise Refused(
                    f"{item.repo}@{item.branch} was moved since {item.id} was started; "
                    "abandon it with `penstock commit abandon`, and start anew"
                )
        finished = [replace(item, finished=now) for item in opened]
        parts.store.update(zip(opened, finished, strict=True))
        run = advance(parts, {(item.repo, item.branch): item.id for item in opened}, opened[0].id)
    return [replace(item, run=run.id) if run else item for item in finished], run


def abandon(parts: Parts, text: str) -> list[Commit]:
    """Give up all open commits of an id, with what was put into them. Raises NotFound."""
    with parts.store.transaction(durable=True):
        opened = named(parts, text)
        for item in opened:
            parts.store.execute("delete_commit", repo=item.repo, id=item.id)
    return opened


def create(parts: Parts, target: Reference, message: str = "") -> Written:
    """A commit with the tree of the head, or of a linked repo's directory: it opens a run even if nothing changed."""
    there = resolve.repo(parts, target.repo)
    if there.path is not None:
        return _create_linked(parts, target, there, there.path, message)
    check_writable(parts, target.repo, there)
    opened = open_commit(parts, target.repo, branch_of(parts, target))
    if opened is not None:
        raise Refused(f"{target.repo}@{opened.branch} has the open commit {opened.id}: finish that one")
    with parts.objects.writer() as writer:
        return write(parts, target, lambda pages, root: Change(root, 0, 0, 0), writer, message)


def _create_linked(parts: Parts, target: Reference, there: Repo, path: str, message: str) -> Written:
    if branch_of(parts, target) != there.default_branch:
        raise Refused(f"repo {there.name!r} is linked to {path}/: what is there goes to {there.default_branch!r} only")
    with parts.objects.writer() as writer:
        named = (repo for _, spec in parts.pipelines().values() for repo in spec.repos if repo.name == there.name)
        root = linked_tree(parts, there.name, path, any(repo.follow for repo in named))
        return write(parts, target, lambda pages, old: measured(pages, old, root), writer, message, "link")
