"""`penstock file`: what commits hold."""

from __future__ import annotations

import click

from penstock.cli.lazy import noun
from penstock.cli.options import json_option, project
from penstock.cli.verbs.read import ls

file = noun("file", "What commits hold.")
file.add_command(ls, "list")


@file.command("show")
@click.argument("source", metavar="REPO[@REF][:/PATH]")
@json_option
def show_file(source: str, as_json: bool) -> None:
    """Show one file or directory: its size, and the hash that only the same content has."""
    from penstock.cli.output import number, show_fields, show_json
    from penstock.model.ids import parse_reference
    from penstock.service.data import listing
    from penstock.text.units import show_size

    with project() as parts:
        shown = listing.show(parts, parse_reference(source))
    if as_json:
        show_json(shown)
        return
    kind = "directory" if shown.directory else "link" if shown.target is not None else "file"
    show_fields(
        [
            ("path", f"/{shown.path}"),
            ("kind", f"{kind}, executable" if shown.executable else kind),
            ("target", shown.target),
            ("holds", f"{number(shown.files, 'file')}, {show_size(shown.size)}" if shown.directory else None),
            ("size", None if shown.directory else f"{shown.size} bytes"),
            ("hash", shown.hash),
        ]
    )
