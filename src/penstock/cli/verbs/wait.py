"""`wait`: see runs through that something else opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from penstock.cli.options import cpus_option, json_option, project, time_limit_option

if TYPE_CHECKING:
    from penstock.model.run import Commit, Job, Run
    from penstock.model.views import CommitView, JobView, RunView
    from penstock.service.parts import Parts


@click.command()
@click.argument("targets", metavar="[RUN|JOB|REPO@REF]...", nargs=-1)
@click.option("--timeout", metavar="TIME", help="Give up after so long (90, 10m, 00:10:00): exit code 124.")
@time_limit_option
@cpus_option
@json_option
@click.pass_context
def wait(
    ctx: click.Context,
    targets: tuple[str, ...],
    timeout: str | None,
    time_limit: str | None,
    cpus: int | None,
    as_json: bool,
) -> None:
    """See runs through to their end.

    Without names: every run that is not done. REPO@REF is a commit: the job that makes it, or the run it opened. Where
    jobs alone are named it ends with them. Drives them if nobody does, else follows who does. Exit code 1 if one of
    them did not succeed.
    """
    from penstock.cli import driving, summary
    from penstock.cli.output import show_json, talk
    from penstock.model.moves import RunState
    from penstock.model.run import Commit, Job
    from penstock.model.views import CommitView, RunView
    from penstock.service import resolve
    from penstock.text.units import parse_seconds

    if timeout is not None and time_limit is not None:
        raise click.UsageError("--timeout ends the waiting, --time-limit the work: say one of them")
    given = timeout if time_limit is None else time_limit
    seconds = parse_seconds(given) if given is not None else None
    with project() as parts:
        driving.limit(parts, cpus)
        found = _found(parts, targets)
        if not found and not as_json:
            talk("nothing to wait for: every run is done")
        jobs = [item.seq for item in found if isinstance(item, Job)]
        runs = list(dict.fromkeys(_run_of(item) for item in found if not isinstance(item, Commit)))
        active = [run for run in runs if resolve.run(parts, run).state != RunState.DONE]
        if active:
            ends = time_limit is not None
            driving.see_through(parts, active, seconds, jobs if len(jobs) == len(found) else (), ends)
        ended = {run: _run_view(parts, run) for run in runs}
        shown = [_view(parts, item, ended) for item in found]
        if as_json:
            show_json(shown[0] if len(targets) == 1 else {"runs": list(ended.values()), "next": None})
        else:
            _show(shown)
        worked = [view for view in shown if not isinstance(view, CommitView)]
        if any(view.state != "success" for view in worked):
            for view in worked:
                summary.show_failures(parts, view.jobs if isinstance(view, RunView) else [view])
            ctx.exit(1)


def _found(parts: Parts, targets: Sequence[str]) -> Sequence[Run | Job | Commit]:
    from penstock.model.run import Run
    from penstock.service.answers.waiting import awaited

    return [awaited(parts, text) for text in targets] if targets else parts.store.load(Run, "active_runs")


def _run_of(item: Run | Job) -> str:
    from penstock.model.run import Run

    return item.id if isinstance(item, Run) else item.run


def _view(parts: Parts, item: Run | Job | Commit, runs: Mapping[str, RunView]) -> RunView | JobView | CommitView:
    """What was waited for, as it is now."""
    from penstock.model.run import Commit, Job
    from penstock.service.answers import views

    if isinstance(item, Commit):
        return views.commit_view(item)
    return views.job_view(parts.store.load(Job, "job", seq=item.seq)[0]) if isinstance(item, Job) else runs[item.id]


def _show(ended: Sequence[RunView | JobView | CommitView]) -> None:
    """Runs and commits one by one, then all jobs that were named."""
    from penstock.cli import summary
    from penstock.model.views import CommitView, JobView, RunView

    for view in ended:
        if isinstance(view, RunView):
            summary.show_run(view)
        elif isinstance(view, CommitView):
            print(f"{view.repo}@{view.commit}")
    jobs = [view for view in ended if isinstance(view, JobView)]
    if jobs:
        summary.show_jobs(jobs, of_many_runs=True)


def _run_view(parts: Parts, run: str) -> RunView:
    from penstock.model.run import Job
    from penstock.service import resolve
    from penstock.service.answers import views

    found = resolve.run(parts, run)
    return views.run_view(found, parts.store.load(Job, "jobs_of_run", run=found.id))
