"""Making and forgetting repos, branches and commits, with their refusals."""

from __future__ import annotations

from penstock.model.errors import AlreadyExists, NotFound, Refused
from penstock.model.ids import Reference, check_name
from penstock.model.moves import JobState
from penstock.model.run import Branch, Commit, Job, Repo
from penstock.service import resolve
from penstock.service.data.committing import Change, Written, check_writable, write
from penstock.service.opening.launch import Draft, commit, ensure_repos
from penstock.service.parts import Parts


def create_repo(parts: Parts, name: str, path: str | None = None) -> Repo:
    """An empty repo with its default branch."""
    check_name(name, "repo")
    with parts.store.transaction(durable=True):
        made = ensure_repos(parts, [name], parts.now())
        if not made:
            raise AlreadyExists(f"repo {name!r} exists already")
        if path is not None:
            parts.store.execute("link_repo", name=name, path=path)
    return resolve.repo(parts, name)


def delete_repo(parts: Parts, name: str) -> None:
    """Forget a repo and its history. Refused while a pipeline reads or writes it."""
    resolve.repo(parts, name)
    used = _users(parts, name)
    if used:
        raise Refused(f"repo {name!r} is used by {', '.join(used)}; delete the pipeline first")
    with parts.store.transaction(durable=True):
        waiting = _jobs_with(parts, name)
        if waiting:
            raise Refused(f"repo {name!r} is used by {', '.join(waiting)}; wait for the run, or stop it")
        parts.store.execute("unset_heads", repo=name)
        parts.store.execute("delete_repo", name=name)


def _users(parts: Parts, name: str) -> list[str]:
    users = []
    for _, spec in parts.pipelines().values():
        for step in spec.steps:
            reads = step.input is not None and any(leaf.repo == name for leaf in step.input.leaves())
            if reads or step.output == name:
                users.append(f"step {step.name!r} of pipeline {spec.name!r}")
    return users


def _jobs_with(parts: Parts, name: str) -> list[str]:
    """Jobs that are not done and read a repo or publish to it."""
    active = (job for job in parts.store.load(Job, "active_jobs") if job.state != JobState.DONE)
    return [f"job {job.id}" for job in active if job.repo == name or any(item.repo == name for item in job.inputs)]


def create_branch(parts: Parts, repo: str, name: str, head: Reference | None) -> Branch:
    """A branch, or a branch moved to another commit of its repo; moving one opens a run downstream."""
    check_name(name, "branch")
    there = resolve.repo(parts, repo)
    check_writable(parts, repo, there)
    target = resolve.commit(parts, head) if head else None
    if target is not None and target.error:
        raise Refused(f"{head}: this commit has an error ({target.error}) and cannot be a head")
    with parts.store.transaction(durable=True):
        now = parts.now()
        if target is None:
            if resolve.branch(parts, repo, name) is not None:
                raise AlreadyExists(f"branch {repo}@{name} exists already")
            parts.store.insert([Branch(repo, name, None, now)])
        else:
            parent = target.id
            draft = Draft(repo, name, parent, target.root, target.files, target.size, "copy", f"moved to {target.id}")
            commit(parts, [draft], parts.new_id())
    found = resolve.branch(parts, repo, name)
    assert found is not None
    return found


def delete_branch(parts: Parts, repo: str, name: str) -> None:
    """Forget a branch; its commits stay readable by id."""
    there = resolve.repo(parts, repo)
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
    with parts.store.transaction(durable=True):
        parts.store.execute("delete_branch", repo=repo, name=name)


def create_commit(parts: Parts, target: Reference, message: str) -> Written:
    """A commit with the tree of the head: it opens a run downstream although nothing changed."""
    there = resolve.repo(parts, target.repo)
    check_writable(parts, target.repo, there)
    with parts.objects.writer() as writer:
        return write(parts, target, lambda pages, root: Change(root, 0, 0, 0), writer, message)


def delete_commit(parts: Parts, target: Reference) -> Commit:
    """Drop a commit that is nobody's input; heads on it fall back to its parent, children continue from there."""
    found = resolve.commit(parts, target)
    check_writable(parts, target.repo, resolve.repo(parts, target.repo))
    users = _readers_of(parts, found)
    if users:
        raise Refused(f"commit {found.repo}@{found.id} was read by {', '.join(users)}; its results refer to it")
    with parts.store.transaction(durable=True):
        now = parts.now()
        for at in parts.store.load(Branch, "heads_at", repo=found.repo, id=found.id):
            parts.store.execute("set_head", repo=found.repo, name=at.name, head=found.parent, created=now)
        parts.store.execute("reparent", repo=found.repo, id=found.id, parent=found.parent)
        parts.store.execute("delete_commit", repo=found.repo, id=found.id)
    return found


def _readers_of(parts: Parts, found: Commit) -> list[str]:
    jobs = parts.store.load(Job, "jobs_reading", pattern=f"*{found.id}*")
    return [job.id for job in jobs if any(i.repo == found.repo and i.commit == found.id for i in job.inputs)][:3]
