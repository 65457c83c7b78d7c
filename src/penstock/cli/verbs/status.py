"""`status`: the project at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from penstock.cli.options import json_option, project

if TYPE_CHECKING:
    from penstock.model.views import StatusView


@click.command()
@json_option
def status(as_json: bool) -> None:
    """Show the project at a glance."""
    from penstock.cli.output import show_json
    from penstock.service.answers.status import status as look

    with project() as parts:
        view = look(parts)
    if as_json:
        show_json(view)
    else:
        _show(view)


def _show(view: StatusView) -> None:
    from penstock.cli.output import short, show_table, talk
    from penstock.text.units import show_size

    print(f"project {view.project}" + (f", engine is {view.engine}" if view.engine else ""))
    if view.pipelines:
        print()
        pipelines = [(p.pipeline, p.version, p.file, short(p.last_run), p.state) for p in view.pipelines]
        show_table(("PIPELINE", "VERSION", "FILE", "LAST RUN", "STATE"), pipelines, right=("VERSION",))
    if view.repos:
        print()
        repos = [
            (item.repo, item.files, show_size(item.size), short(item.head), item.path and f"{item.path}/")
            for item in view.repos
        ]
        show_table(("REPO", "FILES", "SIZE", "HEAD", "LINKED TO"), repos, right=("FILES", "SIZE"))
    if view.runs:
        from penstock.cli.summary import show_run

        for run in view.runs:
            print()
            show_run(run)
    if not (view.pipelines or view.repos):
        talk("nothing here yet: `penstock put REPO FILE` stores data, `penstock run` needs a pipeline.yaml")
    for note in view.notes:
        talk(note)
