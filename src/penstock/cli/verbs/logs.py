"""`logs`: what tasks printed."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from penstock.cli.options import json_option, project

if TYPE_CHECKING:
    from penstock.service.answers.logs import LogChunk


@click.command()
@click.argument("target", metavar="TARGET")
@click.option("-f", "--follow", is_flag=True, help="Go on until the target is done.")
@json_option
def logs(target: str, follow: bool, as_json: bool) -> None:
    """Show what tasks printed.

    TARGET is a task, a job (STEP@RUN, or STEP for its newest) or a run. With --follow, --json prints one document per
    piece, as they come.
    """
    from penstock.service.answers.logs import logs as read

    with project() as parts:
        chunks = read(parts, target, follow)
        if as_json:
            _show_json(chunks, follow)
        else:
            _show(chunks, heads=follow or sys.stdout.isatty())


def _show(chunks: Iterable[LogChunk], heads: bool) -> None:
    """Raw bytes; a head line per attempt when asked for, or when there turn out to be several."""
    shown: tuple[str, int] | None = None
    first: list[LogChunk] = []
    for chunk in chunks:
        attempt = (chunk.task, chunk.attempt)
        if not heads and shown in (None, attempt):
            shown = attempt
            first.append(chunk)
            continue
        if not heads:
            heads = True
            _head(first[0])
            _write(first)
        if attempt != shown or first:
            shown, first = attempt, []
            _head(chunk)
        _write([chunk])
    if not heads:
        _write(first)
    if shown is None:
        from penstock.cli.output import talk

        talk("nothing was printed (a task that was reused prints nothing again)")


def _head(chunk: LogChunk) -> None:
    from penstock.cli.output import short
    from penstock.cli.summary import binding

    again = f", attempt {chunk.attempt}" if chunk.attempt > 1 else ""
    print(f"==> {short(chunk.task)} {binding(chunk.binding)}{again} <==", flush=True)


def _write(chunks: Iterable[LogChunk]) -> None:
    for chunk in chunks:
        sys.stdout.buffer.write(chunk.data)
    sys.stdout.buffer.flush()


def _show_json(chunks: Iterable[LogChunk], follow: bool) -> None:
    from penstock.cli.output import show_json

    documents = (
        {
            "task": chunk.task,
            "binding": chunk.binding,
            "attempt": chunk.attempt,
            "text": chunk.data.decode(errors="replace"),
        }
        for chunk in chunks
    )
    if follow:
        for document in documents:
            show_json(document)
            sys.stdout.flush()
    else:
        show_json({"logs": list(documents), "next": None})
