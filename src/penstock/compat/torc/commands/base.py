"""`torc NOUN VERB`: the group of all nouns, the root options, and what the commands share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from penstock.service.parts import Parts
    from penstock.service.userdata.files import TaskData

_Command = TypeVar("_Command", bound=Callable[..., Any])


@click.group("torc", invoke_without_command=True)
@click.option("-k", "--workflow-key", "key", metavar="KEY", envvar="TORC_WORKFLOW_KEY", help="Which workflow.")
@click.option(
    "-F",
    "--output-format",
    "form",
    type=click.Choice(["text", "csv", "json"]),
    default="text",
    show_default=True,
    help="How lists are printed.",
)
@click.pass_context
def torc(ctx: click.Context, key: str | None, form: str) -> None:
    """Torc's commands on this project. A workflow is a pipeline here, and a job is a step.

    Without -k a command means the workflow in TORC_WORKFLOW_KEY, or the only one there is.
    """
    ctx.obj = Root(key, form)
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


class Root:
    """The root options."""

    def __init__(self, key: str | None, form: str) -> None:
        self.key = key
        self.form = form


@click.pass_context
def _help_if_alone(ctx: click.Context) -> None:
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def noun(name: str, help: str, under: click.Group = torc) -> click.Group:
    """A noun of `torc`; the modules of this package add their verbs to it."""
    group = click.Group(name, help=help, invoke_without_command=True, callback=_help_if_alone)
    under.add_command(group)
    return group


WORKFLOWS = noun("workflows", "Pipelines and their runs.")
JOBS = noun("jobs", "Steps of a workflow.")
USER_DATA = noun("user-data", "JSON documents of a workflow and its jobs.")
RESULTS = noun("results", "How jobs ended, in every run.")
EVENTS = noun("events", "What happened.")
RESOURCES = noun("resource-requirements", "Named resources that jobs share.")
SLURM = noun("slurm", "Nodes that Slurm lends.", noun("hpc", "Nodes of clusters."))


#: More lines than anybody asks for, and everything can count to it.
MOST = 1_000_000_000


def page_options(command: _Command) -> _Command:
    """`-l` and `-s` of a list."""
    limit = click.option("-l", "--limit", type=click.IntRange(1, MOST), help="At most so many.")
    skip = click.option("-s", "--skip", type=click.IntRange(0, MOST), default=0, help="Leave out the first so many.")
    return limit(skip(command))


@contextmanager
def project() -> Iterator[Parts]:
    """The project here or above."""
    from pathlib import Path

    from penstock.service import layout
    from penstock.service.parts import Parts

    parts = Parts.open(layout.find(Path()))
    try:
        yield parts
    finally:
        parts.close()


def task_data() -> TaskData | None:
    """Where the user data of this task is, if this is one."""
    from penstock.service.userdata.files import of_task

    return of_task(os.environ)


def read_objects(texts: tuple[str, ...]) -> list[dict[str, Any]]:
    """JSON5 objects; - is standard input. Raises BadSpec."""
    from penstock.text.marked import read_marked

    found = []
    for place, text in enumerate(texts, 1):
        name, source = ("stdin", sys.stdin.buffer.read()) if text == "-" else (f"DATA {place}", text)
        node = read_marked(source, name, json=True)
        if not isinstance(node.value, dict):
            node.fail("user data is a JSON5 object, such as \"{key1: 'val1'}\"")
        found.append(node.plain())
    return found
