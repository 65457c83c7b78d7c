"""What is needed: everything that rows, and the caches of linked directories, refer to."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from penstock.model.data import EMPTY
from penstock.model.errors import Corrupt, NotFound, PenstockError
from penstock.model.run import Commit
from penstock.objects.garbage import Mark
from penstock.objects.scan import root_of
from penstock.service.parts import Parts

#: How many rows one question brings.
PAGE = 10_000

_decode = msgspec.msgpack.Decoder(tuple[bytes, bytes, int]).decode


class Root(Struct, frozen=True):
    """A root that a row names. `kind` is tree, ledger, owners or keys."""

    what: str
    kind: str
    root: bytes
    repo: str | None = None  #: whose commit it is


class GivenUp(Struct, frozen=True):
    """What is, or would be, given up: its bytes are not needed any more."""

    commits: Collection[tuple[str, str]] = ()  #: (repo, id)
    results: Collection[bytes] = ()  #: fingerprints
    caches: Collection[Path] = ()


def roots(parts: Parts, without: GivenUp | None = None) -> Iterator[Root]:
    """Every root that a row names.

    What moves from one table to the next while this looks (a task's output into its job's ledger, a job's tree into a
    commit) is met in one of them at least, because they are looked through in that order.
    """
    left = without or GivenUp()
    for row in pages(parts, "roots_of_tasks"):
        yield from _of_result(row)
    for row in pages(parts, "roots_of_results", b""):
        if row["place"] not in left.results:
            yield from _of_result(row)
    for row in pages(parts, "roots_of_jobs"):
        for name in ("reading", "layout"):
            yield Root(f"code of job {row['what']}", "tree", row[name])
        if (row["repo"], row["run"]) in left.commits:
            continue
        for kind in ("ledger", "owners", "keys", "tree"):
            yield Root(f"{kind} of job {row['what']}", kind, row[kind])
    for row in pages(parts, "roots_of_commits"):
        if (row["repo"], row["id"]) not in left.commits:
            yield Root(row["what"], "tree", row["root"], row["repo"])
    for row in parts.store.fetch("roots_of_code"):
        yield Root(row["what"], "tree", row["root"])


def _of_result(row: dict[str, Any]) -> Iterator[Root]:
    yield Root(row["what"], "tree", row["root"])
    yield Root(f"code of {row['what']}", "tree", row["reading"])


def pages(parts: Parts, query: str, after: Any = 0, **args: Any) -> Iterator[dict[str, Any]]:
    """The rows of a query that gives them in pages, by `place`."""
    while True:
        rows = parts.store.fetch(query, after=after, limit=PAGE, **args)
        yield from rows
        if len(rows) < PAGE:
            return
        after = rows[-1]["place"]


def ledger_refs(value: bytes) -> tuple[Iterable[bytes], Iterable[bytes]]:
    """What an entry of a ledger names: a tree."""
    return (), (_decode(value)[1],)


def no_refs(value: bytes) -> tuple[Iterable[bytes], Iterable[bytes]]:
    """What an entry of a map of bindings names: nothing."""
    return (), ()


def reach(mark: Mark, root: Root) -> None:
    """Mark everything below a root. Raises NotFound, Corrupt."""
    if root.root == EMPTY:
        return
    if root.kind == "tree":
        mark.tree(root.root)
    else:
        mark.map(root.root, ledger_refs if root.kind == "ledger" else no_refs)


def mark_all(parts: Parts, without: GivenUp | None = None, *, caches_too: bool = True) -> tuple[Mark, list[Path]]:
    """Everything that is needed, and the caches of no more use: their tree is lost, or, without `caches_too`, would
    stay for their sake alone.

    Raises PenstockError if the tree of a row cannot be read: nobody knows what else is needed below it.
    """
    mark = Mark(parts.objects.pages)
    left = without or GivenUp()
    caches = [(cache, root_of(cache)) for cache in scan_caches(parts) if cache not in left.caches]
    for root in roots(parts, left):
        try:
            reach(mark, root)
        except (NotFound, Corrupt) as error:
            raise PenstockError(
                f"{root.what}: {error}; nothing was deleted, because what it needs cannot be known: "
                "see `penstock fsck --repair`, put the same bytes again, or delete that commit"
            ) from None
    # Last: what is lost below one of these is no reason to stop, but leaves the mark incomplete there.
    lost = []
    for cache, top in caches:
        if top is None or top == EMPTY or top in mark:
            continue
        if not caches_too:
            lost.append(cache)
            continue
        try:
            mark.tree(top)
        except (NotFound, Corrupt):
            lost.append(cache)
    return mark, lost


def scan_caches(parts: Parts) -> list[Path]:
    """The stat caches of the project and its linked directories."""
    return sorted(path for path in parts.layout.scans.glob("*") if path.is_file())


def named(commits: Iterable[Commit]) -> frozenset[tuple[str, str]]:
    """Commits as `GivenUp` has them."""
    return frozenset((commit.repo, commit.id) for commit in commits)
