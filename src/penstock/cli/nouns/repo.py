"""`penstock repo`: versioned data."""

from __future__ import annotations

import click

from penstock.cli.lazy import noun
from penstock.cli.options import json_option, page_options, project

repo = noun("repo", "Versioned data.")


@repo.command("list")
@page_options(1000)
@json_option
def list_repos(limit: int, after: str | None, as_json: bool) -> None:
    """List all repos by name."""
    from penstock.cli.output import short, show_json, show_table, talk
    from penstock.service.answers import lists
    from penstock.text.units import show_size

    with project() as parts:
        page = lists.repos(parts, limit, after)
    if as_json:
        show_json({"repos": page.items, "next": page.next})
        return
    rows = [
        (item.repo, item.files, show_size(item.size), short(item.head), item.path and f"{item.path}/")
        for item in page.items
    ]
    show_table(("REPO", "FILES", "SIZE", "HEAD", "LINKED TO"), rows, right=("FILES", "SIZE"))
    if page.next:
        talk(f"more: --after {page.next}")


@repo.command("show")
@click.argument("name", metavar="REPO")
@json_option
def show_repo(name: str, as_json: bool) -> None:
    """Show one repo."""
    _show(name, as_json)


def _show(name: str, as_json: bool) -> None:
    from penstock.cli.output import number, show_fields, show_json, when
    from penstock.service import resolve
    from penstock.service.answers import views
    from penstock.text.units import show_size

    with project() as parts:
        view = views.repo_view(parts, resolve.repo(parts, name))
    if as_json:
        show_json(view)
        return
    show_fields(
        [
            ("repo", view.repo),
            ("linked to", view.path),
            ("branch", view.default_branch),
            ("head", view.head),
            ("holds", f"{number(view.files, 'file')}, {show_size(view.size)}"),
            ("created", when(view.created)),
        ]
    )


@repo.command("create")
@click.argument("name", metavar="REPO")
@json_option
def create_repo(name: str, as_json: bool) -> None:
    """Make an empty repo. (`put` makes a missing one by itself.)"""
    from penstock.cli.output import talk
    from penstock.service.data import repos

    with project() as parts:
        repos.create_repo(parts, name)
    talk(f"made repo {name}")
    if as_json:
        _show(name, as_json)


@repo.command("delete")
@click.argument("name", metavar="REPO")
@json_option
def delete_repo(name: str, as_json: bool) -> None:
    """Forget a repo and its history."""
    from penstock.cli.output import show_json, talk
    from penstock.service.data import repos

    with project() as parts:
        repos.delete_repo(parts, name)
    talk(f"deleted repo {name}")
    if as_json:
        show_json({"deleted": name})
