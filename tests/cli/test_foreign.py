"""Words of other tools lead to commands and options that are there."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import click
import pytest

from penstock.cli.foreign import COMMANDS, OPTIONS
from penstock.cli.root import cli

Penstock = Callable[..., Any]

CODE = re.compile(r"`([^`]+)`")


def _options(command: click.Command) -> set[str]:
    return {name for param in command.params for name in param.opts}


def _command(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that words call, and what is left of them."""
    command: click.Command = cli
    context = click.Context(cli)
    while isinstance(command, click.Group) and words and words[0].islower():
        _, found, words = command.resolve_command(context, words)
        assert found is not None
        command = found
    return command, words


SENTENCES = [("", sentence) for sentence in COMMANDS.values()] + [
    (command, sentence) for command, found in OPTIONS.items() for sentence in found.values()
]


@pytest.mark.parametrize(("command", "sentence"), SENTENCES)
def test_what_a_hint_names_is_there(command: str, sentence: str) -> None:
    for code in CODE.findall(sentence):
        name, *words = code.split()
        if name == "penstock":
            meant, left = _command(words)
            assert meant is not cli
            assert {word for word in left if word.startswith("-")} <= _options(meant)
        elif name.startswith("-"):
            assert name in _options(_command([command])[0])


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_of_other_tools(penstock: Penstock, name: str) -> None:
    said = penstock(name)
    assert (said.code, said.err.split("; ")[0]) == (2, f"penstock: there is no command '{name}'")
    assert COMMANDS[name] in said.err


@pytest.mark.parametrize(("command", "option"), [(name, option) for name, found in OPTIONS.items() for option in found])
def test_options_of_other_tools(penstock: Penstock, command: str, option: str) -> None:
    said = penstock(command, option)
    assert said.code == 2
    assert OPTIONS[command][option] in said.err


def test_only_near_words_are_guessed(penstock: Penstock) -> None:
    assert "did you mean 'status'?" in penstock("statsu").err
    assert "did you mean" not in penstock("plots").err


@pytest.mark.parametrize("words", [(), ("run",), ("repo",), ("repo", "list"), ("pachctl",), ("torc", "jobs", "list")])
def test_h_is_help(penstock: Penstock, words: tuple[str, ...]) -> None:
    assert penstock(*words, "-h").out == penstock(*words, "--help").out != ""
