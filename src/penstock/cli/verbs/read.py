"""`get`, `ls` and `cat`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from penstock.cli.options import json_option, project

if TYPE_CHECKING:
    from penstock.service.data.reading import Listed


@click.command()
@click.argument("source", metavar="REPO[@REF][:/PATH]")
@click.argument("destination", metavar="DEST", type=click.Path(path_type=Path))
@json_option
def get(source: str, destination: Path, as_json: bool) -> None:
    """Write a file, or a directory's contents, to a new place.

    REF is a branch, a commit or run id (or how it begins), with ^ or ~2 for ancestors. STEP@RUN reads what a job
    without a repo left.
    """
    from penstock.cli.output import number, show_json, talk
    from penstock.model.ids import parse_reference
    from penstock.service.data import reading
    from penstock.text.units import show_size

    with project() as parts:
        files, size = reading.get(parts, parse_reference(source), destination)
    talk(f"{number(files, 'file')}, {show_size(size)} in {destination}")
    if as_json:
        show_json({"source": source, "destination": str(destination), "files": files, "size": size})


@click.command()
@click.argument("source", metavar="REPO[@REF][:/PATH]")
@click.option("-r", "-R", "--recursive", is_flag=True, help="All files below.")
@click.option("-l", "--long", is_flag=True, help="With sizes; a terminal always shows them.")
@json_option
def ls(source: str, recursive: bool, long: bool, as_json: bool) -> None:
    """List files; directories end in a slash."""
    from penstock.cli.output import show_json, show_table
    from penstock.model.ids import parse_reference
    from penstock.service.data import reading
    from penstock.text.units import show_size

    with project() as parts:
        found = reading.ls(parts, parse_reference(source), recursive=recursive)
        if as_json:
            show_json({"files": list(found), "next": None})
        elif long or sys.stdout.isatty():
            rows = (("" if item.directory else show_size(item.size), _name(item)) for item in found)
            show_table(("SIZE", "PATH"), rows, right=("SIZE",))
        else:
            for item in found:
                print(item.path + "/" * item.directory)


def _name(item: Listed) -> str:
    if item.target is not None:
        return f"{item.path} -> {item.target}"
    return item.path + "/" * item.directory + "*" * item.executable


@click.command()
@click.argument("source", metavar="REPO[@REF]:/PATH")
@json_option
def cat(source: str, as_json: bool) -> None:
    """Print a file."""
    from penstock.model.ids import parse_reference
    from penstock.service.data import reading

    with project() as parts:
        blobs = reading.cat(parts, parse_reference(source))
        if as_json:
            _show_content(source, b"".join(blobs))
            return
        for blob in blobs:
            sys.stdout.buffer.write(blob)


def _show_content(source: str, data: bytes) -> None:
    from penstock.cli.output import show_json

    try:
        content, encoding = data.decode(), "utf-8"
    except UnicodeDecodeError:
        import base64

        content, encoding = base64.b64encode(data).decode(), "base64"
    show_json({"file": source, "size": len(data), "encoding": encoding, "content": content})
