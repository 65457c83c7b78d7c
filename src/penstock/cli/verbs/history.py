"""`log` and `diff`: how a repo came to be what it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import click

from penstock.cli.options import COUNT, json_option, project

if TYPE_CHECKING:
    from penstock.model.run import Commit
    from penstock.service.data.comparing import Difference, Totals


@click.command()
@click.argument("source", metavar="REPO[@REF]")
@click.option("--all", "every", is_flag=True, help="Also commits that changed nothing.")
@click.option("-n", "--limit", type=COUNT, default=50, show_default=True, help="At most so many.")
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
    from penstock.text.units import show_size

    with project() as parts:
        newest = resolve.commit(parts, parse_reference(source))
        history = resolve.history(parts, newest)
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
@click.option("--stat", is_flag=True, help="Only what it adds up to.")
@click.option("--content", is_flag=True, help="How the lines of texts differ.")
@click.option("--limit", type=COUNT, help="At most so many files.")
@click.option("--after", default="", metavar="CURSOR", help="Go on after the `next` of an earlier list.")
@json_option
def diff(one: str, other: str | None, stat: bool, content: bool, limit: int | None, after: str, as_json: bool) -> None:
    """Show which files differ between two commits.

    A and B are REPO[@REF][:/PATH]; PATH may be a pattern. Without B: what A changed against its parent.
    """
    from itertools import islice

    from penstock.cli.output import plain, show_json, talk
    from penstock.model.ids import parse_reference
    from penstock.service.data import comparing

    totals = comparing.Totals()
    with project() as parts:
        second = None if other is None else parse_reference(other)
        changes = comparing.compare(parts, parse_reference(one), second, after)
        page = list(islice(changes, None if limit is None else limit + 1))
        going_on = page[limit - 1].path if limit is not None and len(page) > limit else None
        page = page[:limit]
        found = [item.difference for item in page]
        texts = [comparing.text(parts, item) for item in page] if content else []
    for item in found:
        totals.count(item)
    if as_json:
        shown = [plain(item) for item in found]
        for document, text in zip(shown, texts):
            document["content"] = text
        document = {"differences": [] if stat else shown, "next": going_on}
        show_json(document | {"totals": totals} if stat else document)
        return
    if content:
        print(*texts, sep="", end="")
    elif not stat:
        _show_differences(found)
    if stat:
        _show_totals(totals)
    if going_on is not None:
        talk(f"more: --after '{going_on}'")


def _show_differences(found: Sequence[Difference]) -> None:
    from penstock.cli.output import show_table
    from penstock.text.units import show_size

    if found:
        sizes = [tuple("" if size is None else show_size(size) for size in (d.old_size, d.new_size)) for d in found]
        rows = [(d.change, *size, d.path) for d, size in zip(found, sizes, strict=True)]
        show_table(("CHANGE", "BEFORE", "AFTER", "PATH"), rows, right=("BEFORE", "AFTER"))


def _show_totals(totals: Totals) -> None:
    from penstock.text.units import show_size

    print(f"{totals.added} added, {totals.removed} removed, {totals.modified} modified")
    print(f"{show_size(totals.old_size)} before, {show_size(totals.new_size)} after")
