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
    from penstock.service.answers import why

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
    from penstock.service.answers import why

    with project() as parts:
        view = why.trace(parts, parse_reference(source))
    if as_json:
        show_json(view)
    else:
        _show(view, "", set())


def _show(view: TraceView, indent: str, shown: set[str]) -> None:
    """A file, what made it, and below it what that was made of; each file once."""
    import json
    import shlex

    from penstock.cli.output import short

    place, _, path = view.file.partition(":")
    if view.job is None:
        print(f"{indent}{short(place)}:{path}   {view.origin}")
        return
    again = view.file in shown
    print(f"{indent}{short(place)}:{path}" + ("   as above" if again else ""))
    if again:
        return
    shown.add(view.file)
    reused = f", reused from {short(view.made_by)}" if view.made_by not in (None, view.job) else ""
    print(f"{indent}  task    {short(view.task)} of {short(view.job)}{reused}")
    print(f"{indent}  command {shlex.join(view.command)}   ({view.pipeline}, version {view.version})")
    if view.params:
        print(f"{indent}  params  {', '.join(f'{name}={json.dumps(value)}' for name, value in view.params.items())}")
    if view.code:
        print(f"{indent}  code    {', '.join(view.code)}")
    for item in view.inputs:
        _show(item, indent + "    ", shown)
