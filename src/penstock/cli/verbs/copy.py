"""`cp`: files of one commit in another one, without moving a byte."""

from __future__ import annotations

import click

from penstock.cli.options import json_option, message_option, project


@click.command()
@click.argument("source", metavar="REPO[@REF][:/PATH]")
@click.argument("target", metavar="REPO[@BRANCH][:/PATH]")
@click.option("--append", is_flag=True, help="Add the bytes at the end of files that exist.")
@message_option
@json_option
def cp(source: str, target: str, append: bool, message: str, as_json: bool) -> None:
    """Copy files from one commit to another one, by reference.

    A file, a directory or what fits a pattern, in one commit. A target path with a slash at its end, or none,
    is where it goes under its own name; any other is its new name. A whole repo, and what DIR/ holds, goes there as it
    is. No bytes are read or written. Prints the commit.
    """
    from penstock.cli.verbs.write import report
    from penstock.model.ids import parse_reference
    from penstock.service.data import copying

    with project() as parts:
        written = copying.copy(parts, parse_reference(source), parse_reference(target), append=append, message=message)
        report(parts, written, as_json)
