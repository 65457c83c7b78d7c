"""From what people type to rows: repos, branches, commits, runs, jobs and tasks, by name, id or the start of an id."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator

from penstock.model.errors import BadReference, NotFound
from penstock.model.ids import ID, Reference, split_ancestry
from penstock.model.run import Branch, Commit, Job, Repo, Run, Task
from penstock.model.views import show_time
from penstock.service.parts import Parts

#: How many leading hex digits name a run, commit or task.
SHORTEST = 6
#: How many commits one question brings.
HISTORY_PAGE = 500
_START_OF_ID = re.compile(rf"[0-9a-f]{{{SHORTEST},32}}")


#: The project in what rows of an export are marked with.
_MARK = re.compile(r"^[0-9a-f]{32}/")

#: What the newest run is called; a branch of that name goes before it.
LAST = "last"


def suggestion(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or what there is, or nothing."""
    from difflib import get_close_matches

    known = sorted(known)
    near = get_close_matches(name, known, 1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; there are {', '.join(known[:8])}" if known else ""


def repo(parts: Parts, name: str) -> Repo:
    found = parts.store.load(Repo, "repo", name=name)
    if not found:
        known = (item.name for item in parts.store.load(Repo, "repos"))
        raise NotFound(f"there is no repo {name!r}{suggestion(name, known)}")
    return found[0]


def branch(parts: Parts, repo_name: str, name: str) -> Branch | None:
    found = parts.store.load(Branch, "branch", repo=repo_name, name=name)
    return found[0] if found else None


def commit_by_id(parts: Parts, repo_name: str, commit_id: str) -> Commit | None:
    found = parts.store.load(Commit, "commit", repo=repo_name, id=commit_id)
    return found[0] if found else None


def head(parts: Parts, repo_name: str, name: str | None = None) -> Commit | None:
    """The commit a branch (None: the default one) points to; None where there is no repo, branch or commit yet."""
    there = parts.store.load(Repo, "repo", name=repo_name)
    if not there:
        return None
    found = branch(parts, repo_name, name or there[0].default_branch)
    return commit_by_id(parts, repo_name, found.head) if found and found.head else None


def commit(parts: Parts, reference: Reference) -> Commit:
    """The commit a reference names. A run's id names the run's commit there, else the one it used."""
    there = repo(parts, reference.repo)
    name, back, place = split_ancestry(reference.ref or there.default_branch)
    start = _start(parts, there, name)
    if place is not None:
        found = parts.store.load(Commit, "from_start", repo=there.name, id=start.id, nth=place)
    elif back:
        found = parts.store.load(Commit, "line", repo=there.name, id=start.id, skip=back, limit=1)
    else:
        return start
    if not found:
        most = 1 << 62
        count = parts.store.fetch("commits_since", repo=there.name, id=start.id, since=None, most=most)[0]["commits"]
        if place is not None:
            raise NotFound(f"{there.name}@{name} has only {count} commits, number {place} was asked for")
        raise NotFound(f"{there.name}@{name} has only {count - 1} ancestors, {back} were asked for")
    return found[0]


def history(parts: Parts, of: Commit) -> Iterator[Commit]:
    """A commit and its ancestors, newest first."""
    found: Commit | None = of
    while found is not None:
        page = parts.store.load(Commit, "line", repo=found.repo, id=found.id, skip=0, limit=HISTORY_PAGE)
        yield from page
        found = commit_by_id(parts, of.repo, page[-1].parent) if page[-1].parent else None


def _start(parts: Parts, there: Repo, name: str) -> Commit:
    named = branch(parts, there.name, name)
    if named is not None:
        found = named.head and commit_by_id(parts, there.name, named.head)
        if not found:
            raise NotFound(f"{there.name}@{name} has no commit yet; {_who_fills(parts, there.name)}")
        return found
    if name == LAST:
        name = run(parts, name).id
    if _START_OF_ID.fullmatch(name):
        candidates = parts.store.load(Commit, "commits_like", repo=there.name, pattern=f"{name}*")
        if len(candidates) > 1:
            raise BadReference(f"{there.name}@{name} fits several commits; give more digits")
        if candidates:
            return candidates[0]
        used = _used_by_run(parts, there.name, name)
        if used is not None:
            return used
    if not parts.store.load(Branch, "branches", repo=there.name) and name == there.default_branch:
        raise NotFound(f"repo {there.name!r} is empty; {_who_fills(parts, there.name)}")
    known = (item.name for item in parts.store.load(Branch, "branches", repo=there.name))
    raise NotFound(f"{there.name} has no branch or commit {name!r}{suggestion(name, known)}")


def _who_fills(parts: Parts, repo_name: str) -> str:
    for row in parts.store.fetch("publishers"):
        if row["repo"] == repo_name:
            return f"step {row['step']!r} publishes there once it succeeds: see `penstock explain {row['step']}`"
    return "put something there first"


def _used_by_run(parts: Parts, repo_name: str, start: str) -> Commit | None:
    """What a run read of a repo: itself, or what its inputs were made of, the nearest first."""
    found = parts.store.load(Run, "runs_like", pattern=f"{start}*")
    if len(found) != 1:
        return None
    todo = deque(parts.store.load(Job, "jobs_of_run", run=found[0].id))
    seen = {job.seq for job in todo}
    while todo:
        reads = todo.popleft().inputs
        for item in reads:
            used = commit_by_id(parts, repo_name, item.commit) if item.commit and item.repo == repo_name else None
            if used is not None:
                return used
        for item in reads:
            for maker in parts.store.load(Job, "jobs_of_run", run=item.commit) if item.commit else ():
                if maker.repo == item.repo and maker.seq not in seen:
                    seen.add(maker.seq)
                    todo.append(maker)
    return None


def holder(parts: Parts, reference: Reference) -> Commit | Job:
    """Who holds the tree a reference names: a commit, or the job that left one without a repo."""
    name, store = reference.repo, parts.store
    if not store.load(Repo, "repo", name=name) and store.load(
        Job, "jobs_of_step", step=name, pipeline=None, before=1 << 62, limit=1
    ):
        return job(parts, f"{name}@{reference.ref}" if reference.ref else name)
    return readable(parts, commit(parts, reference))  # which says what repos there are


def readable(parts: Parts, found: Commit) -> Commit:
    """The commit itself. Raises NotFound if its bytes were given up."""
    if found.forgotten is not None:
        rule = rule_of(repo(parts, found.repo))
        raise NotFound(
            f"{found.repo}@{found.id}: its bytes were given up at {show_time(found.forgotten)}, "
            f"repo {found.repo!r} keeps {rule}; `penstock log` still shows it"
        )
    return found


def rule_of(there: Repo) -> str:
    """Which commits of a repo keep their bytes, in words."""
    from penstock.text.units import show_seconds

    words = []
    if there.keep_commits is not None:
        words.append(f"the newest {there.keep_commits} of each branch")
    if there.keep_for is not None:
        time = show_seconds(there.keep_for / 1e6).removesuffix("00h").removesuffix("00m").removesuffix("00s")
        words.append(f"all of the last {time}")
    return " and ".join(words) or "all commits"


def tree_root(parts: Parts, reference: Reference) -> bytes:
    """The root of the tree a reference names."""
    found = holder(parts, reference)
    return found.root if isinstance(found, Commit) else found.tree


def run(parts: Parts, text: str) -> Run:
    """A run by its id or the start of it; `last` is the newest."""
    if text == LAST:
        found = parts.store.load(Run, "last_run")
        if not found:
            raise NotFound("there is no run yet; start one with `penstock run`")
        return found[0]
    if not _START_OF_ID.fullmatch(text):
        raise BadReference(f"{text!r}: expected a run id ({SHORTEST} to 32 hex digits) or `last`")
    found = parts.store.load(Run, "runs_like", pattern=f"{text}*")
    if not found:
        raise NotFound(f"there is no run {text}; see `penstock run list`")
    if len(found) > 1:
        raise BadReference(f"{text} fits several runs; give more digits")
    return found[0]


def wave_id(parts: Parts, text: str) -> str:
    """The one id that a run, commits, or both have, by its start."""
    if not _START_OF_ID.fullmatch(text):
        raise BadReference(f"{text!r}: expected an id ({SHORTEST} to 32 hex digits), or REPO@COMMIT")
    found = {row.id for row in parts.store.load(Run, "runs_like", pattern=f"{text}*")}
    for there in parts.store.load(Repo, "repos"):
        found |= {row.id for row in parts.store.load(Commit, "commits_like", repo=there.name, pattern=f"{text}*")}
    if not found:
        raise NotFound(f"no run and no commit has the id {text}")
    if len(found) > 1:
        raise BadReference(f"{text} fits several ids; give more digits")
    return found.pop()


def job(parts: Parts, text: str) -> Job:
    """A job by `step@run`, or a step's newest job by `step`. `pipeline.step@run` where two pipelines share a name.

    What rows of an export are marked with, `project/repo@run`, is the job that published there.
    """
    text = _MARK.sub("", text)
    pipeline, _, rest = text.rpartition(".")
    step, _, run_text = rest.partition("@")
    if run_text:
        owner = run(parts, run_text)
        found = parts.store.load(Job, "job_named", run=owner.id, step=step)
        if not found:
            jobs = parts.store.load(Job, "jobs_of_run", run=owner.id)
            found = [item for item in jobs if item.repo == step]
        if not found:
            known = (item.step for item in jobs)
            raise NotFound(f"run {owner.id} has no job {step!r}{suggestion(step, known)}")
    else:
        found = parts.store.load(Job, "jobs_of_step", step=step, pipeline=pipeline or None, before=1 << 62, limit=1)
        if not found:
            known = (item.name for _, spec in parts.pipelines().values() for item in spec.steps)
            if pipeline and pipeline not in parts.pipelines():
                raise NotFound(f"there is no pipeline {pipeline!r}; of a file: `penstock trace REPO:/{text}`")
            raise NotFound(f"no job of a step {step!r} yet{suggestion(step, known)}")
    if pipeline:
        found = [item for item in found if item.pipeline == pipeline]
    if len(found) != 1:
        raise BadReference(f"{text!r} names {len(found)} jobs; write PIPELINE.STEP@RUN")
    return found[0]


def task(parts: Parts, text: str) -> Task:
    """A task by its id or the start of it; the newest where a binding ran in several jobs."""
    if not _START_OF_ID.fullmatch(text):
        raise BadReference(f"{text!r}: expected a task id ({SHORTEST} to 32 hex digits); see `penstock task list JOB`")
    found = parts.store.load(Task, "task", pattern=f"{text}*")
    if not found:
        raise NotFound(f"there is no task {text}; see `penstock task list JOB`")
    if len({item.id for item in found}) > 1:
        raise BadReference(f"{text} fits several tasks; give more digits")
    return found[0]


def is_id(text: str) -> bool:
    """Whether a text could be an id or the start of one."""
    return bool(_START_OF_ID.fullmatch(text) or ID.fullmatch(text))
