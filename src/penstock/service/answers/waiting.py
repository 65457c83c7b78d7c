"""What people may wait for: a run, a job, or a commit, which means whoever makes it or works on it."""

from __future__ import annotations

from penstock.model.errors import BadReference, NotFound, Refused
from penstock.model.ids import Reference, parse_reference
from penstock.model.run import Commit, Job, Repo, Run
from penstock.service import resolve
from penstock.service.parts import Parts


def awaited(parts: Parts, text: str) -> Run | Job | Commit:
    """What is waited for when somebody says `text`: a run by id, a job, or `REPO@REF`.

    A commit that a step makes: its job. One that people made: the run it opened, or itself if it opened none; so an id
    that only people's commits have is one of these. A branch that a step publishes to: the newest job that will move
    it. Raises NotFound, BadReference, Refused.
    """
    if text == resolve.LAST:
        return resolve.run(parts, text)
    if resolve.is_id(text):
        wave = resolve.wave_id(parts, text)
        runs = parts.store.load(Run, "run", id=wave)
        if runs:
            return runs[0]
        made = parts.store.load(Commit, "commits_of_run", run=wave)
        return [_followed(parts, commit) for commit in made][-1]
    try:
        return resolve.job(parts, text)
    except (NotFound, BadReference):
        reference = parse_reference(text)
        if reference.path or not parts.store.load(Repo, "repo", name=reference.repo):
            raise
        return _maker(parts, reference) or _of_commit(parts, reference)


def _maker(parts: Parts, reference: Reference) -> Job | None:
    """The job that makes a commit, named by its run, or that will move a branch next."""
    if reference.ref is not None and resolve.is_id(reference.ref):
        runs = parts.store.load(Run, "runs_like", pattern=f"{reference.ref}*")
        jobs = parts.store.load(Job, "jobs_of_run", run=runs[0].id) if len(runs) == 1 else []
        return next((job for job in jobs if job.repo == reference.repo), None)
    default = resolve.repo(parts, reference.repo).default_branch
    if reference.ref not in (None, default):
        return None
    return next(reversed(parts.store.load(Job, "unfinished_publishers", repo=reference.repo)), None)


def _of_commit(parts: Parts, reference: Reference) -> Run | Job | Commit:
    return _followed(parts, resolve.commit(parts, reference))


def _followed(parts: Parts, commit: Commit) -> Run | Job | Commit:
    if commit.finished is None:
        raise Refused(
            f"commit {commit.repo}@{commit.id} is open; `penstock commit finish {commit.id[:12]}` finishes it"
        )
    if commit.run is None:
        return commit
    run = resolve.run(parts, commit.run)
    made = parts.store.load(Job, "jobs_of_run", run=run.id) if commit.origin == "job" else []
    return next((job for job in made if job.repo == commit.repo), run)
