"""`restart`: a new run of a pipeline that keeps what is good."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from penstock.cli.options import cpus_option, json_option, project

if TYPE_CHECKING:
    from penstock.service.opening.restart import Restart

#: How many steps are named with the reason why they run again.
SHOWN = 50


@click.command("restart")
@click.argument("file", metavar="[FILE]", required=False, type=click.Path(path_type=Path))
@click.option("--failed-only", is_flag=True, help="Only what did not succeed, and all that waits for it.")
@click.option("--dry-run", is_flag=True, help="Say what would run again, and why; change nothing.")
@cpus_option
@json_option
@click.pass_context
def restart(
    ctx: click.Context, file: Path | None, failed_only: bool, dry_run: bool, cpus: int | None, as_json: bool
) -> None:
    """Run what failed or changed, and keep the rest.

    A new run of the pipeline in FILE. A plain step is kept if its last job succeeded, and its command, its code, its
    files in place (by size and time, or by hash) and its user data are as they were, and the files it makes are there.
    Everything else runs again, and all that waits for it. Exit code 1 if the run did not succeed.
    """
    from penstock.cli import driving
    from penstock.cli.output import number, talk
    from penstock.model.run import Job
    from penstock.service.opening.freeze import freeze
    from penstock.service.opening.restart import look, restart

    with project() as parts:
        driving.limit(parts, cpus)
        with parts.objects.session():
            now = freeze(parts, file)
            if dry_run:
                _show(look(parts, now, failed_only=failed_only), as_json)
                return
            run = restart(parts, now, failed_only=failed_only)
        if run is None:
            _show(look(parts, now, failed_only=failed_only), as_json)
            return
        jobs = parts.store.load(Job, "jobs_of_run", run=run.id)
        kept = sum(job.kept is not None for job in jobs)
        talk(f"{number(kept, 'job')} kept, {number(len(jobs) - kept, 'job')} to run")
        driving.see_through(parts, [run.id])
        if driving.tell_end(parts, run.id, as_json).state != "success":
            ctx.exit(1)


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
