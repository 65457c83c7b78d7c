"""`penstock run list`, `run show` and `run delete`; the verb is in `verbs.run`."""

from __future__ import annotations

import click

from penstock.cli.lazy import noun
from penstock.cli.options import force_option, json_option, page_options, project, states_option

run = noun("run", "Waves through the project's graph.")


@run.command("list")
@click.argument("pipeline", metavar="[PIPELINE]", required=False)
@page_options(20)
@states_option
@json_option
def list_runs(pipeline: str | None, limit: int, after: str | None, states: tuple[str, ...], as_json: bool) -> None:
    """List the runs, or those of a pipeline, newest first."""
    from penstock.cli.output import short, show_json, show_table, talk, when
    from penstock.cli.summary import took
    from penstock.service.answers import lists

    with project() as parts:
        page = lists.runs(parts, pipeline, limit, after, states)
    if as_json:
        show_json({"runs": page.items, "next": page.next})
        return
    rows = []
    for item in page.items:
        version = f"{item.pipeline} {item.version}" if item.pipeline is not None else ""
        good = sum(job.state == "success" for job in item.jobs)
        rows.append(
            (short(item.run), when(item.created), item.origin, version, f"{good}/{len(item.jobs)}")
            + (took(item.started or item.created, item.finished), item.state)
        )
    show_table(("RUN", "CREATED", "ORIGIN", "VERSION", "JOBS", "TIME", "STATE"), rows, right=("TIME", "JOBS"))
    if page.next:
        talk(f"more: --after {page.next}")


@run.command("delete")
@click.argument("target", metavar="RUN")
@force_option("Also if jobs of other runs read what it made.")
@json_option
def delete_run(target: str, force: bool, as_json: bool) -> None:
    """Forget a run with all it made. What people put stays."""
    from penstock.cli.output import number, show_json, talk
    from penstock.service.data.removing import delete_run as delete

    with project() as parts:
        gone, commits = delete(parts, target, force=force)
    talk(f"deleted run {gone.id} and {number(len(commits), 'commit')} it made")
    if as_json:
        show_json({"deleted": gone.id, "commits": [f"{item.repo}@{item.id}" for item in commits]})


@run.command("show")
@click.argument("target", metavar="RUN")
@json_option
def show_run(target: str, as_json: bool) -> None:
    """Show one run with its jobs and commits; `last` is the newest."""
    from penstock.cli import summary
    from penstock.cli.output import show_fields, show_json, when
    from penstock.service import resolve
    from penstock.service.answers import views

    with project() as parts:
        view = views.wave_view(parts, resolve.run(parts, target))
    if as_json:
        show_json(view)
        return
    show_fields(
        [
            ("origin", view.origin),
            ("pipeline", f"{view.pipeline}, version {view.version}" if view.pipeline is not None else None),
            ("params", ", ".join(f"{name}={value}" for name, value in view.params.items())),
            ("created", when(view.created)),
        ]
    )
    if view.commits:
        summary.show_commits(view.commits)
        print()
    summary.show_run(view)
