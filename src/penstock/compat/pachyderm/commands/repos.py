"""`create/list/inspect/delete repo` and `create/list/inspect/delete branch`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from penstock.compat.pachyderm.commands.base import (
    CREATE,
    DELETE,
    INSPECT,
    LIST,
    force_option,
    full_option,
    project,
    raw_option,
    say,
    show_json,
)

if TYPE_CHECKING:
    from penstock.model.run import Branch, Repo
    from penstock.service.parts import Parts


@CREATE.command("repo")
@click.argument("name", metavar="REPO")
@raw_option
def create_repo(name: str, raw: bool) -> None:
    """Make an empty repo, with a branch `master`."""
    from penstock.compat.pachyderm.inputs import MASTER
    from penstock.service.data import repos

    with project() as parts:
        repos.create_repo(parts, name, branch=MASTER)
    say(f"made repo {name}", raw, {"repo": {"name": name, "type": "user"}})


def _size(parts: Parts, repo: Repo) -> int:
    from penstock.service import resolve

    head = resolve.head(parts, repo.name)
    return head.size if head else 0


def _json(parts: Parts, repo: Repo) -> dict[str, Any]:
    from penstock.model.run import Branch
    from penstock.model.views import show_time

    named = {"name": repo.name, "type": "user"}
    branches = parts.store.load(Branch, "branches", repo=repo.name)
    return {
        "repo": named,
        "created": show_time(repo.created),
        "size_bytes_upper_bound": str(_size(parts, repo)),
        "branches": [{"repo": named, "name": branch.name} for branch in branches],
        "details": {"size_bytes": str(_size(parts, repo))},
    }


@LIST.command("repo")
@full_option
@raw_option
def list_repo(full: bool, raw: bool) -> None:
    """List repos by name, with the size of the head of their default branch."""
    from penstock.compat.pachyderm.show import ago, bytes_size, table
    from penstock.model.run import Repo

    with project() as parts:
        found, now = parts.store.load(Repo, "repos"), parts.now()
        if raw:
            show_json(_json(parts, repo) for repo in found)
            return
        rows = [(repo.name, ago(repo.created, now, full), bytes_size(_size(parts, repo)), "") for repo in found]
        print(table(("NAME", "CREATED", "SIZE (MASTER)", "DESCRIPTION"), rows), end="")


@INSPECT.command("repo")
@click.argument("name", metavar="REPO")
@full_option
@raw_option
def inspect_repo(name: str, full: bool, raw: bool) -> None:
    """Print one repo."""
    from penstock.compat.pachyderm.show import ago, bytes_size
    from penstock.service import resolve

    with project() as parts:
        repo = resolve.repo(parts, name)
        if raw:
            show_json([_json(parts, repo)])
        else:
            print(f"Name: {repo.name}\nCreated: {ago(repo.created, parts.now(), full)}")
            print(f"Size of HEAD on {repo.default_branch}: {bytes_size(_size(parts, repo))}")


@DELETE.command("repo")
@click.argument("name", metavar="REPO")
@force_option("Also with an open commit, which is lost.")
@raw_option
def delete_repo(name: str, force: bool, raw: bool) -> None:
    """Delete a repo with its commits. Refused while a pipeline needs it."""
    from penstock.service.data import repos

    with project() as parts:
        repos.delete_repo(parts, name, force=force)
    say(f"deleted repo {name}", raw, {"deleted": name})


def _branch_of(text: str) -> tuple[str, str]:
    from penstock.model.errors import UsageError
    from penstock.model.ids import parse_reference

    reference = parse_reference(text)
    if reference.ref is None or reference.path is not None:
        raise UsageError(f"{text!r}: expected REPO@BRANCH")
    return reference.repo, reference.ref


def _branch_json(branch: Branch, trigger: str) -> dict[str, Any]:
    repo = {"name": branch.repo, "type": "user"}
    head = {"head": {"branch": {"repo": repo, "name": branch.name}, "id": branch.head}} if branch.head else {}
    return {"branch": {"repo": repo, "name": branch.name}, **head, **({"trigger": trigger} if trigger else {})}


def _branches(parts: Parts, repo: str) -> list[tuple[Branch, str]]:
    """The branches of a repo, each with what moves it."""
    from penstock.model.run import Branch, Trigger
    from penstock.service import resolve
    from penstock.service.answers.views import show_trigger, trigger_view

    name = resolve.repo(parts, repo).name
    triggers = {item.branch: item for item in parts.store.load(Trigger, "triggers", repo=name)}
    found = parts.store.load(Branch, "branches", repo=name)
    return [
        (branch, show_trigger(trigger_view(triggers[branch.name])) if branch.name in triggers else "")
        for branch in found
    ]


@CREATE.command("branch")
@click.argument("name", metavar="REPO@BRANCH")
@click.option("--head", metavar="REF", help="A branch or commit of the repo, or REPO@REF.")
@raw_option
def create_branch(name: str, head: str | None, raw: bool) -> None:
    """Make a branch, or with --head move it to a commit; what reads it runs."""
    from penstock.model.ids import parse_reference
    from penstock.service.data import branches

    repo, branch = _branch_of(name)
    at = None if head is None else parse_reference(head if "@" in head else f"{repo}@{head}")
    with project() as parts:
        moved = branches.create_branch(parts, repo, branch, at)
    say(f"{repo}@{branch} is at {moved.branch.head or 'no commit'}", raw, _branch_json(moved.branch, ""))


@LIST.command("branch")
@click.argument("repo", metavar="REPO")
@raw_option
def list_branch(repo: str, raw: bool) -> None:
    """List the branches of a repo by name."""
    from penstock.compat.pachyderm.show import NOTHING, table

    with project() as parts:
        found = _branches(parts, repo)
    if raw:
        show_json(_branch_json(branch, trigger) for branch, trigger in found)
    else:
        rows = [(branch.name, branch.head or NOTHING, trigger or NOTHING) for branch, trigger in found]
        print(table(("BRANCH", "HEAD", "TRIGGER"), rows), end="")


@INSPECT.command("branch")
@click.argument("name", metavar="REPO@BRANCH")
@raw_option
def inspect_branch(name: str, raw: bool) -> None:
    """Print one branch."""
    from penstock.compat.pachyderm.show import NOTHING
    from penstock.model.errors import NotFound
    from penstock.service.resolve import suggestion

    repo, wanted = _branch_of(name)
    with project() as parts:
        known = {branch.name: (branch, trigger) for branch, trigger in _branches(parts, repo)}
    if wanted not in known:
        raise NotFound(f"{repo} has no branch {wanted!r}{suggestion(wanted, known)}")
    branch, trigger = known[wanted]
    if raw:
        show_json([_branch_json(branch, trigger)])
    else:
        print(f"Name: {repo}@{wanted}\nHead Commit: {branch.head or NOTHING}")
        if trigger:
            print(f"Trigger: {trigger}")


@DELETE.command("branch")
@click.argument("name", metavar="REPO@BRANCH")
@force_option("Also with an open commit, or one that follows it.")
@raw_option
def delete_branch(name: str, force: bool, raw: bool) -> None:
    """Delete a branch; its commits stay."""
    from penstock.service.data import branches

    repo, branch = _branch_of(name)
    with project() as parts:
        branches.delete_branch(parts, repo, branch, force=force)
    say(f"deleted branch {repo}@{branch}", raw, {"deleted": f"{repo}@{branch}"})
