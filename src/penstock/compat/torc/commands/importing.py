"""`penstock import torc`: Torc's workflow definitions become a pipeline file of ours."""

from __future__ import annotations

from pathlib import Path

import click

from penstock.compat.importing import output_option


@click.command("torc")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@output_option("The pipeline file to write [stdout].")
@click.option("--name", metavar="NAME", help="What the pipeline is called; else as the workflow, or as the file.")
@click.option(
    "--commands",
    type=click.Choice(["auto", "shell", "words"]),
    default="auto",
    show_default=True,
    help="Commands are run by bash, as today's Torc does, or split into words, as the one in Python did.",
)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def import_torc(file: Path, output: Path | None, name: str | None, commands: str, force: bool, as_json: bool) -> None:
    """Translate a Torc workflow definition (YAML, JSON or JSON5) to a pipeline file.

    Every field is translated, left out with a sentence, or refused by name, with file:line:column. Definitions in YAML,
    and those with fields that only today's Torc has, are taken for today's.
    """
    from penstock.compat.importing import write_out
    from penstock.compat.torc.commands.base import read_file, tell
    from penstock.compat.torc.spec import pipeline_in
    from penstock.text.nodes import scalar

    found = read_file(file, name or file.stem, commands)
    if name is not None:
        found.tree.value["pipeline"] = scalar(name, found.tree)
    pipeline_in(found, file.stem)
    tell(found.notes)
    said = found.tree.plain()
    wrote = f"wrote {output} with {len(said['steps'])} steps"
    write_out(said, output, force=force, as_json=as_json, message=wrote)
