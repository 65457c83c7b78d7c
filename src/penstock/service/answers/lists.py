"""Pages of things, and single things, as views. A cursor is opaque: what the page before gave as `next`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from penstock.model.errors import NotFound, UsageError
from penstock.model.ids import Reference
from penstock.model.moves import Outcome
from penstock.model.run import Branch, Commit, Job, Repo, Run, Task, Trigger
from penstock.model.views import (
    BranchView,
    CommitView,
    DocumentView,
    JobView,
    PipelineView,
    RepoView,
    RunView,
    TaskView,
)
from penstock.model.words import run_word, task_word
from penstock.service import resolve
from penstock.service.answers import views
from penstock.service.answers.states import among, picked, read_states
from penstock.service.parts import Parts
from penstock.service.userdata import documents as userdata

View = TypeVar("View")
Row = TypeVar("Row")

#: Before the newest row, after the oldest.
_NEWEST = 1 << 62
_OLDEST = 0


@dataclass(frozen=True, slots=True)
class Page(Generic[View]):
    """Some views, and the cursor to go on with; None at the end."""

    items: Sequence[View]
    next: str | None = None


def _cursor(after: str | None, first: int) -> int:
    if after is None:
        return first
    if not (after.isascii() and after.isdigit()) or len(after) > 18:
        raise UsageError(f"--after {after}: is no cursor; use the `next` of an earlier list")
    return int(after)


def _page(rows: Sequence[Any], limit: int, show: Callable[[Any], View]) -> Page[View]:
    """A page of rows that were asked for with one more than `limit`."""
    more = len(rows) > limit
    return Page([show(row) for row in rows[:limit]], str(rows[limit - 1].seq) if more else None)


def _by_name(rows: Sequence[Row], name: Callable[[Row], str], limit: int, after: str | None) -> Page[Row]:
    """A page of things that are few and sorted by name; the cursor is a name."""
    left = [row for row in rows if after is None or name(row) > after]
    return Page(left[:limit], name(left[limit - 1]) if len(left) > limit else None)


def repos(parts: Parts, limit: int, after: str | None) -> Page[RepoView]:
    """Repos by name."""
    page = _by_name(parts.store.load(Repo, "repos"), lambda repo: repo.name, limit, after)
    return Page([views.repo_view(parts, repo) for repo in page.items], page.next)


def branches(parts: Parts, repo: str, limit: int, after: str | None) -> Page[BranchView]:
    """The branches of a repo by name. Raises NotFound."""
    found = parts.store.load(Branch, "branches", repo=resolve.repo(parts, repo).name)
    page = _by_name(found, lambda branch: branch.name, limit, after)
    triggers = parts.store.load(Trigger, "triggers", repo=repo)
    return Page([views.branch_view(branch, triggers) for branch in page.items], page.next)


def branch(parts: Parts, repo: str, name: str) -> BranchView:
    """One branch. Raises NotFound."""
    known = parts.store.load(Branch, "branches", repo=resolve.repo(parts, repo).name)
    found = next((item for item in known if item.name == name), None)
    if found is None:
        raise NotFound(f"{repo} has no branch {name!r}{resolve.suggestion(name, (item.name for item in known))}")
    return views.branch_view(found, parts.store.load(Trigger, "triggers", repo=repo))


def commits(parts: Parts, of: Reference, limit: int, after: str | None) -> Page[CommitView]:
    """Commits of a repo, or those made on one of its branches, newest first. Raises NotFound."""
    repo, before = resolve.repo(parts, of.repo).name, _cursor(after, _NEWEST)
    if of.ref is None:
        rows = parts.store.load(Commit, "commits_of_repo", repo=repo, before=before, limit=limit + 1)
    else:
        name = branch(parts, repo, of.ref).branch
        rows = parts.store.load(Commit, "commits_of_branch", repo=repo, branch=name, before=before, limit=limit + 1)
    return _page(rows, limit, views.commit_view)


def pipelines(parts: Parts, limit: int, after: str | None) -> Page[PipelineView]:
    """The pipelines in force by name."""
    return _by_name(views.pipeline_views(parts), lambda view: view.pipeline, limit, after)


def pipeline(parts: Parts, name: str) -> PipelineView:
    """One pipeline in force. Raises NotFound."""
    known = {view.pipeline: view for view in views.pipeline_views(parts)}
    if name not in known:
        raise NotFound(f"there is no pipeline {name!r}{resolve.suggestion(name, known)}")
    return known[name]


def runs(
    parts: Parts, pipeline_name: str | None, limit: int, after: str | None, states: Sequence[str] = ()
) -> Page[RunView]:
    """Runs with their jobs, newest first; of some states only, if any are named. Raises NotFound, UsageError."""
    wanted, before = read_states(states, "run"), _cursor(after, _NEWEST)
    name = None if pipeline_name is None else pipeline(parts, pipeline_name).pipeline

    def load(before: int, count: int) -> list[Run]:
        if name is None:
            return parts.store.load(Run, "runs", before=before, limit=count)
        return parts.store.load(Run, "runs_of", pipeline=name, before=before, limit=count)

    def word(run: Run) -> str:
        return run_word(run.state, run.outcome, run.reason, run.hold)

    rows = picked(load, before, limit + 1, word, wanted) if wanted else load(before, limit + 1)
    return _page(rows, limit, lambda run: views.run_view(run, parts.store.load(Job, "jobs_of_run", run=run.id)))


def jobs(parts: Parts, of: str | None, limit: int, after: str | None, states: Sequence[str] = ()) -> Page[JobView]:
    """Jobs newest first, of a step or of all; or the jobs of a run in order; of some states only, if any are named.
    Raises NotFound, UsageError.
    """
    store, holds, wanted = parts.store, _Holds(parts), read_states(states, "job")
    if of is not None and (of == "last" or resolve.is_id(of)):
        run = resolve.run(parts, of)
        start = _cursor(after, _OLDEST)
        rows = [job for job in store.load(Job, "jobs_of_run", run=run.id) if job.seq > start]
        return _page([job for job in rows if not wanted or holds.view(job).state in wanted], limit, holds.view)
    newest = resolve.job(parts, of) if of is not None else None
    whose = {"step": newest and newest.step, "pipeline": newest and newest.pipeline}

    def load(before: int, count: int) -> list[Job]:
        if wanted:
            return store.load(Job, "jobs_among", **whose, among=among(wanted), before=before, limit=count)
        if newest is None:
            return store.load(Job, "jobs", before=before, limit=count)
        return store.load(Job, "jobs_of_step", **whose, before=before, limit=count)

    before = _cursor(after, _NEWEST)
    if not wanted:
        return _page(load(before, limit + 1), limit, holds.view)
    return _page(picked(load, before, limit + 1, lambda job: holds.view(job).state, wanted), limit, holds.view)


class _Holds:
    """Job views know whether their run is held; runs are looked up once."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.known: dict[str, str | None] = {}

    def view(self, job: Job) -> JobView:
        if job.run not in self.known:
            self.known[job.run] = self.parts.store.load(Run, "run", id=job.run)[0].hold
        return views.job_view(job, self.known[job.run])


def job(parts: Parts, text: str) -> JobView:
    """One job. Raises NotFound, BadReference."""
    return _Holds(parts).view(resolve.job(parts, text))


def tasks(parts: Parts, job_text: str, limit: int, after: str | None, states: Sequence[str] = ()) -> Page[TaskView]:
    """The tasks a job ran, in order, of some states only, if any are named; reused ones are results, not tasks.
    Raises NotFound, UsageError.
    """
    of, wanted, start = resolve.job(parts, job_text), read_states(states, "task"), _cursor(after, _OLDEST)

    def load(after: int, count: int) -> list[Task]:
        if wanted:
            return parts.store.load(Task, "tasks_among", job=of.seq, among=among(wanted), after=after, limit=count)
        return parts.store.load(Task, "tasks_of_job", job=of.seq, after=after, limit=count)

    def word(task: Task) -> str:
        return task_word(task.state, task.outcome, task.reason)

    rows = picked(load, start, limit + 1, word, wanted) if wanted else load(start, limit + 1)
    return _page(rows, limit, lambda task: views.task_view(parts, task, of))


def task(parts: Parts, text: str) -> TaskView:
    """One task. Raises NotFound, BadReference."""
    found = resolve.task(parts, text)
    return views.task_view(parts, found, parts.store.load(Job, "job", seq=found.job)[0])


def documents(
    parts: Parts, pipeline_name: str | None, step: str | None, limit: int, after: str | None
) -> Page[DocumentView]:
    """User data of a pipeline and its steps, or of one step, oldest first. Raises NotFound, UsageError."""
    rows = userdata.page(parts, pipeline_name, step, _cursor(after, _OLDEST), limit + 1)
    return _page(rows, limit, views.document_view)


def failed_tasks(parts: Parts, of: JobView, limit: int) -> list[TaskView]:
    """The first tasks of a job that failed."""
    return _ended(parts, of, Outcome.FAILED, limit)


def left_out_tasks(parts: Parts, of: JobView, limit: int) -> list[TaskView]:
    """The first tasks of a job that it went on without, as their `err_run` said."""
    return _ended(parts, of, Outcome.RECOVERED, limit)


def _ended(parts: Parts, of: JobView, outcome: Outcome, limit: int) -> list[TaskView]:
    run = of.job.rpartition("@")[2]
    named = parts.store.load(Job, "job_named", run=run, step=of.step)
    row = next(item for item in named if item.pipeline == of.pipeline)
    found = parts.store.load(Task, "first_tasks", job=row.seq, outcome=outcome, limit=limit)
    return [views.task_view(parts, task, row) for task in found]
