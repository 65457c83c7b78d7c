"""`stop`, `hold`, `release` and `retry`: they write rows and return; the engine obeys."""

from __future__ import annotations

import click

from penstock.cli.options import json_option, project


def _say(sentence: str, as_json: bool) -> None:
    from penstock.cli.output import show_json, talk

    if as_json:
        show_json({"message": sentence})
    else:
        talk(sentence)


@click.command()
@click.argument("target", metavar="RUN|JOB")
@json_option
def stop(target: str, as_json: bool) -> None:
    """End a run or a job. What succeeded stays and is reused."""
    from penstock.service.driving import control

    with project() as parts:
        _say(control.stop(parts, target), as_json)


@click.command()
@click.argument("target", metavar="RUN|JOB")
@json_option
def hold(target: str, as_json: bool) -> None:
    """Let a run or a job start nothing more. What is in flight goes on."""
    from penstock.service.driving import control

    with project() as parts:
        _say(control.hold(parts, target), as_json)


@click.command()
@click.argument("target", metavar="RUN|JOB")
@json_option
def release(target: str, as_json: bool) -> None:
    """Let what is held go on."""
    from penstock.service.driving import control

    with project() as parts:
        _say(control.release(parts, target), as_json)


@click.command()
@click.argument("target", metavar="RUN")
@json_option
def retry(target: str, as_json: bool) -> None:
    """Run again what failed in a run.

    A new run of the same versions on the same inputs; good results are reused. Prints its id.
    """
    from penstock.cli.output import show_json
    from penstock.cli.verbs.write import tell_run
    from penstock.model.run import Job
    from penstock.service.answers import views
    from penstock.service.driving import control

    with project() as parts:
        opened = control.retry(parts, target)
        if as_json:
            show_json(views.run_view(opened, parts.store.load(Job, "jobs_of_run", run=opened.id)))
        else:
            print(opened.id)
        tell_run(parts, opened.id)
