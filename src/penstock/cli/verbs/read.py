"""`get`, `ls` and `cat`."""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from penstock.cli.options import COUNT, OFFSET, SIZE, json_option, project
from penstock.model.errors import UsageError

if TYPE_CHECKING:
    from penstock.service.data.listing import Listed

#: DEST that stands for stdout.
STDOUT = Path("-")


@click.command()
@click.argument("source", metavar="REPO[@REF][:/PATH]")
@click.argument("destination", metavar="DEST", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--tar", "as_tar", is_flag=True, help="One tar: to stdout, or to DEST.tar or DEST.tar.gz.")
@click.option("--link", is_flag=True, help="Large files as links to the store's own: read-only, unverified.")
@click.option("--force", is_flag=True, help="Replace files that are there.")
@json_option
def get(source: str, destination: Path, as_tar: bool, link: bool, force: bool, as_json: bool) -> None:
    """Write a file, or a directory's contents, to a new place.

    Or what fits a pattern: all of it or nothing.

    REF is a branch, a commit or run id (or how it begins), with ^ or ~2 for ancestors. STEP@RUN reads what a job
    without a repo left. In PATH, * ? ** [a-z] {a,b} and (a|b) make a pattern; what fits keeps its path below the part
    before them. DEST - is stdout.
    """
    from penstock.cli.output import number, show_json, talk
    from penstock.model.ids import parse_reference
    from penstock.service.data import exporting, reading
    from penstock.text.units import show_size

    _check(destination, as_tar, link, as_json)
    reference = parse_reference(source)
    with project() as parts:
        if destination == STDOUT and not as_tar:
            for piece in reading.cat(parts, reference):
                sys.stdout.buffer.write(piece)
            return
        if destination == STDOUT:
            got = exporting.tar(parts, reference, sys.stdout.buffer)
        elif as_tar:
            got = exporting.get_tar(parts, reference, destination, force=force)
        else:
            got = exporting.get(parts, reference, destination, link=link, force=force)
    where = "the tar" if destination == STDOUT else destination
    talk(f"{number(got.files, 'file')}, {show_size(got.size)} in {where}")
    if link:
        talk("large files are the store's own, unverified: whoever writes to one damages every commit that has it")
    if as_json:
        show_json({"source": source, "destination": str(destination), "files": got.files, "size": got.size})


def _check(destination: Path, as_tar: bool, link: bool, as_json: bool) -> None:
    if link and (as_tar or destination == STDOUT):
        raise UsageError("--link makes links in a directory; leave out --tar, and name a directory instead of -")
    if as_json and destination == STDOUT:
        raise UsageError("--json and DEST - would both write to stdout; name a file as DEST")
    if as_tar and destination != STDOUT and not destination.name.endswith((".tar", ".tar.gz", ".tgz")):
        raise UsageError(f"{destination}: a tar goes to a file that ends in .tar, .tar.gz or .tgz, or to -")


@click.command()
@click.argument("source", metavar="REPO[@REF][:/PATH]")
@click.option("-r", "-R", "--recursive", is_flag=True, help="All files below.")
@click.option("-l", "--long", is_flag=True, help="With sizes; a terminal always shows them.")
@click.option("--sizes", is_flag=True, help="Add up what directories hold.")
@click.option("--limit", type=COUNT, help="At most so many.")
@click.option("--after", default="", metavar="CURSOR", help="Go on after the `next` of an earlier list.")
@json_option
def ls(source: str, recursive: bool, long: bool, sizes: bool, limit: int | None, after: str, as_json: bool) -> None:
    """List files, or what fits a pattern; directories end in a slash."""
    from penstock.cli.output import show_json, show_table, talk
    from penstock.model.ids import parse_reference
    from penstock.service.data import listing
    from penstock.text.units import show_size

    def rows() -> Any:
        for item in found:
            yield "" if item.directory and not sizes else show_size(item.size), _name(item)

    with project() as parts:
        found = listing.ls(parts, parse_reference(source), recursive=recursive, after=after, sizes=sizes)
        going_on = None
        if limit is not None:
            page = list(islice(found, limit + 1))
            going_on = page[limit - 1].cursor if len(page) > limit else None
            found = iter(page[:limit])
        if as_json:
            show_json({"files": list(found), "next": going_on})
        elif long or sizes or sys.stdout.isatty():
            show_table(("SIZE", "PATH"), rows(), right=("SIZE",))
        else:
            for item in found:
                print(item.cursor)
    if going_on is not None and not as_json:
        talk(f"more: --after '{going_on}'")


def _name(item: Listed) -> str:
    if item.target is not None:
        return f"{item.path} -> {item.target}"
    return item.cursor + "*" * item.executable


@click.command()
@click.argument("source", metavar="REPO[@REF]:/PATH")
@click.option(
    "--offset", type=OFFSET, default=0, metavar="N", help="Begin at byte N; negative: so many before the end."
)
@click.option("--length", type=SIZE, metavar="N", help="At most N bytes.")
@json_option
def cat(source: str, offset: int, length: int | None, as_json: bool) -> None:
    """Print a file, or a range of its bytes."""
    from penstock.model.ids import parse_reference
    from penstock.service.data import reading

    with project() as parts:
        pieces = reading.cat(parts, parse_reference(source), offset, length)
        if as_json:
            _show_content(source, b"".join(pieces))
            return
        for piece in pieces:
            sys.stdout.buffer.write(piece)


def _show_content(source: str, data: bytes) -> None:
    from penstock.cli.output import show_json

    try:
        content, encoding = data.decode(), "utf-8"
    except UnicodeDecodeError:
        import base64

        content, encoding = base64.b64encode(data).decode(), "base64"
    show_json({"file": source, "size": len(data), "encoding": encoding, "content": content})
