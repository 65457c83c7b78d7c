"""`fsck`: look for damage."""

from __future__ import annotations

import click

from penstock.cli.options import json_option, project


@click.command()
@click.option("--data", is_flag=True, help="Read and verify every byte, too.")
@click.option("--repair", is_flag=True, help="Move what is damaged aside, too; means --data.")
@json_option
@click.pass_context
def fsck(ctx: click.Context, data: bool, repair: bool, as_json: bool) -> None:
    """Look for damage.

    Checks the database, that everything it refers to is stored, and with --data that all bytes are as they were
    written. Changes nothing without --repair. That keeps what is good, and moves what is damaged to
    `.penstock/objects/damaged/`: putting the same bytes again then heals. Exit code 1 if there is damage.
    """
    from penstock.cli.output import show_json, talk
    from penstock.service.answers.fsck import fsck as check

    found = []
    with project() as parts:
        for line in check(parts, data, repair):
            found.append(line)
            if not as_json:
                print(line, flush=True)
    if as_json:
        show_json({"damage": found})
    elif not found:
        talk("no damage")
    if found:
        ctx.exit(1)
