"""`penstock repo`: versioned data."""

from __future__ import annotations

import click

from penstock.cli.lazy import noun
from penstock.cli.options import COUNT, force_option, json_option, page_options, project

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
            ("keeps", view.keeps),
            ("created", when(view.created)),
        ]
    )


@repo.command("create")
@click.argument("name", metavar="REPO")
@click.option("--path", metavar="DIR", help="Link it to a directory; `commit create` stores what is there.")
@json_option
def create_repo(name: str, path: str | None, as_json: bool) -> None:
    """Make an empty repo. (`put` makes a missing one by itself.)"""
    from penstock.cli.output import talk
    from penstock.service.data import repos

    with project() as parts:
        repos.create_repo(parts, name, path)
    talk(f"made repo {name}")
    if as_json:
        _show(name, as_json)


@repo.command("keep")
@click.argument("name", metavar="REPO")
@click.option("--commits", type=COUNT, metavar="N", help="The newest N of each branch keep their bytes.")
@click.option("--for", "duration", metavar="TIME", help="All younger ones do, such as 30d or 12h.")
@click.option("--all", "everything", is_flag=True, help="All do, as at first.")
@json_option
def keep(name: str, commits: int | None, duration: str | None, everything: bool, as_json: bool) -> None:
    """Set which commits keep their bytes.

    `penstock gc` gives up the bytes of commits that are beyond both limits. They stay in the log. The head of a branch,
    and what a job still needs, is never given up.
    """
    from penstock.cli.output import talk
    from penstock.model.errors import UsageError
    from penstock.service import resolve
    from penstock.service.keeping import retention
    from penstock.text.units import parse_seconds

    if everything == (commits is not None or duration is not None):
        raise UsageError("say --commits N, --for TIME or both; or --all")
    with project() as parts:
        repo = retention.keep(parts, name, commits, None if duration is None else parse_seconds(duration))
    talk(f"repo {name} keeps {resolve.rule_of(repo)}")
    if as_json:
        _show(name, as_json)


@repo.command("tick")
@click.argument("name", metavar="REPO")
@json_option
def tick(name: str, as_json: bool) -> None:
    """Make a tick of a step's clock now, out of turn."""
    from penstock.cli.output import show_json, talk
    from penstock.service.opening.ticking import tick as make_tick

    with project() as parts:
        opened = make_tick(parts, name)
    if as_json:
        show_json({"repo": name, "run": opened.id if opened else None})
    elif opened is not None:
        talk(f"run {opened.id} is open; `penstock wait` sees it through")


@repo.command("delete")
@click.argument("name", metavar="REPO")
@force_option("Also with a commit that is open in it.")
@json_option
def delete_repo(name: str, force: bool, as_json: bool) -> None:
    """Forget a repo and its history."""
    from penstock.cli.output import show_json, talk
    from penstock.service.data import repos

    with project() as parts:
        repos.delete_repo(parts, name, force=force)
    talk(f"deleted repo {name}")
    if as_json:
        show_json({"deleted": name})
