"""`penstock commit`: the states of a repo."""

from __future__ import annotations

import click

from penstock.cli.lazy import noun
from penstock.cli.options import json_option, message_option, page_options, project

commit = noun("commit", "The states of a repo.")


@commit.command("list")
@click.argument("source", metavar="REPO[@BRANCH]")
@page_options(50)
@json_option
def list_commits(source: str, limit: int, after: str | None, as_json: bool) -> None:
    """List the commits of a repo, or those made on a branch of it, newest first."""
    from penstock.cli.output import short, show_json, show_table, talk, when
    from penstock.model.ids import parse_reference
    from penstock.service.answers import lists
    from penstock.text.units import show_size

    with project() as parts:
        page = lists.commits(parts, parse_reference(source), limit, after)
    if as_json:
        show_json({"commits": page.items, "next": page.next})
        return
    rows = [
        (short(c.commit), c.branch, when(c.created), c.files, show_size(c.size), c.origin, c.error or c.message)
        for c in page.items
    ]
    show_table(("COMMIT", "BRANCH", "TIME", "FILES", "SIZE", "ORIGIN", "MESSAGE"), rows, right=("FILES", "SIZE"))
    if page.next:
        talk(f"more: --after {page.next}")


@commit.command("show")
@click.argument("source", metavar="REPO[@REF]")
@json_option
def show_commit(source: str, as_json: bool) -> None:
    """Show one commit."""
    from penstock.cli.output import number, show_fields, show_json, when
    from penstock.model.ids import parse_reference
    from penstock.service import resolve
    from penstock.service.answers import views
    from penstock.text.units import show_size

    with project() as parts:
        view = views.commit_view(resolve.commit(parts, parse_reference(source)))
    if as_json:
        show_json(view)
        return
    show_fields(
        [
            ("commit", f"{view.repo}@{view.commit}"),
            ("branch", view.branch),
            ("parent", view.parent),
            ("run", view.run),
            ("origin", view.origin),
            ("tree", view.tree),
            ("holds", f"{number(view.files, 'file')}, {show_size(view.size)}"),
            ("created", when(view.created)),
            ("message", view.message),
            ("error", view.error),
        ]
    )


@commit.command("create")
@click.argument("target", metavar="REPO[@BRANCH]")
@message_option
@json_option
def create_commit(target: str, message: str, as_json: bool) -> None:
    """Commit the tree of the head again: that opens a run although nothing changed."""
    from penstock.cli.verbs.write import report
    from penstock.model.ids import parse_reference
    from penstock.service.data import repos

    with project() as parts:
        report(parts, repos.create_commit(parts, parse_reference(target), message), as_json)


@commit.command("delete")
@click.argument("target", metavar="REPO@REF")
@json_option
def delete_commit(target: str, as_json: bool) -> None:
    """Forget a commit that no job has read; a head on it falls back to its parent."""
    from penstock.cli.output import show_json, talk
    from penstock.model.ids import parse_reference
    from penstock.service.answers import views
    from penstock.service.data import repos

    with project() as parts:
        gone = views.commit_view(repos.delete_commit(parts, parse_reference(target)))
    talk(f"deleted commit {gone.repo}@{gone.commit}")
    if as_json:
        show_json(gone)
