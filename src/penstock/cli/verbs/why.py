"""`explain` and `trace`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from penstock.cli.options import json_option, project

if TYPE_CHECKING:
    from penstock.model.views import TraceView


@click.command()
@click.argument("target", metavar="TARGET")
@json_option
def explain(target: str, as_json: bool) -> None:
    """Say why something waits, ran, was reused or failed.

    TARGET is a task, a job (STEP@RUN, or STEP for its newest) or a run.
    """
    from penstock.cli.output import show_json
    from penstock.service import why

    with project() as parts:
        lines = why.explain(parts, target)
    if as_json:
        show_json({"target": target, "lines": lines})
    else:
        print("\n".join(lines))


@click.command()
@click.argument("source", metavar="REPO[@REF]:/PATH")
@json_option
def trace(source: str, as_json: bool) -> None:
    """Follow a file back to what it was made of.

    To the task that wrote it, with its command, code, parameters and inputs, down to what people put.
    """
    from penstock.cli.output import show_json
    from penstock.model.ids import parse_reference
    from penstock.service import why

    with project() as parts:
        view = why.trace(parts, parse_reference(source))
    if as_json:
        show_json(view)
    else:
        _show(view, "", set())


def _show(view: TraceView, indent: str, shown: set[str]) -> None:
    from penstock.cli.output import short

    repo, _, rest = view.file.partition("@")
    print(f"{indent}{repo}@{short(rest.partition(':')[0])}:{rest.partition(':')[2]}", end="")
    if view.job is None:
        print(f"  {view.origin}")
        return
    again = view.file in shown
    print("  (as above)" if again else "")
    if again:
        return
    shown.add(view.file)
