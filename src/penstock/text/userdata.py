"""User data in a pipeline file: what it declares, and which steps read and write it."""

from __future__ import annotations

from typing import Any

from penstock.model.documents import NAME, write_body
from penstock.model.errors import Refused, UsageError
from penstock.model.spec import Datum
from penstock.text import fields
from penstock.text.nodes import Node

_KEYS = ("value", "ephemeral")


def read_data(node: Node) -> dict[str, Datum]:
    """What `data` declares, by name. Raises BadSpec."""
    found = {}
    values = fields.mapping(node, "data")
    for key in (node.keys or {}).values():
        name = _name(key, "data")
        what = f'data "{name}"'
        said = fields.keys_of(values[name], what, _KEYS) if values[name].value is not None else {}
        found[name] = Datum(
            name,
            _value(said["value"], f"{what}: value") if "value" in said else None,
            fields.boolean(said["ephemeral"], f"{what}: ephemeral") if "ephemeral" in said else False,
            where=key.where,
        )
    return found


def _value(node: Node, what: str) -> Any:
    value = fields.data(node, what)
    try:
        write_body(value, what)
    except (UsageError, Refused) as error:
        node.fail(str(error))
    return value


def read_data_names(node: Node, what: str) -> tuple[str, ...]:
    """The names of user data that a step reads or writes. Raises BadSpec."""
    names = [_name(item, what) for item in fields.items(node, what, "names of user data")]
    return tuple(dict.fromkeys(names))


def _name(node: Node, what: str) -> str:
    if not isinstance(node.value, str) or not NAME.fullmatch(node.value):
        node.fail(f"{what}: expected a name: a letter, then letters, digits, _ . and -, 128 at most")
    return node.value
