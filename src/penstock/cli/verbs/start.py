"""`init` and `new`."""

from __future__ import annotations

from pathlib import Path

import click

from penstock.cli.options import json_option


@click.command()
@click.argument("directory", metavar="[DIR]", default=".")
@json_option
def init(directory: str, as_json: bool) -> None:
    """Make a directory a project.

    Everything Penstock keeps goes into DIR/.penstock; nothing else is touched.
    """
    from penstock.cli.output import show_json, talk
    from penstock.service.project import Project

    with Project.create(directory) as made:
        talk(f"made a project in {made.root}")
        if as_json:
            show_json({"project": str(made.root)})


@click.command()
@click.argument("directory", metavar="DIR")
@click.option("--example", metavar="NAME", help="Which example; without it the names are listed.")
@json_option
def new(directory: str, example: str | None, as_json: bool) -> None:
    """Make a project with a working example in it."""
    from penstock.cli import examples
    from penstock.cli.output import show_json, talk
    from penstock.service.project import Project

    found = examples.find(example)
    where = Path(directory)
    written = examples.copy(found, where)
    with Project.create(where):
        talk(f"made {directory.rstrip('/')}/   {'  '.join(examples.summary(written))}")
        talk(f"next: cd {directory} && penstock run" if directory != "." else "next: penstock run")
    if as_json:
        show_json({"project": str(where.resolve()), "example": found.name, "files": written})
