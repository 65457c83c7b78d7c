"""Every write as one atomic commit, or one step of an open one: edit a tree, store it, write the row if nobody else did
meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from penstock.model.data import EMPTY
from penstock.model.errors import BadReference, Refused, UsageError
from penstock.model.ids import Reference, check_name
from penstock.model.run import Commit, Repo, Run
from penstock.model.spec import DEFAULT_BRANCH
from penstock.objects import tree
from penstock.objects.blobs import Pages
from penstock.objects.tree import Change as Change
from penstock.objects.writer import Writer
from penstock.service import resolve
from penstock.service.opening.firing import trigger_of
from penstock.service.opening.launch import Draft, commit, ensure_repos
from penstock.service.parts import Parts


class Written(Struct, frozen=True):
    """What a write did. `run` is what it opened downstream; None too while the commit is open."""

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
        raise Refused(
            f"repo {name!r} is linked to {there.path}/: change the files there, then `penstock commit create {name}`"
        )
    for row in parts.store.fetch("publishers"):
        if row["repo"] == name:
            raise Refused(
                f"repo {name!r} is written by step {row['step']!r} ({row['place']}); put into one of its inputs"
            )


def check_branch(parts: Parts, name: str, there: Repo, branch: str) -> None:
    """Raises Refused for the branch of a repo that a directory or a step fills; its other branches are free."""
    if branch == there.default_branch:
        check_writable(parts, name, there)


def open_commit(parts: Parts, repo: str, branch: str) -> Commit | None:
    """The commit that puts to a branch go into until it is finished."""
    found = parts.store.load(Commit, "open_commit", repo=repo, branch=branch)
    return found[0] if found else None


def check_by_hand(parts: Parts, repo: str, branch: str) -> None:
    """Raises Refused for a branch that a trigger moves."""
    trigger = trigger_of(parts, repo, branch)
    if trigger is not None:
        at = f"{repo}@{branch}"
        raise Refused(
            f"{at} follows {repo}@{trigger.watches} by a trigger: change that one, "
            f"or end it with `penstock branch trigger {at} --off`"
        )


def check_movable(parts: Parts, repo: str, branch: str) -> None:
    """Raises Refused for a branch that a trigger moves, or to which a commit is open."""
    check_by_hand(parts, repo, branch)
    there = open_commit(parts, repo, branch)
    if there is not None:
        raise Refused(
            f"{repo}@{branch} has the open commit {there.id}: finish it first with `penstock commit finish`, "
            "or give it up with `penstock commit abandon`"
        )


def write(
    parts: Parts,
    target: Reference,
    edit: Callable[[Pages, bytes], Change],
    writer: Writer,
    message: str,
    origin: str = "put",
) -> Written:
    """Edit the head of a branch and commit; or edit the branch's open commit, if it has one. A target that names an
    open commit by its id means that one and nothing else.

    If somebody else writes there meanwhile, the edit is made again on theirs. Raises Refused if the repo or branch is,
    or has become meanwhile, none that people write to.
    """
    pages = Pages(parts.objects.blobs, writer)
    while True:
        name = _branch_or_open(parts, target)
        _check_free(parts, target.repo, name, origin)
        base = _base(parts, target.repo, name)
        change = edit(pages, base.root if base else EMPTY)
        files = (base.files if base else 0) + change.files
        size = (base.size if base else 0) + change.size
        writer.seal()
        with parts.store.transaction(durable=True):
            if _branch_or_open(parts, target) != name or _base(parts, target.repo, name) != base:
                continue
            _check_free(parts, target.repo, name, origin)
            if base is not None and base.finished is None:
                grown = replace(base, root=change.root, files=files, size=size, message=message or base.message)
                parts.store.update([(base, grown)])
                return Written(grown, None, False, change.changed)
            made = ensure_repos(parts, [target.repo], parts.now())
            draft = Draft(target.repo, name, base.id if base else None, change.root, files, size, origin, message)
            commits, run = commit(parts, [draft], parts.new_id())
        return Written(commits[0], run, bool(made), change.changed)


def _check_free(parts: Parts, repo: str, branch: str, origin: str) -> None:
    if origin != "link":
        there = parts.store.load(Repo, "repo", name=repo)
        check_writable(parts, repo, there[0] if there else None)
    check_by_hand(parts, repo, branch)


def _branch_or_open(parts: Parts, target: Reference) -> str:
    """The branch to write to, also where a reference names its open commit. Raises as `branch_of`."""
    if target.ref is None or not resolve.is_id(target.ref):
        return branch_of(parts, target)
    opened = parts.store.load(Commit, "open_commits")
    fits = [item for item in opened if item.repo == target.repo and item.id.startswith(target.ref)]
    if len(fits) > 1:
        raise BadReference(f"{target} fits several open commits; give more digits")
    return fits[0].branch if fits else branch_of(parts, target)


def branch_of(parts: Parts, target: Reference) -> str:
    """The branch that a reference to write to names. Raises UsageError, BadReference."""
    found = parts.store.load(Repo, "repo", name=target.repo)
    name = target.ref or (found[0].default_branch if found else DEFAULT_BRANCH)
    if resolve.is_id(name):
        raise UsageError(f"{target}: a commit cannot be changed; name a branch, or one that is open")
    check_name(target.repo, "repo")
    return check_name(name, "branch")


def _base(parts: Parts, repo: str, branch: str) -> Commit | None:
    return open_commit(parts, repo, branch) or resolve.head(parts, repo, branch)
