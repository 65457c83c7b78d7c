"""`penstock task`: one binding of one job."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from penstock.cli.lazy import noun
from penstock.cli.options import json_option, page_options, project, states_option

if TYPE_CHECKING:
    from penstock.model.views import TaskView

task = noun("task", "Bindings of a job.")


@task.command("list")
@click.argument("job", metavar="JOB")
@page_options(100)
@states_option
@json_option
def list_tasks(job: str, limit: int, after: str | None, states: tuple[str, ...], as_json: bool) -> None:
    """List the tasks a job ran. Those it took over from earlier jobs exist as results alone."""
    from penstock.cli.output import short, show_json, show_table, talk
    from penstock.cli.summary import binding
    from penstock.service.answers import lists
    from penstock.text.units import show_seconds

    with project() as parts:
        view = lists.job(parts, job)
        page = lists.tasks(parts, job, limit, after, states)
    if as_json:
        show_json({"tasks": page.items, "next": page.next})
        return
    rows = [
        (
            short(item.task),
            binding(item.binding),
            len(item.attempts),
            show_seconds(item.stats["process_seconds"]) if item.stats else "",
            item.state,
            _message(item),
        )
        for item in page.items
    ]
    show_table(("TASK", "BINDING", "TRIES", "TIME", "STATE", "MESSAGE"), rows, right=("TRIES", "TIME"))
    if view.tasks.reused:
        talk(f"and {view.tasks.reused} reused from earlier jobs")
    if page.next:
        talk(f"more: --after {page.next}")


@task.command("show")
@click.argument("target", metavar="TASK")
@json_option
def show_task(target: str, as_json: bool) -> None:
    """Show one task with its attempts."""
    from penstock.cli.output import short, show_fields, show_json, show_table, when
    from penstock.cli.summary import binding
    from penstock.service.answers import lists
    from penstock.text.units import show_seconds, show_size

    with project() as parts:
        view = lists.task(parts, target)
    if as_json:
        show_json(view)
        return
    show_fields(
        [
            ("task", view.task),
            ("job", view.job),
            ("binding", binding(view.binding)),
            ("state", view.state),
            ("held", "yes" if view.held else None),
            ("reason", view.reason),
            ("message", _message(view)),
            ("params", ", ".join(f"{name}={value}" for name, value in view.params.items())),
            ("inputs", ", ".join(f"{item['name']}:{item['path']}" for item in view.inputs)),
            ("output", ", ".join(view.output)),
            ("fingerprint", view.fingerprint),
            ("logs", f"penstock logs {short(view.task)}" if any(item.printed for item in view.attempts) else None),
        ]
    )
    if view.attempts:
        print()
        rows = [
            (
                item.attempt,
                when(item.started),
                show_seconds(item.stats["process_seconds"]),
                show_size(int(item.stats["peak_memory"])),
                item.exit_code,
                item.state,
                item.message,
            )
            for item in view.attempts
        ]
        heads = ("ATTEMPT", "STARTED", "TIME", "MEMORY", "EXIT", "STATE", "MESSAGE")
        show_table(heads, rows, right=("ATTEMPT", "TIME", "MEMORY", "EXIT"))


def _message(view: TaskView) -> str:
    """How a task ended, beyond its state."""
    from penstock.model.moves import Outcome
    from penstock.model.words import left_out_words

    said = view.message or view.reason or ""
    return left_out_words(said) if view.outcome == Outcome.RECOVERED else said
