"""`run`: the short verb. (`penstock run list` and `run show` are in `nouns.run`.)"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from penstock.cli.options import cpus_option, json_option, params_option, project, read_params, time_limit_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock.model.run import Commit
    from penstock.service.parts import Parts


@click.command(epilog="`penstock run list` and `penstock run show RUN` tell of runs; a file named `list` is ./list.")
@click.argument("file", metavar="[FILE]", required=False, type=click.Path(path_type=Path))
@params_option
@click.option("--detach", is_flag=True, help="Leave the work to an engine in the background, which leaves when done.")
@click.option("--watch", is_flag=True, help="Stay: commit what changes in linked directories, fire timed triggers.")
@time_limit_option
@click.option("--force", "forced", metavar="STEP", multiple=True, help="Run this good step again, and keep the others.")
@click.option("--env", type=click.Choice(["inherit"]), help="Run steps that name an image on the bare machine.")
@click.option("--site", metavar="SITE", help="Run steps that name no site there, and not on this machine.")
@cpus_option
@json_option
@click.pass_context
def run(
    ctx: click.Context,
    file: Path | None,
    params: tuple[str, ...],
    detach: bool,
    watch: bool,
    time_limit: str | None,
    forced: tuple[str, ...],
    env: str | None,
    site: str | None,
    cpus: int | None,
    as_json: bool,
) -> None:
    """Apply the pipeline file and run what changed.

    FILE is pipeline.yaml (.json, .json5) of the project unless named; where there is none, pipelines in force are gone
    on with. What changed in linked directories is committed first. An unfinished run of the same pipeline is gone on
    with. Exit code 1 if the run did not succeed.

    Before a --time-limit is over, steps with `supports_termination` get SIGTERM and their `grace`; what else still runs
    is ended at last, and tried again by the next `run`.

    --force STEP runs a good plain step again, and all that depends on it, as `restart` does; it may be repeated.

    --detach prints the run's id and returns; `penstock wait` waits for it, `penstock status` tells who drives it,
    `penstock stop --engine` ends that. --watch stays until Ctrl-C; with --detach, in the background.
    """
    from penstock.cli import driving, summary
    from penstock.cli.output import short, talk
    from penstock.service.opening.begin import begin, catch_up
    from penstock.service.opening.freeze import has_file
    from penstock.text.units import parse_seconds

    limit = parse_seconds(time_limit) if time_limit is not None else None
    if limit is not None and (detach or watch):
        raise click.UsageError("--time-limit is for a run that is waited for; leave out --detach and --watch")
    if forced:
        if params or detach or watch or env or site:
            raise click.UsageError("--force goes with FILE, --time-limit, --cpus and --json alone")
        from penstock.cli.verbs.restart import see_again

        if not see_again(file, forced, limit, cpus, as_json):
            ctx.exit(1)
        return
    with project(create=True) as parts:
        driving.limit(parts, cpus)
        if file is None and not has_file(parts.layout) and parts.pipelines():
            if params or env or site:
                raise click.UsageError("--param, --env and --site are for a pipeline file, and there is none; name one")
            if not _go_on(parts, limit, detach, watch, as_json):
                ctx.exit(1)
            return
        begun = begin(parts, file, read_params(params), inherit=env is not None, site=site, watch=watch)
        for warning in (*begun.warnings, *(begun.left if detach else ())):
            talk(f"warning: {warning}")
        _tell_commits(begun.commits)
        for run_id, steps in begun.given_up.items():
            what = f"{', '.join(steps)} of run {short(run_id)}" if steps else f"run {short(run_id)}"
            talk(f"{what} {'are' if len(steps) > 1 else 'is'} given up: the pipeline or its data changed")
        if begun.later:
            talk(f"from the next run on: {'; '.join(begun.later)}")
        if begun.continued:
            talk(f"going on with run {short(begun.run.id)}")
        if detach:
            _detach(parts, begun.run.id, watch, site, as_json)
            return
        if watch:
            driving.keep_watch(parts, site)
        until = None if limit is None else time.monotonic() + limit
        driving.see_through(
            parts, [*begun.ahead, *begun.beside, begun.run.id], limit, ends=limit is not None, site=site
        )
        again = catch_up(parts, begun)
        if again is not None:
            talk("code that was edited meanwhile had been opened: once more")
            left = None if until is None else until - time.monotonic()
            driving.see_through(parts, [again.id], left, ends=limit is not None, site=site)
        view = driving.tell_end(parts, begun.run.id if again is None else again.id, as_json)
        failed = driving.tell_beside(parts, begun.beside)
        if failed or view.state != "success":
            summary.show_restart(view)
            ctx.exit(1)
        if not as_json:
            summary.show_next(parts, view)


def _go_on(parts: Parts, limit: float | None, detach: bool, watch: bool, as_json: bool) -> bool:
    """Go on with pipelines in force, where there is no file; whether all runs were good."""
    from penstock.cli import driving
    from penstock.cli.output import number, show_json, talk
    from penstock.service.opening.begin import go_on

    left: list[str] | None = [] if watch else None
    commits, runs = go_on(parts, left)
    for warning in (left or ()) if detach else ():
        talk(f"warning: {warning}")
    talk(f"no pipeline file here: going on with {number(len(parts.pipelines()), 'pipeline')} in force")
    _tell_commits(commits)
    if detach:
        _detach(parts, runs[-1] if runs else None, watch, None, as_json)
        return True
    if watch:
        driving.keep_watch(parts)
    if not runs:
        talk("nothing is left to do; `penstock status` tells of ticks, --watch stays for them")
        if as_json:
            show_json({"runs": [], "next": None})
        return True
    driving.see_through(parts, runs, limit, ends=limit is not None)
    ended = [driving.ended(parts, run) for run in runs]
    if as_json:
        show_json({"runs": ended, "next": None})
    else:
        for view in ended:
            driving.tell_end(parts, view.run, False)
    return all(view.state == "success" for view in ended)


def _tell_commits(commits: Sequence[Commit]) -> None:
    from penstock.cli.output import number, short, talk
    from penstock.text.units import show_size

    for commit in commits:
        talk(f"{commit.repo}@{short(commit.id)}  {number(commit.files, 'file')}, {show_size(commit.size)}")


def _detach(parts: Parts, run: str | None, watch: bool, site: str | None, as_json: bool) -> None:
    """Leave a run to an engine in the background; its id on stdout."""
    from penstock.cli.output import show_json, talk
    from penstock.service.driving import background
    from penstock.service.driving.troubles import LOG

    engine = background.start(parts, watch, site)
    if as_json:
        show_json({"run": run, "engine": engine})
    elif run is not None:
        print(run)
    talk(f"engine is {engine}; its log is {parts.layout.logs / LOG}")
