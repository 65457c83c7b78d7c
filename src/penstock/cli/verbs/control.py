"""`stop`, `hold`, `release` and `retry`: they write rows and return; the engine obeys."""

from __future__ import annotations

import click

from penstock.cli.options import json_option, project, time_limit_option


def _say(sentence: str, as_json: bool) -> None:
    from penstock.cli.output import show_json, talk

    if as_json:
        show_json({"message": sentence})
    else:
        talk(sentence)


@click.command()
@click.argument("target", metavar="RUN|JOB|TASK", required=False)
@click.option(
    "--engine", is_flag=True, help="End the process that drives the project; what is in flight is given back."
)
@json_option
def stop(target: str | None, engine: bool, as_json: bool) -> None:
    """End a run, a job or a task. What succeeded stays and is reused."""
    if engine == (target is not None):
        raise click.UsageError("name what shall end: a run, a job, a task, or --engine")
    with project() as parts:
        if target is None:
            from penstock.service.driving import background

            _say(background.stop(parts), as_json)
        else:
            from penstock.service.driving import control

            _say(control.stop(parts, target), as_json)


@click.command()
@click.argument("target", metavar="RUN|JOB|TASK")
@json_option
def hold(target: str, as_json: bool) -> None:
    """Let a run, a job or a task start nothing more. What is in flight goes on."""
    from penstock.service.driving import control

    with project() as parts:
        _say(control.hold(parts, target), as_json)


@click.command()
@click.argument("target", metavar="RUN|JOB|TASK")
@json_option
def release(target: str, as_json: bool) -> None:
    """Let what is held go on."""
    from penstock.service.driving import control

    with project() as parts:
        _say(control.release(parts, target), as_json)


@click.command()
@click.argument("target", metavar="RUN|JOB|TASK")
@time_limit_option
@json_option
@click.pass_context
def retry(ctx: click.Context, target: str, time_limit: str | None, as_json: bool) -> None:
    """Run again what failed in a run or a job.

    A new run of the same versions on the same inputs; good results and good tasks are kept. Prints its id, or with
    --time-limit sees it through. For a task in flight: end its attempt and start another one.
    """
    from penstock.cli import driving
    from penstock.cli.output import show_json
    from penstock.cli.verbs.write import tell_run
    from penstock.model.run import Job
    from penstock.service.answers import views
    from penstock.service.driving import control
    from penstock.text.units import parse_seconds

    limit = parse_seconds(time_limit) if time_limit is not None else None
    with project() as parts:
        opened = control.retry(parts, target)
        if isinstance(opened, str):
            _say(opened, as_json)
            return
        if limit is not None:
            driving.see_through(parts, [opened.id], limit, ends=True)
            if driving.tell_end(parts, opened.id, as_json).state != "success":
                ctx.exit(1)
            return
        if as_json:
            show_json(views.run_view(opened, parts.store.load(Job, "jobs_of_run", run=opened.id)))
        else:
            print(opened.id)
        tell_run(parts, opened.id)
