"""From rows to the shapes of `model.views`."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import asdict

from penstock.model import times
from penstock.model.data import show_id
from penstock.model.documents import read_body
from penstock.model.errors import NotFound
from penstock.model.run import Attempt, Branch, Commit, Document, Job, Repo, Run, Task, Trigger
from penstock.model.views import (
    AttemptView,
    BranchView,
    CommitView,
    Counts,
    DocumentView,
    JobStats,
    JobView,
    PipelineView,
    RepoView,
    RunView,
    TaskView,
    TriggerView,
    WaveView,
    show_time,
)
from penstock.model.words import ended_word, job_word, run_word, task_word
from penstock.service import resolve
from penstock.service.parts import Parts
from penstock.text.units import show_seconds, show_size


def wave_view(parts: Parts, run: Run) -> WaveView:
    """A run with its jobs, and its commits in every repo."""
    made = parts.store.load(Commit, "commits_of_run", run=run.id)
    view = run_view(run, parts.store.load(Job, "jobs_of_run", run=run.id))
    return WaveView(**asdict(view), commits=tuple(commit_view(commit) for commit in made))


def run_view(run: Run, jobs: Iterable[Job] = ()) -> RunView:
    return RunView(
        run=run.id,
        state=run_word(run.state, run.outcome, run.reason, run.hold),
        reason=run.reason,
        pipeline=run.pipeline,
        version=run.version,
        origin=run.origin,
        params=run.params,
        created=show_time(run.created),
        started=show_time(run.started),
        finished=show_time(run.finished),
        jobs=tuple(job_view(job, run.hold) for job in jobs),
    )


def counts(job: Job) -> Counts:
    return Counts(job.total, job.processed, job.reused, job.recovered, job.failed, job.cancelled, job.left)


def job_view(job: Job, run_hold: str | None = None) -> JobView:
    return JobView(
        job=job.id,
        pipeline=job.pipeline,
        step=job.step,
        state=job_word(job.state, job.outcome, job.reason, job.reached, job.hold or run_hold),
        reason=job.reason,
        message=job.message or job.unexported or "",
        tasks=counts(job),
        output=f"{job.repo}@{job.run}" if job.repo is not None else None,
        created=show_time(job.created),
        started=show_time(job.started),
        finished=show_time(job.finished),
        stats=JobStats(
            job.download_bytes,
            job.upload_bytes,
            round(job.process_seconds, 6),
            round(job.download_seconds, 6),
            round(job.upload_seconds, 6),
            round(job.cpu_seconds, 6),
            job.peak_memory,
        ),
        restarts=job.restarts,
        kept=job.kept,
    )


def task_view(parts: Parts, task: Task, job: Job) -> TaskView:
    """A task with its attempts, what it was given and what it wrote."""
    from penstock.objects import map as pages_map
    from penstock.service.bindings.work import decode_inputs

    attempts = parts.store.load(Attempt, "attempts", task=task.seq)
    try:
        written = [path.decode() for path, _ in pages_map.scan(parts.objects.pages, task.output)]
    except NotFound:
        written = []  # its job's commit was forgotten, and its result with it
    return TaskView(
        task=task.id,
        job=job.id,
        binding=task.key,
        state=task_word(task.state, task.outcome, task.reason),
        outcome=task.outcome,
        reason=task.reason,
        message=task.message,
        reused=task.reused,
        inputs=tuple(
            {
                "name": item.name,
                "path": f"/{item.path}",
                "directory": item.directory,
                "content": show_content(item.content),
            }
            for item in decode_inputs(task.inputs)
        ),
        params=task.params,
        output=tuple(written),
        attempts=tuple(attempt_view(attempt) for attempt in attempts),
        fingerprint=task.fingerprint.hex(),
        stats=_stats(attempts[-1]) if attempts else {},
        held=task.hold is not None,
    )


def show_content(content: bytes) -> str:
    """What names an input's content: the root of a directory, or a digest-like form of a file's entry."""
    import hashlib

    return show_id(content) if len(content) == 33 else f"entry:{hashlib.blake2b(content, digest_size=16).hexdigest()}"


def attempt_view(attempt: Attempt) -> AttemptView:
    return AttemptView(
        attempt=attempt.number,
        state=attempt.state if attempt.outcome is None else ended_word(attempt.outcome, attempt.reason),
        reason=attempt.reason,
        exit_code=attempt.exit_code,
        message=attempt.message,
        worker=attempt.worker,
        started=show_time(attempt.started),
        ended=show_time(attempt.ended),
        stats=_stats(attempt),
        printed=attempt.log_length,
    )


def _stats(attempt: Attempt) -> dict[str, float]:
    return {
        "download_bytes": attempt.download_bytes,
        "upload_bytes": attempt.upload_bytes,
        "download_seconds": attempt.download_seconds,
        "process_seconds": attempt.process_seconds,
        "upload_seconds": attempt.upload_seconds,
        "cpu_seconds": attempt.cpu_seconds,
        "peak_memory": attempt.peak_memory,
    }


def commit_view(commit: Commit) -> CommitView:
    return CommitView(
        commit=commit.id,
        repo=commit.repo,
        branch=commit.branch,
        parent=commit.parent,
        run=commit.run,
        origin=commit.origin,
        tree=show_id(commit.root),
        size=commit.size,
        files=commit.files,
        created=show_time(commit.created),
        message=commit.message,
        error=commit.error,
        finished=show_time(commit.finished),
        forgotten=show_time(commit.forgotten),
        merged=commit.merged,
    )


def repo_view(parts: Parts, repo: Repo) -> RepoView:
    head = resolve.head(parts, repo.name)
    return RepoView(
        repo=repo.name,
        path=repo.path,
        default_branch=repo.default_branch,
        head=head.id if head else None,
        files=head.files if head else 0,
        size=head.size if head else 0,
        created=show_time(repo.created),
        keeps=resolve.rule_of(repo),
    )


def branch_view(branch: Branch, triggers: Iterable[Trigger] = ()) -> BranchView:
    """A branch; `triggers` are those of its repo."""
    own = next((trigger_view(item) for item in triggers if item.branch == branch.name), None)
    return BranchView(branch.name, branch.repo, branch.head, show_time(branch.created), own)


def trigger_view(trigger: Trigger) -> TriggerView:
    return TriggerView(
        watches=trigger.watches,
        size=trigger.size,
        commits=trigger.commits,
        every=None if trigger.every is None else trigger.every / 1_000_000,
        cron=trigger.cron,
        needs=trigger.needs,
        fired=show_time(trigger.fired),
    )


def show_trigger(trigger: TriggerView) -> str:
    """When a branch follows which, for people."""
    when = [
        f"has grown by {show_size(trigger.size)}" if trigger.size is not None else "",
        f"has {trigger.commits} new commits" if trigger.commits is not None else "",
        f"has news after {show_seconds(trigger.every)}" if trigger.every is not None else "",
        f"has news at {times.shown(trigger.cron)}" if trigger.cron is not None else "",
    ]
    joined = (" and " if trigger.needs == "all" else " or ").join(word for word in when if word)
    return f"follows {trigger.watches} when it {joined}"


def pipeline_views(parts: Parts) -> list[PipelineView]:
    """The pipelines in force, each with its newest run."""
    views = []
    for row in parts.store.fetch("pipelines"):
        spec = parts.pipeline(row["name"], row["version"])
        runs = parts.store.load(Run, "runs_of", pipeline=row["name"], before=1 << 62, limit=1)
        last = run_view(runs[0]) if runs else None
        views.append(
            PipelineView(
                pipeline=row["name"],
                version=row["version"],
                file=row["file"],
                steps=tuple(step.name for step in spec.steps),
                created=show_time(row["created"]),
                updated=show_time(row["updated"]),
                last_run=last.run if last else None,
                state=last.state if last else None,
            )
        )
    return views


def document_view(item: Document) -> DocumentView:
    return DocumentView(
        key=str(item.seq),
        pipeline=item.pipeline,
        step=item.step,
        name=item.name,
        value=read_body(item.body),
        ephemeral=item.ephemeral,
        revision=item.revision,
        run=item.run,
        created=show_time(item.created),
        updated=show_time(item.updated),
    )
