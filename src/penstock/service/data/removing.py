"""Taking commits and runs out of history: squash, drop, and deleting a run. `docs/removing.md` has it in a table."""

from __future__ import annotations

from collections.abc import Collection

from penstock.model.errors import Refused
from penstock.model.ids import Reference
from penstock.model.moves import JobState, RunState
from penstock.model.run import Branch, Commit, Job, Run
from penstock.service import resolve
from penstock.service.parts import Parts

#: How many jobs or commits a refusal names.
FEW = 3


def squash(parts: Parts, target: Reference, *, force: bool = False) -> Commit:
    """Take a commit out of the line: the commits after it follow the one before it, and hold what they held.

    Refused without a finished commit after it, or while a branch points to it; and if jobs read it, of which `force`
    overrules those that are done.
    """
    with parts.store.transaction(durable=True):
        found = _removable(parts, target)
        _check_followed(parts, found)
        _check_unread(parts, [found], force, ())
        _forget(parts, found)
    return found


def squash_set(parts: Parts, text: str, *, force: bool = False) -> list[Commit]:
    """Take all commits of one id out of their lines: those people put, and what the run of that id made, with its jobs.

    All or nothing: refused as `squash` is for any of them, and while the run is not done. Its own jobs may have read
    them.
    """
    with parts.store.transaction(durable=True):
        run_id = resolve.wave_id(parts, text)
        runs = parts.store.load(Run, "run", id=run_id)
        jobs = parts.store.load(Job, "jobs_of_run", run=run_id)
        if runs and runs[0].state != RunState.DONE:
            raise Refused(f"run {run_id} is not done; `penstock stop {run_id[:12]}` ends it")
        found = [commit for commit in parts.store.load(Commit, "commits_of_run", run=run_id) if commit.id == run_id]
        for commit in found:
            if commit.finished is None:
                raise Refused(f"commit {commit.repo}@{run_id} is open; `penstock commit abandon {run_id[:12]}` ends it")
            if commit.error is None:
                _check_followed(parts, commit)
        _check_unread(parts, found, force, {job.seq for job in jobs})
        for commit in found:
            _forget(parts, commit)
        if runs:
            for query in _OF_A_RUN:
                parts.store.execute(query, run=run_id)
    return found


def _check_followed(parts: Parts, found: Commit) -> None:
    """Refuse unless one commit, which is finished, goes on from this one, and no branch points to it."""
    name = f"{found.repo}@{found.id}"
    after = parts.store.load(Commit, "children", repo=found.repo, id=found.id)
    if not any(child.finished for child in after):
        raise Refused(f"{name}: no finished commit follows this one; `penstock commit drop` takes away the last")
    if len(after) > 1:
        names = ", ".join(child.id[:12] for child in after[:FEW])
        raise Refused(f"{name}: {names} all go on from this one; a merge of them must know where they parted")
    at = [branch.name for branch in _heads_at(parts, found)]
    if at:
        raise Refused(f"{name}: branch {', '.join(at)} points to it; move or drop it, or squash those before it")


def drop(parts: Parts, target: Reference, *, force: bool = False) -> Commit:
    """Take away the last commit of a line: branches that point to it fall back to the one before it.

    No run opens; the next one reads what the branches hold then. Refused if a commit follows it, finished or open; and
    if jobs read it, of which `force` overrules those that are done.
    """
    with parts.store.transaction(durable=True):
        found = _removable(parts, target)
        children = parts.store.load(Commit, "children", repo=found.repo, id=found.id)
        after = [child for child in children if child.parent == found.id]
        if after:
            names = ", ".join(f"{child.id[:12]}{'' if child.finished else ' (open)'}" for child in after[:FEW])
            raise Refused(f"{target}: {names} follows this one; drop that first, or `penstock commit squash` this one")
        _check_unread(parts, [found], force, ())
        _forget(parts, found)
    return found


def delete_run(parts: Parts, text: str, *, force: bool = False) -> tuple[Run, list[Commit]]:
    """Forget a run: its jobs, tasks and results, and the commits they made. Branches fall back to the commit before.

    What people put stays, also the commit that opened the run. Refused while the run is not done; and if jobs of other
    runs read what it made, of which `force` overrules those that are done.
    """
    with parts.store.transaction(durable=True):
        found = resolve.run(parts, text)
        if found.state != RunState.DONE:
            raise Refused(f"run {found.id} is not done; `penstock stop {found.id[:12]}` ends it")
        jobs = parts.store.load(Job, "jobs_of_run", run=found.id)
        outputs = (resolve.commit_by_id(parts, job.repo, found.id) for job in jobs if job.repo is not None)
        made = [commit for commit in outputs if commit is not None and commit.origin == "job"]
        _check_unread(parts, made, force, {job.seq for job in jobs})
        for commit in made:
            _forget(parts, commit)
        for query in _OF_A_RUN:
            parts.store.execute(query, run=found.id)
    return found, made


#: In the order in which rows refer to each other.
_OF_A_RUN = (
    "forget_successes",
    "forget_attempts",
    "forget_tasks",
    "forget_edges",
    "forget_bases",
    "forget_jobs",
    "forget_events",
    "forget_opener",
    "forget_run",
)


def _removable(parts: Parts, target: Reference) -> Commit:
    found = resolve.commit(parts, target)
    if found.finished is None:
        raise Refused(f"{target}: this commit is open; `penstock commit abandon {found.id[:12]}` gives it up")
    if found.origin == "job":
        raise Refused(f"{target}: a job made this commit; `penstock run delete {found.id[:12]}` forgets that run")
    return found


def _check_unread(parts: Parts, commits: Collection[Commit], force: bool, own: Collection[int]) -> None:
    """Refuse if jobs (but `own`) read one of some commits."""
    for commit in commits:
        jobs = parts.store.load(Job, "readers", repo=commit.repo, commit=commit.id)
        readers = [job for job in jobs if job.seq not in own]
        waiting = [job.id for job in readers if job.state != JobState.DONE]
        name = f"commit {commit.repo}@{commit.id}"
        if waiting:
            raise Refused(f"{name} is read by {', '.join(waiting[:FEW])}; wait for the run, or stop it")
        if readers and not force:
            names = ", ".join(job.id for job in readers[:FEW])
            raise Refused(f"{name} was read by {names}; --force lets those results forget what they were made of")


def _heads_at(parts: Parts, found: Commit) -> list[Branch]:
    return parts.store.load(Branch, "heads_at", repo=found.repo, id=found.id)


def _forget(parts: Parts, found: Commit) -> None:
    now, heads = parts.now(), _heads_at(parts, found)
    before = resolve.commit_by_id(parts, found.repo, found.parent) if found.parent else None
    if heads and before is not None and before.forgotten is not None:
        raise Refused(
            f"{found.repo}@{heads[0].name} would fall back to {before.id}, whose bytes were given up; "
            "let another commit follow first"
        )
    for at in heads:
        parts.store.execute("set_head", repo=found.repo, name=at.name, head=found.parent, created=now)
    parts.store.execute("reparent", repo=found.repo, id=found.id, parent=found.parent)
    parts.store.execute("delete_commit", repo=found.repo, id=found.id)
