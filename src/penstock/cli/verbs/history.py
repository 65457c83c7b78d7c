"""`log` and `diff`: how a repo came to be what it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from penstock.cli.options import json_option, project

if TYPE_CHECKING:
    from penstock.model.run import Commit


@click.command()
@click.argument("source", metavar="REPO[@REF]")
@click.option("--all", "every", is_flag=True, help="Also commits that changed nothing.")
@click.option("-n", "--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many.")
@json_option
def log(source: str, every: bool, limit: int, as_json: bool) -> None:
    """Show the commits of a branch, newest first.

    A commit with the same tree as the one before it is folded into that. The `next` of --json is the commit to go on
    with: `penstock log REPO@NEXT`.
    """
    from itertools import islice

    from penstock.cli.output import short, show_json, show_table, talk, when
    from penstock.model.ids import parse_reference
    from penstock.service import resolve
    from penstock.service.answers import views
    from penstock.service.data import reading
    from penstock.text.units import show_size

    with project() as parts:
        newest = resolve.commit(parts, parse_reference(source))
        history = reading.history(parts, newest, 1 << 62)
        groups = list(islice(([item] for item in history) if every else _folded(history), limit + 1))
    rest, groups = groups[limit:], groups[:limit]
    going_on = rest[0][0].id if rest else None
    if as_json:
        show_json({"commits": [views.commit_view(group[-1]) for group in groups], "next": going_on})
        return
    rows = []
    for group in groups:
        view = views.commit_view(group[-1])
        again = f"(+{len(group) - 1} with the same tree) " if len(group) > 1 else ""
        size = show_size(view.size)
        head = (short(view.commit), when(view.created), view.files, size, view.origin)
        rows.append((*head, short(view.run), again + view.message))
    show_table(("COMMIT", "TIME", "FILES", "SIZE", "ORIGIN", "RUN", "MESSAGE"), rows, right=("FILES", "SIZE"))
    if going_on is not None:
        talk(f"more: penstock log {newest.repo}@{short(going_on)}")


def _folded(history: Iterable[Commit]) -> Iterator[list[Commit]]:
    """Neighbours with one tree together, the oldest last: that one brought the tree."""
    group: list[Commit] = []
    for commit in history:
        if group and group[-1].root != commit.root:
            yield group
            group = []
        group.append(commit)
    if group:
        yield group


@click.command()
@click.argument("one", metavar="A")
@click.argument("other", metavar="[B]", required=False)
@json_option
def diff(one: str, other: str | None, as_json: bool) -> None:
    """Show which files differ between two commits.

    A and B are REPO[@REF][:/PATH]. Without B: what A changed against its parent.
    """
    from penstock.cli.output import show_json, show_table
    from penstock.model.ids import parse_reference
    from penstock.service import resolve
    from penstock.service.data import reading
    from penstock.text.units import show_size

    with project() as parts:
        first = parse_reference(one)
        if other is None:
            commit = resolve.commit(parts, first)
            old, new = reading.parent_root(parts, commit), commit.root
        else:
            old, new = resolve.tree_root(parts, first), resolve.tree_root(parts, parse_reference(other))
        found = list(reading.diff(parts, old, new, first.path or ""))
    if as_json:
        show_json({"differences": found, "next": None})
    elif found:
        sizes = [tuple("" if size is None else show_size(size) for size in (d.old_size, d.new_size)) for d in found]
        rows = [(d.change, *size, d.path) for d, size in zip(found, sizes, strict=True)]
        show_table(("CHANGE", "BEFORE", "AFTER", "PATH"), rows, right=("BEFORE", "AFTER"))
