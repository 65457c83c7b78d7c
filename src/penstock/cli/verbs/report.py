"""`report`: what was asked for and what was used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from penstock.cli.options import json_option, project

if TYPE_CHECKING:
    from penstock.model.views import AskedView

_HEADS = ("STEP", "TASKS", "CPUS", "USED", "ENOUGH", "MEMORY", "USED", "ENOUGH", "TIME", "USED", "ENOUGH", "ASKED")


@click.command("report")
@click.argument("of", metavar="[RUN|PIPELINE]", required=False)
@json_option
def report(of: str | None, as_json: bool) -> None:
    """Compare what steps asked for with what they used.

    In a run (default: the last), or over all runs of a pipeline.

    CPUS is processor time over running time, MEMORY and TIME are those of the attempt that needed most;
    where all that is known is that it was too little, ENOUGH is more (>). ASKED says
    where less than was used was asked for (too little), or more than twice of it (too much).
    """
    from penstock.cli.output import show_json, show_table
    from penstock.service.answers.report import report as compare

    with project() as parts:
        found = compare(parts, of)
    if as_json:
        show_json({"steps": found})
        return
    show_table(_HEADS, [_cells(view) for view in found], right=_HEADS[1:-1])


def _cells(view: AskedView) -> tuple[object, ...]:
    from penstock.text.units import show_seconds, show_size

    def size(count: int | None) -> str:
        return show_size(count) if count else "-"

    def seconds(time: float | None) -> str:
        return show_seconds(time) if time is not None else "-"

    asked = [f"too little {name}" for name in view.over] + [f"too much {name}" for name in view.under]
    return (
        view.step,
        view.tasks,
        view.cpus,
        "-" if view.cpus_used is None else f"{view.cpus_used:.2f}",
        view.cpus_enough or "-",
        size(view.memory),
        size(view.memory_used),
        size(view.memory_enough) if view.memory_enough or not view.memory_used else f">{size(view.memory_used)}",
        seconds(view.time),
        seconds(view.time_used),
        seconds(view.time_enough),
        ", ".join(asked),
    )
