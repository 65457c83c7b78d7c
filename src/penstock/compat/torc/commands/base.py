"""`torc NOUN VERB`: the group of all nouns, the root options, and what the commands share."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from pathlib import Path

    from penstock.compat.torc.spec import Translated
    from penstock.service.parts import Parts
    from penstock.service.userdata.files import TaskData
    from penstock.text.nodes import Node

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


#: What messages of the rest of Penstock advise, and how it is done by the commands of Torc.
_ADVICE = (
    (r"`penstock stop [^`]*`", "`torc workflows cancel`"),
    (r"`penstock wait[^`]*`", "`torc jobs run`"),
    (r"`penstock pipeline enable`", "`torc jobs enable`"),
    (r"`penstock data list`", "`torc user-data list`"),
    (r"\bpipeline (?=')", "workflow "),
    (r"\bstep (?=')", "job "),
)


@contextmanager
def project() -> Iterator[Parts]:
    """The project here or above; what is raised inside advises commands and options of Torc."""
    from pathlib import Path

    from penstock.model.errors import PenstockError
    from penstock.service import layout
    from penstock.service.parts import Parts

    parts = Parts.open(layout.find(Path()))
    if parts.warning is not None:
        print(f"warning: {parts.warning}", file=sys.stderr)
    try:
        yield parts
    except PenstockError as error:
        message = str(error)
        for ours, theirs in _ADVICE:
            message = re.sub(ours, theirs, message)
        error.args = (message, *error.args[1:])
        raise
    finally:
        parts.close()


def _parsed(parse: Callable[[str], Any]) -> Callable[[click.Context, click.Parameter, str | None], Any]:
    """The callback of an option that a function reads; what it cannot read is told with the name of the option."""

    def read(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
        from penstock.model.errors import UsageError

        try:
            return None if value is None else parse(value)
        except UsageError as error:
            raise click.BadParameter(str(error), ctx, param) from None

    return read


def _duration(text: str) -> float:
    from penstock.text.units import parse_seconds

    return parse_seconds(text)


def _memory(text: str) -> int:
    from penstock.compat.torc.units import parse_memory

    return parse_memory(text)


def _walltime(text: str) -> float:
    from penstock.compat.torc.schedulers import parse_walltime

    return parse_walltime(text)


read_duration, read_memory, read_walltime = _parsed(_duration), _parsed(_memory), _parsed(_walltime)


def by_option(said: Mapping[str, tuple[str, Any]]) -> Node:
    """What options say, each (option, value) under the name of a field, as a mapping whose places are the options; None
    is not said.
    """
    from penstock.text.nodes import Node, made

    found = {key: Node(value, option, 1, 1, str(value)) for key, (option, value) in said.items() if value is not None}
    return made(found, Node(None, "-n", 1, 1))


@contextmanager
def named_options() -> Iterator[None]:
    """What is wrong with a value of `by_option` is told with its option, which has no lines and columns."""
    from penstock.model.errors import BadSpec, UsageError

    try:
        yield
    except BadSpec as error:
        raise UsageError(f"{error.where.partition(':')[0]}: {error.message}") from None


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


def read_file(file: Path, default_name: str, commands: str = "auto") -> Translated:
    """A definition in our words; a `commands` of auto finds out which Torc it is for. Raises NotFound, BadSpec."""
    from penstock.compat.torc.spec import read_definition
    from penstock.model.errors import NotFound

    if not file.is_file():
        raise NotFound(f"{file}: no such file")
    return read_definition(file.read_bytes(), str(file), default_name, commands)


def tell(notes: Iterable[str]) -> None:
    """Say what there is to say of a definition."""
    for note in notes:
        click.echo(f"note: {note}", err=True)
