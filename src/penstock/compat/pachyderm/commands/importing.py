"""`penstock import pachyderm`: Pachyderm's specs become a pipeline file of ours."""

from __future__ import annotations

from pathlib import Path

import click

from penstock.compat.importing import output_option
from penstock.compat.pachyderm.commands.base import talk
from penstock.compat.pachyderm.commands.pipelines import env_option, read_files


def _called(file: Path) -> str:
    """A name for the pipelines of a file: as it, else as the directory, without what no name has. Raises UsageError."""
    import re

    from penstock.model.errors import UsageError
    from penstock.text.fields import MAX_NAME, is_name

    for given in (file.stem, Path.cwd().name):
        name = re.sub(r"[^A-Za-z0-9_-]+", "-", given).strip("_-")[:MAX_NAME]
        if is_name(name):
            if name != file.stem:
                talk(f"the pipeline is called {name}; --name NAME says otherwise")
            return name
    raise UsageError(f"{file}: say what the pipeline is called with --name NAME")


@click.command("pachyderm")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@output_option("The pipeline file to write [stdout].")
@click.option("--name", metavar="NAME", help="What the pipeline is called [its only step, the file, the directory].")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@env_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def import_pachyderm(
    files: tuple[str, ...], output: Path | None, name: str | None, force: bool, env: str | None, as_json: bool
) -> None:
    """Translate Pachyderm pipeline specs (JSON or YAML, - is stdin) to one pipeline file.

    Every field is translated, left out with a sentence, or refused by name, with file:line:column.
    """
    from penstock.compat.importing import write_out
    from penstock.text.pipeline import pipeline_of

    read = read_files(files, bare=env is not None)
    only = read.specs[0].name if len(read.specs) == 1 else None
    tree = read.tree(read.specs, name or only or _called(output or Path(files[0])))
    # Repos that no step publishes to are made when the file is applied, so all that it reads is known.
    known = {repo for spec in read.specs for repo in spec.reads}
    pipeline_of(tree, known_repos=known, has_file=lambda name: True, default_name=tree.value["pipeline"].value)
    wrote = f"wrote {output} with {', '.join(spec.name for spec in read.specs)}"
    write_out(tree.plain(), output, force=force, as_json=as_json, message=wrote)
