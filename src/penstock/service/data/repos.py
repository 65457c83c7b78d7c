"""Making and forgetting repos, with their refusals."""

from __future__ import annotations

from pathlib import Path

from penstock.model.errors import AlreadyExists, Refused, UsageError
from penstock.model.ids import check_name
from penstock.model.moves import JobState
from penstock.model.run import Commit, Job, Repo
from penstock.model.spec import DEFAULT_BRANCH
from penstock.service import resolve
from penstock.service.opening.launch import ensure_repos
from penstock.service.parts import Parts


def create_repo(parts: Parts, name: str, path: str | None = None, branch: str = DEFAULT_BRANCH) -> Repo:
    """An empty repo with its default branch; with `path`, linked to that directory of the project."""
    check_name(name, "repo")
    if path is not None:
        path = _inside(parts, path)
    with parts.store.transaction(durable=True):
        made = ensure_repos(parts, [name], parts.now(), branch)
        if not made:
            raise AlreadyExists(f"repo {name!r} exists already")
        if path is not None:
            parts.store.execute("link_repo", name=name, path=path)
    return resolve.repo(parts, name)


def _inside(parts: Parts, path: str) -> str:
    """A directory as links name it: its path in the project, elsewhere an absolute one. Raises UsageError."""
    directory, root = Path(path).resolve(), parts.layout.root
    if not directory.is_dir():
        raise UsageError(f"{path}: is no directory; make it first")
    if root.is_relative_to(directory) or directory.is_relative_to(parts.layout.home):
        raise UsageError(f"{path}: holds the project {root} or is its own data, and cannot be linked")
    inside = str(directory.relative_to(root) if directory.is_relative_to(root) else directory)
    other = next((repo for repo in parts.store.load(Repo, "repos") if repo.path == inside), None)
    if other is not None:
        raise UsageError(f"{path}: is linked to repo {other.name!r} already")
    return inside


def delete_repo(parts: Parts, name: str, *, force: bool = False) -> None:
    """Forget a repo and its history. Refused while a pipeline in force names it or a job that is not done needs it;
    without `force` also while a commit is open in it.
    """
    resolve.repo(parts, name)
    with parts.store.transaction(durable=True):
        used = _users(parts, name)
        if used:
            raise Refused(f"repo {name!r} is used by {', '.join(used)}; delete the pipeline first")
        waiting = unfinished(parts, name)
        if waiting:
            raise Refused(f"repo {name!r} is used by {', '.join(waiting)}; wait for the run, or stop it")
        opened = [item for item in parts.store.load(Commit, "open_commits") if item.repo == name]
        if opened and not force:
            raise Refused(f"repo {name!r} has the open commit {opened[0].id}: finish it, or use --force to lose it")
        parts.store.execute("unset_heads", repo=name)
        parts.store.execute("delete_repo", name=name)


def _users(parts: Parts, name: str) -> list[str]:
    users = []
    for _, spec in parts.pipelines().values():
        for step in spec.steps:
            reads = step.input is not None and any(leaf.repo == name for leaf in step.input.leaves())
            if reads or step.output == name:
                users.append(f"step {step.name!r} of pipeline {spec.name!r}")
        if any(repo.name == name and repo.path is not None for repo in spec.repos):
            users.append(f"pipeline {spec.name!r}, which links it")
    return users


def unfinished(parts: Parts, name: str) -> list[str]:
    """Jobs that are not done and read a repo or publish to it."""
    active = (job for job in parts.store.load(Job, "active_jobs") if job.state != JobState.DONE)
    return [f"job {job.id}" for job in active if job.repo == name or any(item.repo == name for item in job.inputs)]
