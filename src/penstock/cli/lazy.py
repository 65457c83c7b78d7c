"""A click group that knows its commands by name and sentence, and imports the module of the one that is called."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

import click

#: Where a command is, below `penstock.cli` (`module:attribute`), and the sentence `--help` shows for it.
Place = tuple[str, str]


class LazyGroup(click.Group):
    """`sections`: heading -> command -> place. `faces`: command -> (words, place of the group they belong to), for a
    verb that is a noun too: `penstock run list`."""

    def __init__(
        self,
        name: str,
        help: str,
        sections: Mapping[str, Mapping[str, Place]],
        faces: Mapping[str, tuple[frozenset[str], str]] | None = None,
        params: list[click.Parameter] | None = None,
    ) -> None:
        names = {"help_option_names": ["-h", "--help"]}
        super().__init__(
            name, help=help, params=params, invoke_without_command=True, callback=_help_if_alone, context_settings=names
        )
        self.sections = sections
        self.faces = faces or {}
        self.places = {command: place for section in sections.values() for command, place in section.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return _load(self.places[cmd_name][0]) if cmd_name in self.places else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        words, noun = self.faces.get(name, (frozenset(), ""))
        if args[1:] and args[1] in words:
            return name, _load(noun), args[1:]
        if name not in self.places and not ctx.resilient_parsing:
            from difflib import get_close_matches

            from penstock.cli.foreign import pointer

            near = get_close_matches(name, self.places, 1, cutoff=0.7)
            hint = pointer(name) or (f"did you mean {near[0]!r}?" if near else "")
            ctx.fail(f"there is no command {name!r}" + (f"; {hint}" if hint else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for heading, section in self.sections.items():
            with formatter.section(heading):
                formatter.write_dl([(command, sentence) for command, (_, sentence) in section.items()])


def noun(name: str, help: str) -> click.Group:
    """A noun, whose commands are added to it; alone it shows its help."""
    return click.Group(name, help=help, invoke_without_command=True, callback=_help_if_alone)


@click.pass_context
def _help_if_alone(ctx: click.Context) -> None:
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def _load(place: str) -> click.Command:
    module, _, attribute = place.partition(":")
    command = getattr(importlib.import_module(f"penstock.cli.{module}"), attribute)
    assert isinstance(command, click.Command)
    return command
