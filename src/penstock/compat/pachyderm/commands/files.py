"""`put/get/copy/list/inspect/glob/diff/delete file`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from penstock.compat.importing import output_option
from penstock.compat.pachyderm.commands.base import (
    COPY,
    DELETE,
    DIFF,
    GET,
    GLOB,
    INSPECT,
    LIST,
    PUT,
    branch_reference,
    force_option,
    is_empty,
    project,
    raw_option,
    say,
    show_json,
    talk,
)

if TYPE_CHECKING:
    from penstock.model.ids import Reference
    from penstock.service.data.committing import Written
    from penstock.service.data.listing import Listed
    from penstock.service.parts import Parts


def _read_from(parts: Parts, text: str) -> Reference:
    """What is to be read. Raises NotFound where all there is of a branch is a commit that is still open."""
    from penstock.model.errors import NotFound
    from penstock.model.ids import parse_reference
    from penstock.model.run import Repo
    from penstock.service import resolve
    from penstock.service.data.committing import open_commit

    reference = parse_reference(text)
    repos = parts.store.load(Repo, "repo", name=reference.repo)
    name = reference.ref or (repos[0].default_branch if repos else "")
    opened = open_commit(parts, reference.repo, name)
    if opened is not None and resolve.head(parts, reference.repo, name) is None:
        at = f"{reference.repo}@{name}"
        raise NotFound(f"{at} has no finished commit yet; {opened.id} is open: `pachctl finish commit {at}`")
    return reference


@PUT.command("file")
@click.argument("target", metavar="REPO@BRANCH[:/PATH]")
@click.option("-f", "--file", "sources", multiple=True, metavar="FILE", help="A file, an address, or -.", required=True)
@click.option("-r", "--recursive", is_flag=True, help="Directories: their contents go below PATH.")
@click.option("-a", "--append", is_flag=True, help="Add the bytes at the end of files that exist.")
@click.option("-m", "--message", default="", metavar="MSG", help="Why; kept with the commit.")
@raw_option
def put_file(target: str, sources: tuple[str, ...], recursive: bool, append: bool, message: str, raw: bool) -> None:
    """Store files in one commit, or in the one that is open on the branch."""
    from penstock.model.errors import UsageError
    from penstock.service.data import writing
    from penstock.service.data.sources import Taking

    directories = [source for source in sources if Path(source).is_dir()]
    if directories and not recursive:
        raise UsageError(f"{directories[0]}: is a directory; -r stores what is in it")
    given = [f"{source.rstrip('/')}/" if source in directories else source for source in sources]
    with project() as parts:
        reference = branch_reference(parts, target)
        written = writing.put(
            parts, reference, given, append=append, message=message, taking=Taking(stdin=sys.stdin.buffer)
        )
    _tell(written, raw)


def _tell(written: Written, raw: bool) -> None:
    made = written.commit
    if raw:
        branch = {"repo": {"name": made.repo, "type": "user"}, "name": made.branch}
        show_json([{"commit": {"branch": branch, "id": made.id}}])
    if made.run is not None:
        talk(f"opened job {made.run}; `pachctl wait job {made.run}` sees it through")


@GET.command("file")
@click.argument("source", metavar="REPO@REF:/PATH")
@output_option("Where to write it; stdout unless it is named.")
@click.option("-r", "--recursive", is_flag=True, help="A directory or a pattern, with -o.")
@force_option("Replace files that are there.")
@raw_option
def get_file(source: str, output: Path | None, recursive: bool, force: bool, raw: bool) -> None:
    """Print a file, or write it to a new place."""
    from penstock.model.errors import UsageError
    from penstock.service.data import exporting, reading

    if recursive and output is None:
        raise UsageError("-r writes several files; say where with -o")
    with project() as parts:
        reference = _read_from(parts, source)
        if output is None:
            if raw:
                raise UsageError("--raw goes with -o: without it stdout is the file itself")
            for piece in reading.cat(parts, reference):
                sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
            return
        if not recursive:
            reading.the_file(parts, reading.locate(parts, reference))
        got = exporting.get(parts, reference, output, force=force)
    say(f"{got.files} written to {output}", raw, {"files": got.files, "size_bytes": str(got.size)})


@COPY.command("file")
@click.argument("source", metavar="REPO@REF:/PATH")
@click.argument("target", metavar="REPO@BRANCH:/PATH")
@click.option("-a", "--append", is_flag=True, help="Add the bytes at the end of files that exist.")
@raw_option
def copy_file(source: str, target: str, append: bool, raw: bool) -> None:
    """Copy a file or a directory by reference; no bytes are moved."""
    from penstock.service.data import copying

    with project() as parts:
        written = copying.copy(parts, _read_from(parts, source), branch_reference(parts, target), append=append)
    _tell(written, raw)


@DELETE.command("file")
@click.argument("target", metavar="REPO@BRANCH:/PATH")
@click.option("-r", "--recursive", is_flag=True, help="A directory with all its files.")
@raw_option
def delete_file(target: str, recursive: bool, raw: bool) -> None:
    """Delete a file in one commit. Earlier commits keep it."""
    from penstock.service.data import writing

    with project() as parts:
        reference = branch_reference(parts, target)
        written = writing.remove(parts, reference, recursive=recursive or reference.directory)
    _tell(written, raw)


@LIST.command("file")
@click.argument("source", metavar="REPO@REF[:/PATH]")
@raw_option
def list_file(source: str, raw: bool) -> None:
    """List the files and directories in a directory."""
    _list(source, raw)


@GLOB.command("file")
@click.argument("source", metavar="REPO@REF:/PATTERN")
@raw_option
def glob_file(source: str, raw: bool) -> None:
    """List the files and directories that fit a pattern; a plain path fits what stands there."""
    _list(source, raw, itself=True)


def _list(source: str, raw: bool, itself: bool = False) -> None:
    from penstock.compat.pachyderm.show import bytes_size, table
    from penstock.service.data import listing

    with project() as parts:
        reference = _read_from(parts, source)
        if is_empty(parts, reference) and (itself or not reference.path):
            found: Iterator[Listed] = iter(())
        elif itself:
            found = listing.fitting(parts, reference)
        else:
            found = listing.ls(parts, reference, sizes=True)
        if raw:
            show_json(_json(item) for item in found)
            return
        rows = [(_path(item), "dir" if item.directory else "file", bytes_size(item.size)) for item in found]
    print(table(("NAME", "TYPE", "SIZE"), rows), end="")


def _path(item: Listed) -> str:
    return f"/{item.cursor}" if item.path else "/"


def _json(item: Listed) -> dict[str, Any]:
    kind = "DIR" if item.directory else "FILE"
    return {"file": {"path": _path(item)}, "file_type": kind, "size_bytes": str(item.size)}


@INSPECT.command("file")
@click.argument("source", metavar="REPO@REF:/PATH")
@raw_option
def inspect_file(source: str, raw: bool) -> None:
    """Print what is known of a file or a directory."""
    from penstock.compat.pachyderm.show import bytes_size
    from penstock.service.data import listing

    with project() as parts:
        found = listing.show(parts, _read_from(parts, source))
    kind = "dir" if found.directory else "file"
    if raw:
        said = {"file": {"path": f"/{found.path}"}, "file_type": kind.upper(), "size_bytes": str(found.size)}
        show_json([said if found.hash is None else {**said, "hash": found.hash}])
    else:
        print(f"Path: /{found.path}\nType: {kind}\nSize: {bytes_size(found.size)}\nHash: {found.hash or '-'}")


def _names(parts: Parts, old: Reference | None, new: Reference) -> tuple[Callable[[str], str], Callable[[str], str]]:
    """How a difference is spelled on either side: two different places are compared by the names in them."""
    from penstock.service.data import reading
    from penstock.service.data.comparing import in_two_places

    if old is None or not in_two_places(old, new):
        return "/{}".format, "/{}".format
    was, now = reading.locate(parts, old), reading.locate(parts, new)
    if was.entry is not None and now.entry is not None:
        return (lambda _: f"/{was.path}"), (lambda _: f"/{now.path}")
    ends = [f"/{found.base}/" if found.base else "/" for found in (was, now)]
    return (lambda name: ends[0] + name), (lambda name: ends[1] + name)


@DIFF.command("file")
@click.argument("new", metavar="REPO@REF[:/PATH]")
@click.argument("old", metavar="[REPO@REF[:/PATH]]", required=False)
@raw_option
def diff_file(new: str, old: str | None, raw: bool) -> None:
    """Print which files and directories differ from OLD, or from the parent of NEW: + as they are, - as they were."""
    from penstock.compat.pachyderm.show import bytes_size, table
    from penstock.model.ids import parse_reference
    from penstock.service.data import comparing

    with project() as parts:
        after = _read_from(parts, new)
        before = None if old is None else parse_reference(old)
        changes = comparing.around(parts, after) if before is None else comparing.around(parts, before, after)
        was, now = _names(parts, before, after)
        rows = [
            (sign, size, name(item.path))
            for item in changes
            for sign, size, name in (("-", item.old_size, was), ("+", item.new_size, now))
            if size is not None
        ]
    if raw:
        show_json({"op": sign, "size_bytes": str(size), "path": path} for sign, size, path in rows)
    else:
        print(table(("OP", "SIZE", "NAME"), [(sign, bytes_size(size), path) for sign, size, path in rows]), end="")
