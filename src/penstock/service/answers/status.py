"""`status`: the project at a glance, from rows alone."""

from __future__ import annotations

from penstock.engine.ticks import next_tick
from penstock.model.moves import JobState
from penstock.model.run import Job, Repo, Run, Trouble
from penstock.model.views import StatusView, show_time
from penstock.service.answers import views
from penstock.service.answers.sites import standing
from penstock.service.opening.firing import waiting
from penstock.service.opening.ticking import clocks
from penstock.service.parts import Parts
from penstock.service.role import holder


def status(parts: Parts) -> StatusView:
    """Pipelines, repos, and the runs that are not done (else the newest one)."""
    store = parts.store
    active = store.load(Run, "active_runs")
    shown = active or store.load(Run, "runs", before=1 << 62, limit=1)
    engine = holder(parts.layout.lock)
    notes = []
    if active and engine is None:
        which = "1 run is" if len(active) == 1 else f"{len(active)} runs are"
        notes.append(f"{which} not done and nobody drives the project: `penstock run` or `penstock wait` does")
    if engine is None:
        for trigger, when in waiting(parts):
            due = "is due" if when <= parts.now() else f"is due at {show_time(when)}"
            notes.append(
                f"{trigger.repo}@{trigger.branch} waits to follow {trigger.watches}: it {due}, and nobody is there to "
                "move it; `penstock run` does, once it is time"
            )
        for clock in clocks(parts):
            following = next_tick(clock)
            if following is not None:
                notes.append(
                    f"{clock.repo} ticks at {show_time(following)}, and nobody is there to make it; "
                    f"`penstock run` does then (catchup: {clock.catchup})"
                )
    for run in active:
        jobs = store.load(Job, "jobs_of_run", run=run.id)
        begun = (job for job in jobs if job.state != JobState.DONE and (job.state != JobState.WAITING or not job.waits))
        named = {(job.pipeline, job.version, parts.step(job).site) for job in begun}
        found = (parts.pipeline(pipeline, version).site(name) for pipeline, version, name in sorted(named))
        notes += [standing(parts, site) for site in found if site is not None]
    notes += [f"{row.message} (since {show_time(row.since)})" for row in store.load(Trouble, "troubles")]
    return StatusView(
        project=str(parts.layout.root),
        engine=str(engine) if engine else None,
        pipelines=tuple(views.pipeline_views(parts)),
        repos=tuple(views.repo_view(parts, repo) for repo in store.load(Repo, "repos")),
        runs=tuple(views.run_view(run, store.load(Job, "jobs_of_run", run=run.id)) for run in shown),
        notes=tuple(notes),
    )
