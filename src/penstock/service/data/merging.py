"""Bringing what changed on one branch into another one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from msgspec import Struct

from penstock.model.data import EMPTY
from penstock.model.errors import Refused, UsageError
from penstock.model.ids import Reference
from penstock.model.run import Commit, Run
from penstock.objects.blobs import Pages
from penstock.objects.merge import Clash
from penstock.objects.merge import merge as merge_trees
from penstock.service import resolve
from penstock.service.data.branches import check_head
from penstock.service.data.committing import branch_of, check_movable, check_writable, measured
from penstock.service.opening.launch import Draft, advance, commit
from penstock.service.parts import Parts

#: How many paths a refusal names.
FEW = 5


class MergedBranch(Struct, frozen=True):
    """What a merge did: `nothing` (it was there already), moved the branch `forward` to the other's commit, or made a
    `merge` commit. `commit` is where the branch `into` points now.
    """

    how: str
    into: str
    commit: Commit
    run: Run | None
    changed: int


def merge(
    parts: Parts, source: Reference, into: str | None = None, prefer: str | None = None, message: str = ""
) -> MergedBranch:
    """Merge a branch or commit of a repo into one of its branches (None: the default one), in one commit.

    What both sides come from is the newest commit in both their histories. `prefer` (`ours` is the branch that takes
    it in, or `theirs`) decides where both changed one path; without it that is refused, and nothing is written.
    """
    if prefer not in (None, "ours", "theirs"):
        raise UsageError(f"prefer {prefer!r}: expected 'ours' or 'theirs'")
    there = resolve.repo(parts, source.repo)
    check_writable(parts, source.repo, there)
    name = branch_of(parts, Reference(source.repo, into))
    with parts.objects.writer() as writer:
        pages = Pages(parts.objects.blobs, writer)
        while True:
            theirs = check_head(resolve.commit(parts, source), source)
            ours = resolve.head(parts, source.repo, name)
            base = _common(parts, ours, theirs)
            if base is not None and base.forgotten is not None:
                raise Refused(
                    f"{source} and {source.repo}@{name} both come from {base.id}, whose bytes were given up, so nobody "
                    "can tell what changed since; copy what you need by "
                    f"`penstock cp {source}:/PATH {source.repo}@{name}`"
                )
            done = merge_trees(pages, base.root if base else EMPTY, ours.root if ours else EMPTY, theirs.root, prefer)
            forward = base == ours
            if done.clashes and prefer is None:
                raise Refused(_named(source, name, done.clashes))
            change = measured(pages, ours.root if ours else EMPTY, done.root)
            writer.seal()
            with parts.store.transaction(durable=True):
                check_movable(parts, source.repo, name)
                if (resolve.head(parts, source.repo, name), resolve.commit(parts, source)) != (ours, theirs):
                    continue
                check_writable(parts, source.repo, resolve.repo(parts, source.repo))
                if ours is not None and base == theirs:
                    return MergedBranch("nothing", name, ours, None, 0)
                new_id = parts.new_id()
                if forward or ours is None:
                    run = advance(parts, {(source.repo, name): theirs.id}, new_id)
                    return MergedBranch("forward", name, theirs, run, change.changed)
                draft = Draft(
                    repo=source.repo,
                    branch=name,
                    parent=ours.id,
                    root=done.root,
                    files=ours.files + change.files,
                    size=ours.size + change.size,
                    origin="copy",
                    message=message or f"merged {source.ref or there.default_branch}",
                    merged=theirs.id,
                )
                commits, run = commit(parts, [draft], new_id)
            return MergedBranch("merge", name, commits[0], run, change.changed)


def _common(parts: Parts, ours: Commit | None, theirs: Commit) -> Commit | None:
    """The newest commit that both come from. The cost follows how far back it is."""
    limit = 0
    rows: list[str] = []
    while ours is not None and len(rows) == limit:
        limit = limit * 8 or 128
        found = parts.store.fetch("both_lines", repo=theirs.repo, ours=ours.id, theirs=theirs.id, limit=limit)
        rows = [row["id"] for row in found]
        for one, other in pairwise(rows):
            if one == other:
                return resolve.commit_by_id(parts, theirs.repo, one)
    return None


def _named(source: Reference, name: str, clashes: Sequence[Clash]) -> str:
    shown = ", ".join(
        f"/{clash.path.decode()}" + (f" against /{clash.other.decode()}" if clash.other else "")
        for clash in clashes[:FEW]
    )
    more = f" and {len(clashes) - FEW} more" if len(clashes) > FEW else ""
    return f"{source} and {source.repo}@{name} both changed {shown}{more}; --prefer ours or theirs decides"
