"""Seeing runs through with progress, for `run` and `wait`."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from typing import TYPE_CHECKING, NoReturn

from penstock.cli.progress import overall, watcher
from penstock.model.errors import Interrupted
from penstock.service.driving.watch import follow_or_drive, short_of_grace

if TYPE_CHECKING:
    from penstock.model.views import RunView
    from penstock.service.parts import Parts


def see_through(
    parts: Parts,
    runs: Collection[str],
    timeout: float | None = None,
    jobs: Collection[int] = (),
    ends: bool = False,
    site: str | None = None,
) -> None:
    """Return when all `runs` are done, or if some are named these `jobs` of theirs; with `ends` this machine is ours no
    longer than the timeout, with `site` steps of this machine run there. Raises WaitTimeout, Interrupted.
    """
    from penstock.cli.output import talk

    for warning in short_of_grace(parts, runs, timeout) if ends and timeout is not None and site is None else ():
        talk(f"warning: {warning}")
    watch = watcher()
    try:
        follow_or_drive(parts, runs, watch, timeout, jobs, ends, site)
    except KeyboardInterrupt:
        if watch.following is not None:
            raise Interrupted(f"stopped waiting; engine is {watch.following} and goes on") from None
        far = f": {overall(watch.jobs, 0.0)}" if watch.jobs else ""
        raise Interrupted(f"stopped{far}; `penstock run` goes on") from None
    finally:
        watch.close()


def limit(parts: Parts, cpus: int | None) -> None:
    """Let work on this machine have so many processors at most, and say so where another engine decides."""
    from penstock.cli.output import talk
    from penstock.service.role import holder

    parts.cpus = cpus
    engine = holder(parts.layout.lock) if cpus is not None else None
    if engine is not None:
        talk(f"warning: engine is {engine}, and goes on as it was started; -j changes nothing there")


def ended(parts: Parts, run: str) -> RunView:
    """How a run ended."""
    from penstock.model.run import Job
    from penstock.service import resolve
    from penstock.service.answers import views

    done = resolve.run(parts, run)
    return views.run_view(done, parts.store.load(Job, "jobs_of_run", run=done.id))


def tell_end(parts: Parts, run: str, as_json: bool) -> RunView:
    """Show how a run ended, and what failed in it."""
    from penstock.cli import summary
    from penstock.cli.output import show_json

    view = ended(parts, run)
    # How it ended comes last, where a terminal still shows it.
    summary.show_notes(parts, view.jobs)
    if view.state != "success":
        summary.show_failures(parts, view.jobs)
    if as_json:
        show_json(view)
    else:
        summary.show_run(view)
    return view


def tell_beside(parts: Parts, runs: Collection[str]) -> bool:
    """Whether something failed in runs that went on beside the one that was asked for; that is shown."""
    from penstock.cli import summary
    from penstock.cli.output import talk
    from penstock.model.moves import Outcome
    from penstock.model.run import Job
    from penstock.service import resolve
    from penstock.service.answers import views

    failed = False
    for run in runs:
        jobs = parts.store.load(Job, "jobs_of_run", run=run)
        bad = [job for job in jobs if job.outcome in (Outcome.FAILED, Outcome.TERMINATED)]
        if bad:
            failed = True
            talk(f"in run {run}, which did what was not to be done anew, {', '.join(job.step for job in bad)} failed")
            summary.show_failures(parts, views.run_view(resolve.run(parts, run), bad).jobs)
    return failed


def keep_watch(parts: Parts, site: str | None = None) -> NoReturn:
    """Drive whatever comes until Ctrl-C; each run that ends is told. Raises Interrupted."""
    from penstock.cli import summary
    from penstock.cli.output import talk
    from penstock.model.run import Job, Run
    from penstock.service.answers import views
    from penstock.service.driving.background import stay

    def told(run: Run) -> None:
        view = views.run_view(run, parts.store.load(Job, "jobs_of_run", run=run.id))
        summary.show_notes(parts, view.jobs)
        summary.show_failures(parts, view.jobs)
        summary.show_run(view)

    talk("watching linked directories and timed branches; Ctrl-C ends it")
    with contextlib.suppress(KeyboardInterrupt):
        stay(parts, told, watch=True, site=site, tell=lambda text: talk(f"warning: {text}"))
    raise Interrupted("stopped watching; `penstock run` goes on")
