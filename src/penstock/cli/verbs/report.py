"""`report`: what was asked for and what was used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from penstock.cli.options import json_option, project

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock.model.views import AskedView

_HEADS = ("STEP", "TASKS", "PROCESSOR", "CPUS", "MEMORY", "TIME", "ENOUGH", "ASKED")
_SORTS = ("processor", "memory", "time", "tasks")


@click.command("report")
@click.argument("of", metavar="[RUN|PIPELINE]", required=False)
@click.option("--sort", type=click.Choice(_SORTS), help="The largest first; else steps in their order.")
@json_option
def report(of: str | None, sort: str | None, as_json: bool) -> None:
    """Compare what steps asked for with what they used.

    In a run (default: the last), or over all runs of a pipeline.

    PROCESSOR is the processor time of all tasks. CPUS is processor time over running time, MEMORY and TIME are those of
    the attempt that needed most; behind a / stands what was asked for. ENOUGH is what would be enough; where all that
    is known is that it was too little, that is more (>). ASKED says where less than was used was asked for (too
    little), or more than twice of it (too much). The last line sums up.
    """
    from penstock.cli.output import number, show_json, show_table, talk
    from penstock.service.answers import report as answers

    with project() as parts:
        found = answers.report(parts, of, sort)
        kept = answers.kept(parts, of)
    total = {
        "tasks": sum(view.tasks for view in found),
        "cpu_seconds": round(sum(view.cpu_seconds for view in found), 3),
        "process_seconds": round(sum(view.process_seconds for view in found), 3),
    }
    if as_json:
        show_json({"steps": found, "total": total})
        return
    show_table(_HEADS, [_cells(view) for view in found], right=_HEADS[1:-2])
    if found:
        talk(_sum(found, total["cpu_seconds"], total["process_seconds"]))
    if kept:
        talk(f"and {number(kept, 'job')} kept from earlier runs; `penstock report PIPELINE` has all runs")


def _sum(found: Sequence[AskedView], processor: float, running: float) -> str:
    from penstock.cli.output import number
    from penstock.text.units import show_seconds

    tasks = number(sum(view.tasks for view in found), "task")
    said = f"{show_seconds(processor)} of processor time ({processor / 3600:.2f} CPU hours)"
    return f"in all {tasks}: {said} in {show_seconds(running)} of running time"


def _cells(view: AskedView) -> tuple[object, ...]:
    from penstock.text.units import show_seconds, show_size

    more = f">{show_size(view.memory_used)}" if view.memory_used else None
    enough = (
        f"{view.cpus_enough} CPU{'s' if view.cpus_enough != 1 else ''}" if view.cpus_enough else None,
        show_size(view.memory_enough) if view.memory_enough else more,
        show_seconds(view.time_enough) if view.time_enough else None,
    )
    asked = [f"too little {name}" for name in view.over] + [f"too much {name}" for name in view.under]
    return (
        view.step,
        view.tasks,
        show_seconds(view.cpu_seconds),
        f"{'-' if view.cpus_used is None else f'{view.cpus_used:.2f}'} / {view.cpus}",
        (show_size(view.memory_used) if view.memory_used else "-")
        + (f" / {show_size(view.memory)}" if view.memory else ""),
        show_seconds(view.time_used) + (f" / {show_seconds(view.time)}" if view.time is not None else ""),
        ", ".join(item for item in enough if item),
        ", ".join(asked),
    )
