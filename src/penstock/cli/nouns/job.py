"""`penstock job`: one step in one run."""

from __future__ import annotations

import click

from penstock.cli.lazy import noun
from penstock.cli.options import json_option, page_options, project, states_option

job = noun("job", "Steps of a run.")


@job.command("list")
@click.argument("of", metavar="[STEP|RUN]", required=False)
@page_options(50)
@states_option
@json_option
def list_jobs(of: str | None, limit: int, after: str | None, states: tuple[str, ...], as_json: bool) -> None:
    """List the jobs of a step or of all, newest first; or those of a run, in order."""
    from penstock.cli.output import show_json, talk
    from penstock.cli.summary import show_jobs
    from penstock.service.answers import lists

    with project() as parts:
        page = lists.jobs(parts, of, limit, after, states)
    if as_json:
        show_json({"jobs": page.items, "next": page.next})
        return
    show_jobs(page.items, of_many_runs=True)
    if page.next:
        talk(f"more: --after {page.next}")


@job.command("show")
@click.argument("target", metavar="JOB")
@json_option
def show_job(target: str, as_json: bool) -> None:
    """Show one job: STEP@RUN, or STEP for its newest."""
    from penstock.cli import summary
    from penstock.cli.output import show_fields, show_json, when
    from penstock.service.answers import lists
    from penstock.text.units import show_seconds, show_size

    with project() as parts:
        view = lists.job(parts, target)
    if as_json:
        show_json(view)
        return
    stats = view.stats
    show_fields(
        [
            ("job", view.job),
            ("pipeline", view.pipeline),
            ("state", view.state),
            ("reason", view.reason),
            ("message", view.message),
            ("tasks", summary.tasks(view)),
            ("output", view.output),
            ("created", when(view.created)),
            ("started", when(view.started)),
            ("took", summary.took(view.started, view.finished)),
            ("read", show_size(stats.download_bytes) if stats.download_bytes else None),
            ("wrote", show_size(stats.upload_bytes) if stats.upload_bytes else None),
            ("in commands", show_seconds(stats.process_seconds) if stats.process_seconds else None),
            ("processor", show_seconds(stats.cpu_seconds) if stats.cpu_seconds else None),
            ("memory", f"{show_size(stats.peak_memory)} at most" if stats.peak_memory else None),
            ("restarts", view.restarts or None),
        ]
    )
