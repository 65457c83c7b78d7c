"""`plan`: what a run would do."""

from __future__ import annotations

from pathlib import Path

import click

from penstock.cli.options import json_option, params_option, project, read_params


@click.command()
@click.argument("file", metavar="[FILE]", required=False, type=click.Path(path_type=Path))
@params_option
@click.option("--code", "step", metavar="STEP", help="List the files that count for a step, and why, instead.")
@json_option
def plan(file: Path | None, params: tuple[str, ...], step: str | None, as_json: bool) -> None:
    """Say what a run would do, and why; change nothing."""
    from penstock.cli.output import show_json, show_table, talk
    from penstock.service.answers.plan import plan as look_ahead

    if step is not None:
        if params:
            raise click.UsageError("-p changes nothing about code; leave it out with --code")
        _show_code(file, step, as_json)
        return
    with project(create=True) as parts:
        view = look_ahead(parts, file, read_params(params))
    for warning in view.warnings:
        talk(f"warning: {warning}")
    if as_json:
        show_json(view)
        return
    news = "new version" if view.new_version else "version"
    print(f"pipeline {view.pipeline}, {news} {view.version}")
    for commit in view.commits:
        counts = [f"{commit[kind]} {kind}" for kind in ("added", "modified", "removed") if commit[kind]]
        print(f"would commit {commit['repo']}: {', '.join(counts)}")
    several = len({step.pipeline for step in view.steps}) > 1
    rows = [
        (
            (f"{step.pipeline}." if several else "") + step.step,
            "?" if step.tasks is None else step.tasks,
            "?" if step.reused is None else step.reused,
            "?" if step.total is None else step.total,
            "; ".join(step.why),
        )
        for step in view.steps
    ]
    show_table(("STEP", "RUN", "REUSE", "TOTAL", "WHY"), rows, right=("RUN", "REUSE", "TOTAL"))


def _show_code(file: Path | None, step: str, as_json: bool) -> None:
    """What counts for a step."""
    from penstock.cli.output import show_json, show_table
    from penstock.service.answers.counted import counted

    with project(create=True) as parts:
        found = counted(parts, file, step)
    if as_json:
        show_json(found)
        return
    why = {"found": "found in `run`", "named": "named in `code`"}
    show_table(("FILE", "WHY"), [(item.path, why.get(item.why, f"read by {item.job}")) for item in found])
