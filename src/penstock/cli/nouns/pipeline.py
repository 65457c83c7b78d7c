"""`penstock pipeline`: graphs of steps."""

from __future__ import annotations

from pathlib import Path

import click

from penstock.cli.lazy import noun
from penstock.cli.options import force_option, json_option, page_options, pipeline_option, project

pipeline = noun("pipeline", "Graphs of steps.")


@pipeline.command("list")
@page_options(1000)
@json_option
def list_pipelines(limit: int, after: str | None, as_json: bool) -> None:
    """List the pipelines in force by name."""
    from penstock.cli.output import short, show_json, show_table, talk, when
    from penstock.service.answers import lists

    with project() as parts:
        page = lists.pipelines(parts, limit, after)
    if as_json:
        show_json({"pipelines": page.items, "next": page.next})
        return
    rows = [(p.pipeline, p.version, p.file, when(p.updated), short(p.last_run), p.state) for p in page.items]
    show_table(("PIPELINE", "VERSION", "FILE", "UPDATED", "LAST RUN", "STATE"), rows, right=("VERSION",))
    if page.next:
        talk(f"more: --after {page.next}")


@pipeline.command("show")
@click.argument("name", metavar="PIPELINE")
@json_option
def show_pipeline(name: str, as_json: bool) -> None:
    """Show one pipeline."""
    _show(name, as_json)


def _show(name: str, as_json: bool) -> None:
    from penstock.cli.output import show_fields, show_json, when
    from penstock.service.answers import lists

    with project() as parts:
        view = lists.pipeline(parts, name)
    if as_json:
        show_json(view)
        return
    show_fields(
        [
            ("pipeline", view.pipeline),
            ("version", view.version),
            ("file", view.file),
            ("steps", ", ".join(view.steps)),
            ("created", when(view.created)),
            ("updated", when(view.updated)),
            ("last run", view.last_run),
            ("state", view.state),
        ]
    )


@pipeline.command("create")
@click.argument("file", metavar="[FILE]", required=False, type=click.Path(path_type=Path))
@click.option("--reprocess", is_flag=True, help="Everything shall run again, though nothing changed.")
@json_option
def create_pipeline(file: Path | None, reprocess: bool, as_json: bool) -> None:
    """Apply a pipeline file without running it."""
    from penstock.cli.output import talk
    from penstock.service.opening.begin import create

    with project(create=True) as parts:
        version, new = create(parts, file, reprocess)
    talk(f"pipeline {version.pipeline}, version {version.number}" + ("" if new else " as before: nothing changed"))
    if as_json:
        _show(version.pipeline, as_json)


@pipeline.command("delete")
@click.argument("name", metavar="PIPELINE")
@force_option("Also with jobs that are not done: they are stopped.")
@json_option
def delete_pipeline(name: str, force: bool, as_json: bool) -> None:
    """Take a pipeline out of force. What it made stays, also what it exported: that is said."""
    from penstock.cli.output import show_json, talk
    from penstock.service.opening.begin import delete

    with project() as parts:
        stays = delete(parts, name, force=force)
    talk(f"deleted pipeline {name}")
    for what in stays:
        talk(what)
    if as_json:
        show_json({"deleted": name})


@pipeline.command("disable")
@click.argument("step", metavar="STEP")
@pipeline_option
@json_option
def disable_step(step: str, of: str | None, as_json: bool) -> None:
    """Let runs pass by a step. What is behind it waits for nothing of it, and reads what it has published before."""
    from penstock.cli.output import show_json, talk
    from penstock.service.opening.disabling import disable

    with project() as parts:
        name = disable(parts, step, of)
    talk(f"runs of pipeline {name} pass by step {step}")
    if as_json:
        show_json({"pipeline": name, "step": step, "disabled": True})


@pipeline.command("enable")
@click.argument("step", metavar="STEP")
@pipeline_option
@json_option
def enable_step(step: str, of: str | None, as_json: bool) -> None:
    """Let runs have a disabled step again."""
    from penstock.cli.output import show_json, talk
    from penstock.service.opening.disabling import enable

    with project() as parts:
        name = enable(parts, step, of)
    talk(f"runs of pipeline {name} have step {step}")
    if as_json:
        show_json({"pipeline": name, "step": step, "disabled": False})
