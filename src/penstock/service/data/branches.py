"""Making, moving and forgetting branches, with their refusals."""

from __future__ import annotations

from msgspec import Struct

from penstock.model.errors import AlreadyExists, NotFound, Refused, UsageError
from penstock.model.ids import Reference, check_name
from penstock.model.run import Branch, Commit, Run
from penstock.service import resolve
from penstock.service.data.committing import check_branch, check_movable, open_commit
from penstock.service.opening.firing import watchers
from penstock.service.opening.launch import advance
from penstock.service.parts import Parts


class Moved(Struct, frozen=True):
    """A branch as it is now, and the run that opened downstream."""

    branch: Branch
    run: Run | None


def create_branch(parts: Parts, repo: str, name: str, head: Reference | None) -> Moved:
    """A branch; or a branch moved to another commit of its repo, which keeps its id. Nothing is copied.

    Of a repo that a directory or a step fills, the branch that it fills stays theirs. What reads the branch runs anew.
    Triggers that watch it stay as they are: they wait for a commit. Raises AlreadyExists, Refused, NotFound; UsageError
    for a head in another repo.
    """
    check_name(name, "branch")
    with parts.store.transaction(durable=True):
        if head is not None and head.repo != repo:
            raise UsageError(f"{head}: a branch of {repo!r} cannot point into {head.repo!r}")
        check_branch(parts, repo, resolve.repo(parts, repo), name)
        target = None if head is None else check_head(resolve.commit(parts, head), head)
        there = resolve.branch(parts, repo, name)
        run = None
        if target is None:
            if there is not None:
                raise AlreadyExists(f"branch {repo}@{name} exists already; --head moves it")
            parts.store.insert([Branch(repo, name, None, parts.now())])
        else:
            check_movable(parts, repo, name)
            if there is None or there.head != target.id:
                run = advance(parts, {(repo, name): target.id}, parts.new_id(), fires=False)
        found = resolve.branch(parts, repo, name)
    assert found is not None
    return Moved(found, run)


def check_head(found: Commit, named: Reference) -> Commit:
    """Raises Refused for a commit that no branch may point to."""
    if found.finished is None:
        raise Refused(f"{named}: this commit is open; finish it first")
    if found.error:
        raise Refused(f"{named}: this commit has an error ({found.error}) and cannot be a head")
    if found.forgotten is not None:
        raise Refused(f"{named}: the bytes of this commit were given up, so it cannot be a head")
    return found


def delete_branch(parts: Parts, repo: str, name: str, *, force: bool = False) -> None:
    """Forget a branch; its commits stay readable by id.

    Refused for the default branch and for one that a pipeline reads; without `force` also while a commit is open to it
    (which is then abandoned) or another branch follows it (which then stays where it is).
    """
    there = resolve.repo(parts, repo)
    with parts.store.transaction(durable=True):
        if resolve.branch(parts, repo, name) is None:
            raise NotFound(f"{repo} has no branch {name!r}")
        if name == there.default_branch:
            raise Refused(f"{repo}@{name} is the default branch; delete the repo, or make another commit instead")
        readers = [
            f"step {step.name!r} of pipeline {spec.name!r}"
            for _, spec in parts.pipelines().values()
            for step in spec.steps
            if step.input and any((leaf.repo, leaf.branch) == (repo, name) for leaf in step.input.leaves())
        ]
        if readers:
            raise Refused(f"branch {repo}@{name} is read by {', '.join(readers)}; delete the pipeline first")
        opened, following = open_commit(parts, repo, name), watchers(parts, repo, name)
        if opened is not None and not force:
            raise Refused(f"branch {repo}@{name} has the open commit {opened.id}: finish it, or use --force to lose it")
        if following and not force:
            names = ", ".join(f"{repo}@{trigger.branch}" for trigger in following)
            raise Refused(f"branch {repo}@{name} is followed by {names}; --force ends that trigger, too")
        if opened is not None:
            parts.store.execute("delete_commit", repo=repo, id=opened.id)
        for trigger in following:
            parts.store.execute("delete_trigger", repo=repo, branch=trigger.branch)
        parts.store.execute("delete_trigger", repo=repo, branch=name)
        parts.store.execute("delete_branch", repo=repo, name=name)
