"""Options and arguments that many commands share, and how a command comes by its project."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from penstock.model.errors import UsageError

if TYPE_CHECKING:
    from penstock.service.parts import Parts

_Command = TypeVar("_Command", bound=Callable[..., Any])

#: The largest whole number that all count to that one is handed on to: SQLite, JSON readers, `islice`.
_MOST = 1 << 53
COUNT, SIZE, OFFSET = click.IntRange(1, _MOST), click.IntRange(0, _MOST), click.IntRange(-_MOST, _MOST)

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
message_option = click.option("-m", "--message", default="", metavar="MSG", help="Why; kept with the commit.")
params_option = click.option(
    "-p", "--param", "params", multiple=True, metavar="K=V", help="A parameter; V is JSON if it parses, else text."
)

pipeline_option = click.option("--pipeline", "of", metavar="PIPELINE", help="Whose; needed where there are several.")


cpus_option = click.option("-j", "--cpus", type=COUNT, metavar="N", help="Use at most N processors of this machine.")


time_limit_option = click.option(
    "--time-limit",
    metavar="TIME",
    help="How long this machine is ours (90, 10m, 04:00:00): tasks are told to leave before that. Exit code 124.",
)


def force_option(help: str) -> Callable[[_Command], _Command]:
    """`--force`, with what it overrules."""
    return click.option("--force", is_flag=True, help=help)


def page_options(default: int) -> Callable[[_Command], _Command]:
    """`--limit` and `--after` of a `list`."""

    def add(command: _Command) -> _Command:
        limit = click.option(
            "--limit", type=click.IntRange(1, 100_000), default=default, show_default=True, help="At most so many."
        )
        after = click.option("--after", metavar="CURSOR", help="Go on after the `next` of an earlier list.")
        return limit(after(command))

    return add


states_option = click.option(
    "--state", "states", multiple=True, metavar="STATE", help="Only what is in this state, such as failed."
)


def read_params(given: Sequence[str]) -> dict[str, Any]:
    """`K=V` words as parameters.

    >>> read_params(["n=3", "name=three", "list=[1, 2]", "empty="])
    {'n': 3, 'name': 'three', 'list': [1, 2], 'empty': ''}
    """
    params = {}
    for word in given:
        name, equals, text = word.partition("=")
        if not equals or not name:
            raise UsageError(f"-p {word}: expected NAME=VALUE")
        params[name] = _value(text)
    return params


def _value(text: str) -> Any:
    try:
        return json.loads(text)  # NaN and Infinity, too, which whoever takes parameters refuses
    except (ValueError, RecursionError):
        return text


@contextmanager
def project(create: bool = False) -> Iterator[Parts]:
    """The project here or above. With `create`, one is made where the nearest pipeline file lies."""
    from penstock.service import layout
    from penstock.service.parts import Parts

    here = Path()
    with Parts.first(here) if create else closing(Parts.open(layout.find(here))) as parts:
        if parts.warning:
            from penstock.cli.output import talk

            talk(f"warning: {parts.warning}")
        yield parts
