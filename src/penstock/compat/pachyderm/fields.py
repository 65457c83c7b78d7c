"""Taking a Pachyderm message apart: what is translated, what is left out with a sentence, what is refused by name."""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct

from penstock.text.fields import mapping, nearest
from penstock.text.nodes import Node, scalar

#: No number of 64 bits has more digits.
_WHOLE = re.compile(r"([0-9]{1,19})(?:\.0*)?(?:[eE]\+?([0-9]{1,2}))?")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class Message(Struct, frozen=True):
    """The fields of one message. `left_out` and `refused`: field -> why. `marks`: refused fields that mean something by
    being there, even as `{}`.
    """

    taken: frozenset[str]
    left_out: Mapping[str, str] = {}
    refused: Mapping[str, str] = {}
    marks: frozenset[str] = frozenset()

    def read(self, node: Node, what: str, notes: list[str]) -> dict[str, Node]:
        """The fields that are translated, by their names in snake_case; those with nothing in them count as absent.

        What is left out becomes a note. Raises BadSpec for what is refused or unknown.
        """
        values = mapping(node, what)
        found: dict[str, Node] = {}
        for key, place in (node.keys or {}).items():
            field, value = snake(key), values[key]
            if field not in self.taken and field not in self.left_out and field not in self.refused:
                known = {*self.taken, *self.left_out, *self.refused}
                place.fail(f'{what}: unknown field "{key}"{nearest(field, known)}')
            if field in found:
                place.fail(f"{what}: `{field}` was given before, at {found[field].line}:{found[field].column}")
            if not says(value) and not (field in self.marks and isinstance(value.value, dict)):
                continue
            if field in self.refused:
                place.fail(f"{what}: `{field}` is refused: {self.refused[field]}")
            if field in self.left_out:
                notes.append(f"{place.where}: {what}: `{field}` is left out: {self.left_out[field]}")
            else:
                found[field] = value
        return found


def snake(key: str) -> str:
    """A field's name as the specs spell it, which also take the spelling of JSON.

    >>> snake("joinOn"), snake("join_on"), snake("URL")
    ('join_on', 'join_on', 'url')
    """
    return _HUMP.sub("_", key).lower()


def number(node: Node) -> Node:
    """A whole number of 64 bits, which JSON made of protocol buffers also has as text, and YAML with a point.

    >>> [number(Node(value, "x.json", 1, 1)).value for value in ("3", "1e3", 3.0, "three", 2.5)]
    [3, 1000, 3, 'three', 2.5]
    """
    text = node.value if isinstance(node.value, str) else node.text if isinstance(node.value, float) else ""
    match = _WHOLE.fullmatch(text or str(node.value))
    if match is None or isinstance(node.value, bool | int):
        return node
    return scalar(int(match[1]) * 10 ** int(match[2] or 0), node)


def says(node: Node) -> bool:
    """Whether a field is set: a zero, an empty text, list or mapping, and null are as if it was not there."""
    return node.value not in (None, False, 0, "", [], {})
