"""`graph`: a picture of the steps."""

from __future__ import annotations

from pathlib import Path

import click

from penstock.cli.options import json_option, project


@click.command()
@click.argument("file", metavar="[FILE]", required=False, type=click.Path(path_type=Path))
@click.option("--all", "every", is_flag=True, help="With all other pipelines of the project.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "dot", "mermaid", "svg"]),
    default="text",
    show_default=True,
    help="dot: for Graphviz; mermaid: for Markdown; svg: a picture.",
)
@json_option
def graph(file: Path | None, every: bool, form: str, as_json: bool) -> None:
    """Show which step reads what, and waits for whom; change nothing."""
    from penstock.cli import drawing
    from penstock.cli.output import show_json
    from penstock.service.answers.graph import graph as look

    with project(create=True) as parts:
        view = look(parts, file, every=every)
    if as_json:
        show_json(view)
    else:
        print(getattr(drawing, form)(view), end="")
