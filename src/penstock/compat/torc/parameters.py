"""Parameters of a definition: one job or file with placeholders becomes as many as there are combinations. Pure.

One whose name has no place for a parameter is one job for all values of it, and waits for, reads and makes what any of
them names: that is how Torc's own pages gather what a sweep left.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from penstock.compat.torc.values import MOST, values_of, written
from penstock.model.errors import UsageError
from penstock.text import fields
from penstock.text.nodes import Node

_PLACE = re.compile(r"\{([A-Za-z_]\w*)(?::([^{}]*))?\}", re.ASCII)
_OWN = ("parameters", "parameter_mode", "use_parameters")

Values = dict[str, Any]


def expanded(items: Sequence[Node], shared: Mapping[str, Node], what: str, notes: list[str]) -> Iterator[Node]:
    """Objects with every placeholder filled, in the order of the file; the last parameter changes fastest.

    `shared` are the parameters that objects may name in `use_parameters`. What there is to say is added to `notes`.
    Raises BadSpec.
    """
    count = 0
    for item in items:
        if not isinstance(item.value, dict) or item.value.keys().isdisjoint(_OWN):
            yield item
            continue
        combinations = itertools.islice(_combinations(item, shared, what, notes), MOST + 1)
        for alike in _grouped(item, combinations):
            count += len(alike)
            if count > MOST:
                item.fail(f"{what}: more than {MOST:,} of them")
            made = [_filled(item, values, top=True) for values in alike]
            yield made[0] if len(made) == 1 else _gathered(made, what)


def unused(items: Iterable[Node], shared: Mapping[str, Node]) -> list[str]:
    """The shared parameters that no object names."""
    named: set[Any] = set()
    for item in items:
        asked = item.value.get("use_parameters") if isinstance(item.value, dict) else None
        named |= {one.value for one in asked.value} if asked is not None and isinstance(asked.value, list) else set()
    return [name for name in shared if name not in named]


def unfilled(text: str, shared: Mapping[str, Node]) -> list[str]:
    """The places in a text that are those of shared parameters, and were not filled."""
    return [match[0] for match in _PLACE.finditer(text) if match[1] in shared]


def _combinations(top: Node, shared: Mapping[str, Node], what: str, notes: list[str]) -> Iterator[Values]:
    found = {name: top.value[name] for name in _OWN if name in top.value and top.value[name].value is not None}
    axes: dict[str, list[Any]] = {}

    def add(name: str, node: Node, label: str) -> None:
        axes[name], note = values_of(node, label)
        if note and (said := f"{node.where}: {note}") not in notes:
            notes.append(said)

    label = f"{what}: `use_parameters`"
    for item in fields.items(found["use_parameters"], label, "names") if "use_parameters" in found else ():
        name = fields.text(item, label, "a name")
        if name not in shared:
            item.fail(f"{label}: the workflow has no parameter {name[:80]!r}")
        add(name, shared[name], f"`parameters`.{name}")
    if "parameters" in found:
        label = f"{what}: `parameters`"
        for name, node in fields.mapping(found["parameters"], label).items():
            add(name, node, f"{label}.{name}")
    mode = found["parameter_mode"].value if "parameter_mode" in found else "product"
    if mode not in ("product", "zip"):
        found["parameter_mode"].fail(f"{what}: `parameter_mode` is product or zip")
    lengths = {len(values) for values in axes.values()}
    if mode == "zip" and len(lengths) > 1:
        shown = ", ".join(f"{name} has {len(values)}" for name, values in axes.items())
        found["parameter_mode"].fail(f"{what}: parameters that are zipped have as many values each; {shown}")
    rows = zip(*axes.values(), strict=True) if mode == "zip" else itertools.product(*axes.values())
    return (dict(zip(axes, row, strict=True)) for row in rows) if axes else iter([{}])


def _grouped(item: Node, combinations: Iterable[Values]) -> Iterator[list[Values]]:
    """Combinations of which the name of an object tells no difference are one object; those that are given twice are
    not, nor are those of objects without a name.
    """
    name = item.value.get("name")
    told = {match[1] for match in _PLACE.finditer(name.value)} if name and isinstance(name.value, str) else None
    groups: dict[Any, list[Values]] = {}
    seen = set()
    for values in combinations:
        if told is None or told >= values.keys():
            yield [values]
            continue
        row = tuple((type(value), value) for value in values.values())
        key = tuple(one for one, parameter in zip(row, values, strict=True) if parameter in told)
        groups.setdefault((key, len(groups) if row in seen else None), []).append(values)
        seen.add(row)
    yield from groups.values()


def _gathered(made: Sequence[Node], what: str) -> Node:
    """One object of those that differ in their lists alone: each list is all that theirs hold. Raises BadSpec."""
    first = made[0]
    inside = dict(first.value)
    for key, node in first.value.items():
        others = [item.value[key] for item in made]
        if isinstance(node.value, list):
            every: dict[str, Node] = {}
            for other in others:
                for one in other.value:
                    every.setdefault(repr(one.plain()), one)
            inside[key] = Node(list(every.values()), node.file, node.line, node.column)
        elif any(other.plain() != node.plain() for other in others):
            name = first.value["name"].value[:80]
            node.fail(f"{what}: all of {name!r} are one, and differ in `{key}`; give `name` a place for the parameter")
    return Node(inside, first.file, first.line, first.column, keys=first.keys)


def _filled(node: Node, values: Values, top: bool = False) -> Node:
    """A tree with the placeholders in its texts filled."""
    if isinstance(node.value, str):
        text = _fill(node, values)
        return Node(text, node.file, node.line, node.column, text)
    if isinstance(node.value, list):
        return Node([_filled(item, values) for item in node.value], node.file, node.line, node.column)
    if isinstance(node.value, dict):
        inside = {key: _filled(item, values) for key, item in node.value.items() if not (top and key in _OWN)}
        keys = {key: place for key, place in (node.keys or {}).items() if key in inside}
        return Node(inside, node.file, node.line, node.column, keys=keys)
    return node


def _fill(node: Node, values: Values) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            return match[0]
        try:
            return written(values[match[1]], match[2] or "")
        except UsageError as error:
            node.fail(f"{match[0]}: {error}")

    return _PLACE.sub(value, node.value)
