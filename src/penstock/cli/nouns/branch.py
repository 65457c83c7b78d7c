"""`penstock branch`: names of commits."""

from __future__ import annotations

import click

from penstock.cli.lazy import noun
from penstock.cli.options import COUNT, force_option, json_option, message_option, page_options, project
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
    from penstock.service.answers.views import show_trigger

    with project() as parts:
        page = lists.branches(parts, repo, limit, after)
    if as_json:
        show_json({"branches": page.items, "next": page.next})
        return
    rows = [
        (b.branch, short(b.head), when(b.created), show_trigger(b.trigger) if b.trigger else "") for b in page.items
    ]
    show_table(("BRANCH", "HEAD", "CREATED", "TRIGGER"), rows)
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
    from penstock.service.answers.views import show_trigger

    with project() as parts:
        view = lists.branch(parts, *_named(name))
    if as_json:
        show_json(view)
        return
    fields = [("branch", f"{view.repo}@{view.branch}"), ("head", view.head), ("created", when(view.created))]
    show_fields([*fields, ("trigger", show_trigger(view.trigger) if view.trigger else None)])


@branch.command("create")
@click.argument("name", metavar="REPO@BRANCH")
@click.option("--head", metavar="REF", help="What it points to: a branch or a commit of the repo, or such as main^2.")
@json_option
def create_branch(name: str, head: str | None, as_json: bool) -> None:
    """Make a branch, empty or with a head; move one that exists to that head, forward or back."""
    from penstock.cli.output import talk
    from penstock.cli.verbs.write import tell_run
    from penstock.service.data import branches

    repo, new = _named(name)
    with project() as parts:
        moved = branches.create_branch(parts, repo, new, _start(repo, head))
        at = moved.branch.head
        talk(f"{repo}@{new} {'points to ' + at if at else 'is made, empty'}")
        tell_run(parts, moved.run.id if moved.run else None)
    if as_json:
        _show(name, as_json)


def _start(repo: str, head: str | None) -> Reference | None:
    return None if head is None else parse_reference(head) if "@" in head else Reference(repo, head)


@branch.command("merge")
@click.argument("source", metavar="REPO@FROM")
@click.option("--into", metavar="BRANCH", help="The branch that takes it in; the default one if not given.")
@click.option("--prefer", type=click.Choice(["ours", "theirs"]), help="Whose files count where both changed them.")
@message_option
@json_option
def merge_branch(source: str, into: str | None, prefer: str | None, message: str, as_json: bool) -> None:
    """Bring what changed on one branch into another one, in one commit.

    `ours` is the branch that takes it in, `theirs` is FROM. Where both changed one path in different ways nothing is
    written, and the paths are named, unless --prefer decides.
    """
    from penstock.cli.output import show_json, talk
    from penstock.cli.verbs.write import tell_run
    from penstock.service.answers.views import commit_view
    from penstock.service.data import merging

    with project() as parts:
        done = merging.merge(parts, parse_reference(source), into, prefer, message)
        made = done.commit
        if as_json:
            show_json(commit_view(made))
        else:
            print(f"{made.repo}@{made.id}")
        how = (
            "has it already"
            if done.how == "nothing"
            else "moves forward to it"
            if done.how == "forward"
            else "takes it in"
        )
        talk(f"{made.repo}@{done.into} {how}; {done.changed} written or deleted")
        tell_run(parts, done.run.id if done.run else None)


@branch.command("trigger")
@click.argument("name", metavar="REPO@BRANCH")
@click.option("--from", "watches", metavar="BRANCH", help="The branch it follows; the default one if not given.")
@click.option("--size", metavar="SIZE", help="When that has grown by so much, such as 100MB.")
@click.option("--commits", type=COUNT, metavar="N", help="When so many commits were made there.")
@click.option("--every", metavar="TIME", help="When so much time is over, such as 1h30m.")
@click.option("--cron", metavar="FIELDS", help="At these times (UTC), such as '0 2 * * *', @daily or '@every 10m'.")
@click.option("--all", "all_of", is_flag=True, help="Only when all of these say so; else any does.")
@click.option("--off", is_flag=True, help="End the trigger.")
@json_option
def trigger_branch(
    name: str,
    watches: str | None,
    size: str | None,
    commits: int | None,
    every: str | None,
    cron: str | None,
    all_of: bool,
    off: bool,
    as_json: bool,
) -> None:
    """Let a branch follow another one of its repo once enough has gathered there."""
    from penstock.cli.output import talk
    from penstock.service import resolve
    from penstock.service.answers.views import show_trigger, trigger_view
    from penstock.service.data import triggers

    repo, branch_name = _named(name)
    with project() as parts:
        if off:
            triggers.unset_trigger(parts, Reference(repo, branch_name))
            talk(f"{name} stays where it is")
        else:
            made = triggers.set_trigger(
                parts,
                Reference(repo, branch_name),
                resolve.repo(parts, repo).default_branch if watches is None else watches,
                size=size,
                commits=commits,
                every=every,
                cron=cron,
                all_of=all_of,
            )
            talk(f"{name} {show_trigger(trigger_view(made))}")
    if as_json:
        _show(name, as_json)


@branch.command("delete")
@click.argument("name", metavar="REPO@BRANCH")
@force_option("Also with an open commit, which is lost, or with branches that follow it.")
@json_option
def delete_branch(name: str, force: bool, as_json: bool) -> None:
    """Forget a branch; its commits stay readable by id."""
    from penstock.cli.output import show_json, talk
    from penstock.service.data import branches

    with project() as parts:
        branches.delete_branch(parts, *_named(name), force=force)
    talk(f"deleted branch {name}")
    if as_json:
        show_json({"deleted": name})
