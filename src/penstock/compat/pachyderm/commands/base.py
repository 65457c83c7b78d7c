"""`pachctl VERB NOUN`: the group of all verbs, and what its commands share."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from penstock.model.ids import Reference
    from penstock.service.parts import Parts

_Command = TypeVar("_Command", bound=Callable[..., Any])


class _Nouns(click.Group):
    """The nouns of a verb; each is also known by its plural."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for name in (cmd_name, cmd_name.removesuffix("s"), cmd_name.removesuffix("es")):
            found = super().get_command(ctx, name)
            if found is not None:
                return found
        return None


#: Under which name a command keeps how `--raw` is to be written.
_FORMAT = "penstock.pachctl.format"


def _keep_format(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    ctx.meta[_FORMAT] = value


def _check_project(_: click.Context, __: click.Parameter, value: str | None) -> None:
    if value not in (None, "default"):
        raise click.BadParameter(f"{value!r}: a project here is a directory; call the command in that one")


class _View(click.Command):
    """A command that shows something: it takes the options that all of Pachyderm's do."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.params += [
            click.Option(
                ["-o", "--output"],
                type=click.Choice(["json", "yaml"]),
                expose_value=False,
                callback=_keep_format,
                help="How --raw is written.",
            ),
            click.Option(["--project"], expose_value=False, callback=_check_project, help="The project `default`."),
            click.Option(["--no-pager"], is_flag=True, expose_value=False, help="No pager, as always."),
        ]

    def invoke(self, ctx: click.Context) -> Any:
        if ctx.meta.get(_FORMAT) and not (ctx.params.get("raw") or ctx.params.get("as_spec")):
            raise click.UsageError("-o goes with --raw")
        return super().invoke(ctx)


class _Views(_Nouns):
    """The nouns of a verb that shows things."""

    command_class = _View


@click.pass_context
def _help_if_alone(ctx: click.Context) -> None:
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


pachctl = click.Group(
    "pachctl",
    help="Pachyderm's commands on this project. What it calls a pipeline is a step here.",
    invoke_without_command=True,
    callback=_help_if_alone,
)


def verb(name: str, help: str, kind: type[_Nouns] = _Nouns) -> click.Group:
    """A verb of `pachctl`; the modules of this package add their nouns to it."""
    group = kind(name, help=help, invoke_without_command=True, callback=_help_if_alone)
    pachctl.add_command(group)
    return group


LIST = verb("list", "Print things of a kind.", _Views)
INSPECT = verb("inspect", "Print one thing.", _Views)
CREATE = verb("create", "Make a repo, a branch or a pipeline.")
UPDATE = verb("update", "Put a new version of a pipeline in force.")
DELETE = verb("delete", "Delete a thing.")
START = verb("start", "Open a commit, or let a stopped pipeline go on.")
FINISH = verb("finish", "Finish an open commit.")
RESTART = verb("restart", "Work on a datum anew.")
STOP = verb("stop", "End a job, or let a pipeline sleep.")
WAIT = verb("wait", "See jobs or commits through to their end.")
RUN = verb("run", "Run a pipeline at the heads as they are, or make a tick.")
SQUASH = verb("squash", "Take a commit out of history.")
PUT = verb("put", "Store files.")
GET = verb("get", "Read a file.")
COPY = verb("copy", "Copy files by reference.")
GLOB = verb("glob", "Print what fits a pattern.")
DIFF = verb("diff", "Print how files differ.")

number_option = click.option("-n", "--number", type=click.IntRange(1, 100_000), help="At most so many.")
raw_option = click.option("--raw", "--json", "raw", is_flag=True, help="Print JSON.")
full_option = click.option("--full-timestamps", "full", is_flag=True, help="Times as they are, not how long ago.")


def force_option(help: str) -> Callable[[_Command], _Command]:
    """`--force`, with what it overrules."""
    return click.option("-f", "--force", is_flag=True, help=help)


@contextmanager
def project() -> Iterator[Parts]:
    """The project here or above."""
    from pathlib import Path

    from penstock.service import layout
    from penstock.service.parts import Parts

    parts = Parts.open(layout.find(Path()))
    if parts.warning is not None:
        print(f"warning: {parts.warning}", file=sys.stderr)
    try:
        yield parts
    finally:
        parts.close()


def show_json(documents: Iterable[Any]) -> None:
    """One document after the other, as `--raw` prints them."""
    context = click.get_current_context(silent=True)
    if context is not None and context.meta.get(_FORMAT) == "yaml":
        from penstock.text.written import write_yaml

        for number, document in enumerate(documents):
            print("---\n" * bool(number) + write_yaml(document), end="")
        return
    for document in documents:
        print(json.dumps(document, indent=4, ensure_ascii=False))


def talk(text: str) -> None:
    """One line on stderr, after all that went to stdout so far."""
    sys.stdout.flush()
    print(text, file=sys.stderr, flush=True)


def say(text: str, raw: bool, document: Any) -> None:
    """What a command did, for people or for programs."""
    if raw:
        show_json([document])
    else:
        talk(text)


def see_through(parts: Parts, runs: Iterable[str], jobs: Collection[int] = ()) -> None:
    """Return when these runs are done, or these jobs of theirs: driven from here if nobody does, else followed. Raises
    Interrupted.
    """
    from penstock.model.errors import Interrupted
    from penstock.service.driving.watch import follow_or_drive

    try:
        follow_or_drive(parts, list(runs), None, None, jobs)
    except KeyboardInterrupt:
        raise Interrupted("stopped waiting; wait again to go on") from None


def branch_reference(parts: Parts, text: str) -> Reference:
    """`REPO@BRANCH[:PATH]` of a repo that exists; without a branch its default one. Raises NotFound, BadReference."""
    from msgspec.structs import replace

    from penstock.model.ids import parse_reference
    from penstock.service import resolve

    reference = parse_reference(text)
    there = resolve.repo(parts, reference.repo)
    return replace(reference, ref=reference.ref or there.default_branch)


def is_empty(parts: Parts, reference: Reference) -> bool:
    """Whether a reference names a branch that has no commit yet, not even an open one."""
    from penstock.model.run import Branch, Repo
    from penstock.service.data.committing import open_commit

    repos = parts.store.load(Repo, "repo", name=reference.repo)
    if not repos:
        return False
    there = repos[0]
    name = reference.ref or there.default_branch
    known = {branch.name: branch.head for branch in parts.store.load(Branch, "branches", repo=there.name)}
    if name != there.default_branch and name not in known:
        return False
    return known.get(name) is None and open_commit(parts, there.name, name) is None


def ancestor(text: str) -> tuple[str, int]:
    """`NAME^2` as a name and how many versions back. Raises BadReference."""
    from penstock.model.errors import BadReference
    from penstock.model.ids import split_ancestry

    name, back, place = split_ancestry(text)
    if place is not None:
        raise BadReference(f"{text!r}: versions are counted back, as in {name}^1")
    return name, back


def history_option(default: str, help: str) -> Callable[[_Command], _Command]:
    """`--history`: how many versions before the newest one count; None for all."""

    def read(_: click.Context, __: click.Parameter, text: str) -> int | None:
        words = {"none": 0, "all": None, "-1": None}
        if text in words:
            return words[text]
        if not text.isdecimal():
            raise click.BadParameter(f"{text!r}: expected none, all or a number of versions")
        return int(text[:9])

    return click.option("--history", metavar="N|none|all", default=default, callback=read, help=f"{help} [{default}].")
