"""`start/finish/list/inspect/wait/squash commit`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from penstock.compat.pachyderm.commands.base import (
    FINISH,
    INSPECT,
    LIST,
    SQUASH,
    START,
    WAIT,
    branch_reference,
    force_option,
    full_option,
    is_empty,
    number_option,
    project,
    raw_option,
    see_through,
    show_json,
    talk,
)
from penstock.compat.pachyderm.commands.jobs import PAGE

if TYPE_CHECKING:
    from penstock.model.run import Commit
    from penstock.service.parts import Parts

_HEADS = ("REPO", "BRANCH", "COMMIT", "FINISHED", "SIZE", "ORIGIN", "DESCRIPTION")


def _origin(commit: Commit) -> str:
    return "AUTO" if commit.origin == "job" else "USER"


def _cells(commit: Commit, now: int, full: bool) -> tuple[str, ...]:
    from penstock.compat.pachyderm.show import ago, bytes_size

    finished = ago(commit.finished, now, full)
    named = (commit.repo, commit.branch, commit.id, finished)
    return (*named, bytes_size(commit.size), _origin(commit), commit.message)


def _json(commit: Commit) -> dict[str, Any]:
    from penstock.model.views import show_time

    branch = {"repo": {"name": commit.repo, "type": "user"}, "name": commit.branch}
    said = {
        "commit": {"branch": branch, "id": commit.id},
        "origin": {"kind": _origin(commit)},
        "description": commit.message or None,
        "parent_commit": {"branch": branch, "id": commit.parent} if commit.parent else None,
        "started": show_time(commit.created),
        "finished": show_time(commit.finished),
        "error": commit.error,
        "details": {"size_bytes": str(commit.size)},
    }
    return {key: value for key, value in said.items() if value is not None}


@START.command("commit")
@click.argument("target", metavar="REPO@BRANCH")
@click.option("-m", "--message", default="", metavar="MSG", help="Why; kept with the commit.")
@raw_option
def start_commit(target: str, message: str, raw: bool) -> None:
    """Open a commit: what is put to the branch goes into it until it is finished. Prints its id."""
    from penstock.service.data import commits

    with project() as parts:
        (opened,) = commits.start(parts, [branch_reference(parts, target)], message)
    if raw:
        show_json([_json(opened)])
    else:
        print(opened.id)


@FINISH.command("commit")
@click.argument("target", metavar="REPO@BRANCH|REPO@COMMIT")
@raw_option
def finish_commit(target: str, raw: bool) -> None:
    """Finish an open commit; what reads its branch runs."""
    from penstock.service.data import commits

    with project() as parts:
        finished, run = commits.finish(parts, target)
    if raw:
        show_json(_json(commit) for commit in finished)
    if run is not None:
        talk(f"opened job {run.id}; `pachctl wait job {run.id}` sees it through")


@LIST.command("commit")
@click.argument("target", metavar="[ID|REPO|REPO@BRANCH]", required=False)
@click.option("-x", "--expand", is_flag=True, help="A line per commit, not per id.")
@number_option
@full_option
@raw_option
def list_commit(target: str | None, expand: bool, number: int | None, full: bool, raw: bool) -> None:
    """List ids by the commits that share them; those of one id, repo or branch, or with -x of all, newest first."""
    from itertools import islice

    from penstock.compat.pachyderm.show import table

    with project() as parts:
        if target is None and not expand:
            _list_global(parts, number, full, raw)
            return
        found = list(islice(_every(parts) if target is None else _listed(parts, target), number))
        now = parts.now()
    if raw:
        show_json(_json(commit) for commit in found)
    else:
        print(table(_HEADS, [_cells(commit, now, full) for commit in found]), end="")


def _list_global(parts: Parts, number: int | None, full: bool, raw: bool) -> None:
    from itertools import islice

    from penstock.compat.pachyderm.show import ago, bar, table
    from penstock.model.moves import JobState, Outcome
    from penstock.model.run import Commit, Job

    now, lines = parts.now(), []
    for wave in islice(dict.fromkeys(commit.id for commit in _every(parts)), number):
        made = [commit for commit in parts.store.load(Commit, "commits_of_run", run=wave) if commit.id == wave]
        if raw:
            show_json([{"commit_set": {"id": wave}, "commits": [_json(commit) for commit in made]}])
            continue
        repos = {commit.repo for commit in made}
        # A job makes its commit when it ends: those that are still to come count as well.
        jobs = [job for job in parts.store.load(Job, "jobs_of_run", run=wave) if job.repo and job.repo not in repos]
        left = sum(commit.finished is None for commit in made) + sum(job.state != JobState.DONE for job in jobs)
        bad = sum(commit.error is not None for commit in made)
        bad += sum(job.outcome in (Outcome.FAILED, Outcome.CANCELLED, Outcome.TERMINATED) for job in jobs)
        good = len(made) - sum(commit.finished is None or commit.error is not None for commit in made)
        moved = max(commit.finished or commit.created for commit in made)
        begun = ago(min(commit.created for commit in made), now, full)
        lines.append((wave, str(good + bad + left), bar(good, bad, left), begun, ago(moved, now, full)))
    if not raw:
        print(table(("ID", "SUBCOMMITS", "PROGRESS", "CREATED", "MODIFIED"), lines), end="")


def _every(parts: Parts) -> Iterator[Commit]:
    """The commits of all repos, newest first."""
    from heapq import merge

    from penstock.model.run import Repo

    lines = (_of_repo(parts, repo.name) for repo in parts.store.load(Repo, "repos"))
    return merge(*lines, key=lambda commit: -commit.seq)


def _listed(parts: Parts, target: str) -> Iterator[Commit]:
    from penstock.model.run import Commit, Repo
    from penstock.service import resolve

    names = [repo.name for repo in parts.store.load(Repo, "repos")]
    if "@" in target:
        if not is_empty(parts, branch_reference(parts, target)):
            yield from resolve.history(parts, _meant(parts, target))
    elif target in names or not resolve.is_id(target):
        yield from _of_repo(parts, resolve.repo(parts, target).name)
    else:
        named = (parts.store.load(Commit, "commits_like", repo=name, pattern=f"{target}*") for name in names)
        yield from (commit for found in named for commit in found)


def _meant(parts: Parts, target: str) -> Commit:
    """The commit of a reference; of a branch the one that is open on it, else its head. Raises NotFound."""
    from penstock.model.ids import parse_reference
    from penstock.service import resolve
    from penstock.service.data.committing import open_commit

    reference = branch_reference(parts, target)
    opened = open_commit(parts, reference.repo, reference.ref or "")
    return opened or resolve.commit(parts, parse_reference(target))


def _of_repo(parts: Parts, name: str) -> Iterator[Commit]:
    from penstock.model.run import Commit

    before = 1 << 62
    while page := parts.store.load(Commit, "commits_of_repo", repo=name, before=before, limit=PAGE):
        yield from page
        before = page[-1].seq


@INSPECT.command("commit")
@click.argument("target", metavar="ID|REPO@REF")
@full_option
@raw_option
def inspect_commit(target: str, full: bool, raw: bool) -> None:
    """Print one commit, or all that share an id."""
    with project() as parts:
        found, now = _named(parts, target), parts.now()
    if raw:
        show_json(_json(commit) for commit in found)
        return
    for commit in found:
        _describe(commit, now, full)


def _named(parts: Parts, target: str) -> list[Commit]:
    """The commit of a reference, or all that share an id. Raises NotFound, BadReference."""
    from penstock.model.run import Commit, Repo
    from penstock.service import resolve

    if "@" in target or not resolve.is_id(target) or parts.store.load(Repo, "repo", name=target):
        return [_meant(parts, target)]
    wave = resolve.wave_id(parts, target)
    return [commit for commit in parts.store.load(Commit, "commits_of_run", run=wave) if commit.id == wave]


def _describe(commit: Commit, now: int, full: bool) -> None:
    from penstock.compat.pachyderm.show import ago, bytes_size

    lines = [
        ("Commit", f"{commit.repo}@{commit.id}"),
        ("Original Branch", commit.branch),
        ("Description", commit.message),
        ("Parent", commit.parent),
        ("Started", ago(commit.created, now, full)),
        ("Finished", ago(commit.finished, now, full)),
        ("Size", bytes_size(commit.size)),
        ("Error", commit.error),
    ]
    for name, value in lines:
        if value:
            print(f"{name}: {value}")


@WAIT.command("commit")
@click.argument("target", metavar="ID|REPO@REF")
@raw_option
@click.pass_context
def wait_commit(ctx: click.Context, target: str, raw: bool) -> None:
    """See everything with an id through, or what makes the commit of a repo, and print the commits.

    Drives them if nobody does. Exit code 1 if one has an error, or a job that should have made one did not.
    """
    from penstock.compat.pachyderm.show import table
    from penstock.model.run import Commit, Job
    from penstock.service.answers.waiting import awaited

    with project() as parts:
        found = awaited(parts, target)
        if isinstance(found, Commit):
            made = _named(parts, target)
        else:
            run = found.run if isinstance(found, Job) else found.id
            see_through(parts, [run])
            repo = found.repo if isinstance(found, Job) else None
            made = parts.store.load(Commit, "commits_of_run", run=run)
            made = [commit for commit in made if repo is None or commit.repo == repo]
        if raw:
            show_json(_json(commit) for commit in made)
        else:
            print(table(_HEADS, [_cells(commit, parts.now(), False) for commit in made]), end="")
        if not made or any(commit.error for commit in made):
            ctx.exit(1)


@SQUASH.command("commit")
@click.argument("target", metavar="ID|REPO@COMMIT")
@force_option("Also if jobs read it that are done.")
@raw_option
def squash_commit(target: str, force: bool, raw: bool) -> None:
    """Take all commits of an id out of their lines, or one: those after them hold what they held."""
    from penstock.model.ids import parse_reference
    from penstock.service.data import removing

    with project() as parts:
        if "@" in target:
            gone = [removing.squash(parts, parse_reference(target), force=force)]
        else:
            gone = removing.squash_set(parts, target, force=force)
    if raw:
        show_json(_json(commit) for commit in gone)
    for commit in () if raw else gone:
        talk(f"squashed {commit.repo}@{commit.id}")
