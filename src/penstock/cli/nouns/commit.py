"""`penstock commit`: the states of a repo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from penstock.cli.lazy import noun
from penstock.cli.options import force_option, json_option, message_option, page_options, project

if TYPE_CHECKING:
    from penstock.model.run import Commit

commit = noun("commit", "The states of a repo.")


@commit.command("list")
@click.argument("source", metavar="[REPO[@BRANCH]]", required=False)
@click.option("--run", metavar="RUN", help="Those that opened a run or were made by it, in all repos.")
@page_options(50)
@json_option
def list_commits(source: str | None, run: str | None, limit: int, after: str | None, as_json: bool) -> None:
    """List the commits of a repo, or those made on a branch of it, newest first; or those of a run."""
    from penstock.cli.output import short, show_json, show_table, talk, when
    from penstock.cli.summary import show_commits
    from penstock.model.ids import parse_reference
    from penstock.service import resolve
    from penstock.service.answers import lists, views
    from penstock.text.units import show_size

    if (source is None) == (run is None):
        raise click.UsageError("name a repo, or a run with --run")
    with project() as parts:
        if run is not None:
            made = views.wave_view(parts, resolve.run(parts, run)).commits
            show_json({"commits": made, "next": None}) if as_json else show_commits(made)
            return
        page = lists.commits(parts, parse_reference(source or ""), limit, after)
    if as_json:
        show_json({"commits": page.items, "next": page.next})
        return
    rows = [
        (short(c.commit), c.branch, when(c.created), c.files, show_size(c.size), c.origin if c.finished else "open")
        + (c.error or c.message,)
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
            ("finished", when(view.finished) or "no, it is open"),
            ("bytes given up", when(view.forgotten)),
            ("merged", view.merged),
            ("message", view.message),
            ("error", view.error),
        ]
    )


@commit.command("create")
@click.argument("target", metavar="REPO[@BRANCH]")
@message_option
@json_option
def create_commit(target: str, message: str, as_json: bool) -> None:
    """Commit the tree of the head again: that opens a run although nothing changed.

    In a repo that is linked to a directory: what is in that directory now.
    """
    from penstock.cli.verbs.write import report
    from penstock.model.ids import parse_reference
    from penstock.service.data import commits

    with project() as parts:
        report(parts, commits.create(parts, parse_reference(target), message), as_json)


@commit.command("start")
@click.argument("targets", metavar="REPO[@BRANCH]...", nargs=-1, required=True)
@message_option
@json_option
def start_commit(targets: tuple[str, ...], message: str, as_json: bool) -> None:
    """Open a commit that several puts go into; in several repos, all under one id. Prints the id.

    Until it is finished, what is put to the branch goes into it, and the branch shows what it showed before.
    """
    from penstock.cli.output import short, talk
    from penstock.model.ids import parse_reference
    from penstock.service.data import commits

    with project() as parts:
        opened = commits.start(parts, [parse_reference(target) for target in targets], message)
    _show_set(opened, as_json)
    talk(f"open on {_places(opened)}; `penstock commit finish {short(opened[0].id)}` makes it count")


@commit.command("finish")
@click.argument("target", metavar="ID|REPO[@BRANCH]")
@json_option
def finish_commit(target: str, as_json: bool) -> None:
    """Finish all open commits of one id: their branches move, and one run opens downstream."""
    from penstock.cli.output import talk
    from penstock.cli.verbs.write import tell_run
    from penstock.service.data import commits

    with project() as parts:
        finished, run = commits.finish(parts, target)
        _show_set(finished, as_json)
        talk(f"finished on {_places(finished)}")
        tell_run(parts, run.id if run else None)


@commit.command("abandon")
@click.argument("target", metavar="ID|REPO[@BRANCH]")
@json_option
def abandon_commit(target: str, as_json: bool) -> None:
    """Give up all open commits of one id, with what was put into them."""
    from penstock.cli.output import talk
    from penstock.service.data import commits

    with project() as parts:
        gone = commits.abandon(parts, target)
    _show_set(gone, as_json)
    talk(f"given up on {_places(gone)}")


def _places(found: Sequence[Commit]) -> str:
    return ", ".join(f"{item.repo}@{item.branch}" for item in found)


def _show_set(found: Sequence[Commit], as_json: bool) -> None:
    from penstock.cli.output import show_json
    from penstock.service.answers.views import commit_view

    if as_json:
        show_json({"commits": [commit_view(item) for item in found], "next": None})
    else:
        print(found[0].id)


@commit.command("squash")
@click.argument("target", metavar="REPO@REF|ID")
@force_option("Also if jobs that are done read it.")
@json_option
def squash_commit(target: str, force: bool, as_json: bool) -> None:
    """Take a commit out of the line; those after it keep what they hold.

    ID stands for all commits of that id, in every repo, with the run that made them.
    """
    from penstock.cli.output import show_json, talk
    from penstock.model.ids import parse_reference
    from penstock.service.answers.views import commit_view
    from penstock.service.data import removing

    with project() as parts:
        if "@" in target:
            gone = [commit_view(removing.squash(parts, parse_reference(target), force=force))]
        else:
            gone = [commit_view(item) for item in removing.squash_set(parts, target, force=force)]
    for item in gone:
        talk(f"squashed commit {item.repo}@{item.commit}")
    if as_json:
        show_json(gone[0] if "@" in target else {"commits": gone, "next": None})


@commit.command("drop")
@click.argument("target", metavar="REPO@REF")
@force_option("Also if jobs that are done read it.")
@json_option
def drop_commit(target: str, force: bool, as_json: bool) -> None:
    """Take away the last commit of a line; branches on it fall back to the one before."""
    from penstock.cli.output import show_json, talk
    from penstock.model.ids import parse_reference
    from penstock.service.answers.views import commit_view
    from penstock.service.data import removing

    with project() as parts:
        gone = commit_view(removing.drop(parts, parse_reference(target), force=force))
    talk(f"dropped commit {gone.repo}@{gone.commit}")
    if as_json:
        show_json(gone)
