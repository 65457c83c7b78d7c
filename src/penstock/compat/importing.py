"""What all translations of foreign definitions end with: a pipeline file, or its text."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])


def output_option(help: str) -> Callable[[_Command], _Command]:
    """`-o FILE`: a path, None for stdout, which `-` names, too."""

    def path(_: click.Context, __: click.Parameter, value: Path | None) -> Path | None:
        return None if value == Path("-") else value

    return click.option("-o", "--output", type=click.Path(path_type=Path), callback=path, help=help)


def write_out(said: dict[str, Any], output: Path | None, *, force: bool, as_json: bool, message: str) -> None:
    """Print a definition in our words, or write it into a file, which must not be there yet unless forced."""
    from penstock.model.errors import AlreadyExists
    from penstock.text.written import write_yaml

    document = json.dumps(said, ensure_ascii=False)
    if output is None:
        print(document if as_json else write_yaml(said), end="\n" if as_json else "")
        return
    if output.exists() and not force:
        raise AlreadyExists(f"{output}: exists already; name another file, or use --force")
    output.write_text(write_yaml(said))
    print(document if as_json else message)
