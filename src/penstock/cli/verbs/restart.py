"""`restart`: a new run of a pipeline that keeps what is good."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from penstock.cli.options import cpus_option, json_option, project, time_limit_option

if TYPE_CHECKING:
    from penstock.service.opening.restart import Restart

#: How many steps are named with the reason why they run again.
SHOWN = 50


@click.command("restart")
@click.argument("file", metavar="[FILE]", required=False, type=click.Path(path_type=Path))
@click.option("--failed-only", is_flag=True, help="Only what did not succeed, and all that waits for it.")
@click.option("--dry-run", is_flag=True, help="Say what would run again, and why; change nothing.")
@time_limit_option
@cpus_option
@json_option
@click.pass_context
def restart(
    ctx: click.Context,
    file: Path | None,
    failed_only: bool,
    dry_run: bool,
    time_limit: str | None,
    cpus: int | None,
    as_json: bool,
) -> None:
    """Run what failed or changed, and keep the rest.

    A new run of the pipeline in FILE. A plain step is kept if its last job succeeded, and its command, its code, its
    files in place (by size and time, or by hash) and its user data are as they were, and the files it makes are there.
    Everything else runs again, and all that waits for it. Exit code 1 if the run did not succeed.
    """
    from penstock.service.opening.freeze import freeze
    from penstock.service.opening.restart import look
    from penstock.text.units import parse_seconds

    limit = parse_seconds(time_limit) if time_limit is not None else None
    if not dry_run:
        if not see_again(file, (), limit, cpus, as_json, failed_only):
            ctx.exit(1)
        return
    with project() as parts, parts.objects.session():
        _show(look(parts, freeze(parts, file), failed_only=failed_only), as_json)


def see_again(
    file: Path | None,
    forced: Sequence[str],
    limit: float | None,
    cpus: int | None,
    as_json: bool,
    failed_only: bool = False,
) -> bool:
    """Restart, with steps that are `forced`, and see it through; whether it was a success."""
    from penstock.cli import driving
    from penstock.cli.output import number, talk
    from penstock.model.run import Job, Run
    from penstock.service.opening.freeze import freeze
    from penstock.service.opening.restart import look, restart

    with project() as parts:
        driving.limit(parts, cpus)
        with parts.objects.session():
            now = freeze(parts, file)
            run = restart(parts, now, failed_only=failed_only, force=forced)
        if run is None:
            _show(look(parts, now, failed_only=failed_only), as_json)
            return True
        jobs = parts.store.load(Job, "jobs_of_run", run=run.id)
        kept = sum(job.kept is not None for job in jobs)
        talk(f"{number(kept, 'job')} kept, {number(len(jobs) - kept, 'job')} to run")
        active = parts.store.load(Run, "active_runs")
        beside = [other.id for other in active if other.pipeline == run.pipeline and other.id != run.id]
        driving.see_through(parts, [*beside, run.id], limit, ends=limit is not None)
        view = driving.tell_end(parts, run.id, as_json)
        return not driving.tell_beside(parts, beside) and view.state == "success"


def _show(found: Restart, as_json: bool) -> None:
    from penstock.cli.output import number, show_json

    if as_json:
        kept = [job.step for job in found.kept]
        again = [{"step": step, "why": why} for step, why in found.again.items()]
        show_json({"pipeline": found.pipeline, "again": again, "kept": kept})
        return
    for step, why in list(found.again.items())[:SHOWN]:
        print(f"{step}: {why}")
    if len(found.again) > SHOWN:
        print(f"and {len(found.again) - SHOWN} more steps")
    print(f"{number(len(found.again), 'step')} to run, {number(len(found.kept), 'job')} kept")
