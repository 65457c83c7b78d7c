"""`init` and `new`."""

from __future__ import annotations

from pathlib import Path

import click

from penstock.cli.options import json_option


@click.command()
@click.argument("directory", metavar="[DIR]", default=".")
@click.option("--objects", metavar="s3://BUCKET/PREFIX", help="Keep the data there; the prefix must be empty.")
@click.option("--endpoint", metavar="URL", help="The S3 server, if it is not Amazon's.")
@click.option("--region", metavar="NAME", help="The region of the bucket.")
@json_option
def init(directory: str, objects: str | None, endpoint: str | None, region: str | None, as_json: bool) -> None:
    """Make a directory a project.

    Everything Penstock keeps goes into DIR/.penstock; nothing else is touched. With --objects all versioned data goes
    to S3 instead; credentials are taken from the environment or the AWS files each time, and kept nowhere.
    """
    from penstock.cli.output import show_json, talk
    from penstock.model.errors import UsageError
    from penstock.service.project import Project

    if (endpoint or region) and not objects:
        raise UsageError("--endpoint and --region go with --objects s3://BUCKET/PREFIX")
    with Project.create(directory, objects=objects, endpoint=endpoint, region=region) as made:
        talk(f"made a project in {made.root}" + (f" with its data at {objects}" if objects else ""))
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
