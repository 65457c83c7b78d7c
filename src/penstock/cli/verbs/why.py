"""`explain`, `trace` and `verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from penstock.cli.options import json_option, project

if TYPE_CHECKING:
    from penstock.model.views import CheckView, TraceView, UseView


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
@click.option("--down", is_flag=True, help="Follow it on to what was made of it.")
@json_option
def trace(source: str, down: bool, as_json: bool) -> None:
    """Follow a file back to what it was made of.

    To the task that wrote it, with its command, code, parameters and inputs, down to what people put. With --down the
    other way: which bindings of which jobs read it in that commit, what they wrote, and so on.
    """
    from penstock.cli.output import show_json
    from penstock.model.ids import parse_reference
    from penstock.service.answers import downstream, why

    with project() as parts:
        reference = parse_reference(source)
        if down:
            uses = downstream.trace_down(parts, reference)
            show_json(uses) if as_json else _show_uses(uses, "")
            return
        view = why.trace(parts, reference)
    if as_json:
        show_json(view)
    else:
        _show(view, "", set())


@click.command()
@click.argument("target", metavar="JOB")
@click.option("--sample", type=click.IntRange(1, 1_000_000), default=10, show_default=True, help="How many bindings.")
@json_option
@click.pass_context
def verify(ctx: click.Context, target: str, sample: int, as_json: bool) -> None:
    """Run some of a job's tasks again, aside, and compare the bytes.

    Nothing is published. Exit code 1 if one gives other bytes than before, or fails.
    """
    from penstock.cli.output import show_json, show_table, talk
    from penstock.cli.summary import binding
    from penstock.service.driving.verifying import verify as run_again

    with project() as parts:
        view = run_again(parts, target, sample)
    bad = [check for check in view.checked if not check.same]
    if as_json:
        show_json(view)
    else:
        rows = [
            (check.task[:12], binding(check.binding), "same" if check.same else "differs", _what(check))
            for check in view.checked
        ]
        show_table(("TASK", "BINDING", "BYTES", "WHAT"), rows)
        skipped = f", {view.skipped} cannot be run again: their rows are gone" if view.skipped else ""
        talk(f"{len(view.checked)} of {view.bindings} bindings of {view.job} checked, {len(bad)} differ{skipped}")
    if bad:
        ctx.exit(1)


def _what(check: CheckView) -> str:
    """Which files differ, or why it failed."""
    return check.message or ", ".join(f"/{path}" for path in check.differs)


def _show_uses(view: UseView, indent: str) -> None:
    """A file with who used it below, and below these what they wrote."""
    from penstock.cli.output import short
    from penstock.cli.summary import binding

    place, colon, path = view.name.partition(":")
    print(f"{indent}{short(place)}{colon}{path}" + (f"   {binding(view.binding)}" if view.binding else ""))
    for item in view.used:
        _show_uses(item, indent + "  ")


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
    if view.files:
        print(f"{indent}  files   {', '.join(view.files)}")
    for item in view.inputs:
        _show(item, indent + "    ", shown)
