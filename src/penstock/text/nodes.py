"""A value at its place in a file: what the readers of YAML and JSON make, and what keeps a hostile file small."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from msgspec import Struct

from penstock.model.errors import BadSpec

MAX_DEPTH = 100
#: Values that any file may have; a large one may have a fourth of its characters, which repetition alone makes more of.
MAX_NODES = 1_000_000
MAX_MESSAGE = 600
#: More digits than any number here has; longer ones cost quadratic time to read.
MAX_DIGITS = 400

_LINE_END = re.compile("\r\n|\n|\r")


class Node(Struct, eq=False):
    """A value at its place, lines and columns from 1.

    `value` is None, bool, int, float, str, a list of nodes, or a dict from key to node; `text` is a scalar as it was
    written, `keys` the keys of a mapping as nodes, and None for anything else.
    """

    value: Any
    file: str
    line: int
    column: int
    text: str = ""
    keys: dict[str, Node] | None = None

    @property
    def where(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"

    def fail(self, message: str) -> NoReturn:
        """Raise BadSpec at this place; what the message quotes cannot break its line or drown it."""
        if not message.isprintable():
            message = "".join(char if char.isprintable() else repr(char)[1:-1] for char in message)
        if len(message) > MAX_MESSAGE:
            message = f"{message[: MAX_MESSAGE // 2]} … {message[-MAX_MESSAGE // 2 :]}"
        raise BadSpec(message, self.where)

    def plain(self) -> Any:
        """The value alone, all the way down."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


class Budget:
    """Counts the nodes of one file of so many characters, and refuses what is too many or too deep."""

    def __init__(self, size: int) -> None:
        self.most = max(MAX_NODES, size // 4)
        self.nodes = 0

    def spend(self, place: Node, depth: int, nodes: int = 1) -> None:
        """Account for `nodes` more values of which the deepest lies `depth` levels down; raise BadSpec at `place`."""
        self.nodes += nodes
        if self.nodes > self.most:
            place.fail(f"more than {self.most:,} values, repeated ones counted; split the file")
        if depth > MAX_DEPTH:
            place.fail(f"more than {MAX_DEPTH} levels inside each other")


def add_key(keys: dict[str, Node], key: Node) -> None:
    """Note a key of a mapping; raise BadSpec if it was there."""
    first = keys.setdefault(key.value, key)
    if first is not key:
        key.fail(f'the key "{key.value}" was given before, at {first.line}:{first.column}')


def place_of(text: str, offset: int, file: str) -> str:
    """`file:line:column` of an offset in characters."""
    ends = [match.end() for match in _LINE_END.finditer(text, 0, offset)]
    return f"{file}:{len(ends) + 1}:{offset - (ends[-1] if ends else 0) + 1}"


def line_starts(text: str) -> list[int]:
    """The offset at which each line begins."""
    return [0, *(match.end() for match in _LINE_END.finditer(text))]


def scalar(value: Any, at: Node) -> Node:
    """A value at the place of what it was translated from."""
    return Node(value, at.file, at.line, at.column, str(value))


def sequence(items: Sequence[Node], at: Node) -> Node:
    """A list that stands there."""
    return Node(list(items), at.file, at.line, at.column)


def made(items: Mapping[str, Node], at: Node) -> Node:
    """A mapping whose keys stand where their values do."""
    keys = {name: Node(name, item.file, item.line, item.column, name) for name, item in items.items()}
    return Node(dict(items), at.file, at.line, at.column, keys=keys)
