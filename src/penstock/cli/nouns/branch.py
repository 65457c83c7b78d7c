"""`penstock branch`: names of commits."""

from __future__ import annotations

import click

from penstock.cli.lazy import noun
from penstock.cli.options import json_option, page_options, project
from penstock.model.errors import UsageError
from penstock.model.ids import Reference, parse_reference

branch = noun("branch", "Names of commits.")


def _named(text: str) -> tuple[str, str]:
    """`REPO@NAME`; raise UsageError when the name is missing."""
    reference = parse_reference(text)
    if reference.ref is None or reference.path is not None:
        raise UsageError(f"{text!r}: expected REPO@BRANCH, for example {reference.repo}@main")
    return reference.repo, reference.ref


@branch.command("list")
@click.argument("repo", metavar="REPO")
@page_options(1000)
@json_option
def list_branches(repo: str, limit: int, after: str | None, as_json: bool) -> None:
    """List the branches of a repo by name."""
    from penstock.cli.output import short, show_json, show_table, talk, when
    from penstock.service.answers import lists

    with project() as parts:
        page = lists.branches(parts, repo, limit, after)
    if as_json:
        show_json({"branches": page.items, "next": page.next})
        return
    rows = [(item.branch, short(item.head), when(item.created)) for item in page.items]
    show_table(("BRANCH", "HEAD", "CREATED"), rows)
    if page.next:
        talk(f"more: --after {page.next}")


@branch.command("show")
@click.argument("name", metavar="REPO@BRANCH")
@json_option
def show_branch(name: str, as_json: bool) -> None:
    """Show one branch."""
    _show(name, as_json)


def _show(name: str, as_json: bool) -> None:
    from penstock.cli.output import show_fields, show_json, when
    from penstock.service.answers import lists

    with project() as parts:
        view = lists.branch(parts, *_named(name))
    if as_json:
        show_json(view)
        return
    fields = [("branch", f"{view.repo}@{view.branch}"), ("head", view.head), ("created", when(view.created))]
    show_fields(fields)


@branch.command("create")
@click.argument("name", metavar="REPO@BRANCH")
@click.option("--head", metavar="REF", help="What it points to: a branch or a commit of the repo, or such as main^2.")
@json_option
def create_branch(name: str, head: str | None, as_json: bool) -> None:
    """Make a branch, empty or with a head; move one that exists to that head."""
    from penstock.cli.output import talk
    from penstock.cli.verbs.write import tell_run
    from penstock.service import resolve
    from penstock.service.data import repos

    repo, new = _named(name)
    with project() as parts:
        start = None if head is None else parse_reference(head) if "@" in head else Reference(repo, head)
        if start is not None and start.repo != repo:
            raise UsageError(f"--head {head}: a branch of {repo!r} cannot point into {start.repo!r}")
        made = repos.create_branch(parts, repo, new, start)
        talk(f"{repo}@{new} {'points to ' + made.head if made.head else 'is made, empty'}")
        at = resolve.commit_by_id(parts, repo, made.head) if made.head else None
        tell_run(parts, at.run if at else None)
    if as_json:
        _show(name, as_json)


@branch.command("delete")
@click.argument("name", metavar="REPO@BRANCH")
@json_option
def delete_branch(name: str, as_json: bool) -> None:
    """Forget a branch; its commits stay readable by id."""
    from penstock.cli.output import show_json, talk
    from penstock.service.data import repos

    with project() as parts:
        repos.delete_branch(parts, *_named(name))
    talk(f"deleted branch {name}")
    if as_json:
        show_json({"deleted": name})
