"""Parameters of a definition: one job or file with placeholders becomes as many as there are combinations. Pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from penstock.model import templates
from penstock.model.errors import BadSpec, UsageError
from penstock.text import fields
from penstock.text.marked import read_marked
from penstock.text.nodes import Node

#: How many one definition may become.
MOST = 1_000_000
_RANGE = re.compile(r"\s*(-?[0-9.]+)\s*:\s*(-?[0-9.]+)\s*(?::\s*(-?[0-9.]+)\s*)?")
_PLACE = re.compile(r"\{([A-Za-z_]\w*)(?::([^{}]*))?\}", re.ASCII)
_OWN = ("parameters", "parameter_mode", "use_parameters")


def expanded(items: Sequence[Node], shared: Mapping[str, Node], what: str) -> Iterator[Node]:
    """Objects with every placeholder filled, in the order of the file; the last parameter changes fastest.

    `shared` are the parameters that objects may name in `use_parameters`. Raises BadSpec.
    """
    count = 0
    for item in items:
        if not isinstance(item.value, dict) or item.value.keys().isdisjoint(_OWN):
            yield item
            continue
        for values in _combinations(item, shared, what):
            count += 1
            if count > MOST:
                item.fail(f"{what}: more than {MOST:,} of them")
            yield _filled(item, values, top=True)


def _combinations(top: Node, shared: Mapping[str, Node], what: str) -> Iterator[dict[str, Any]]:
    found = {name: top.value[name] for name in _OWN if name in top.value and top.value[name].value is not None}
    axes: dict[str, list[Any]] = {}
    label = f"{what}: `use_parameters`"
    for item in fields.items(found["use_parameters"], label, "names") if "use_parameters" in found else ():
        name = fields.text(item, label, "a name")
        if name not in shared:
            item.fail(f"{label}: the workflow has no parameter {name[:80]!r}")
        axes[name] = _values(shared[name], f"`parameters`.{name}")
    if "parameters" in found:
        label = f"{what}: `parameters`"
        own = fields.mapping(found["parameters"], label)
        axes.update((name, _values(node, f"{label}.{name}")) for name, node in own.items())
    mode = found["parameter_mode"].value if "parameter_mode" in found else "product"
    if mode not in ("product", "zip"):
        found["parameter_mode"].fail(f"{what}: `parameter_mode` is product or zip")
    lengths = {len(values) for values in axes.values()}
    if mode == "zip" and len(lengths) > 1:
        shown = ", ".join(f"{name} has {len(values)}" for name, values in axes.items())
        found["parameter_mode"].fail(f"{what}: parameters that are zipped have as many values each; {shown}")
    rows = zip(*axes.values(), strict=True) if mode == "zip" else itertools.product(*axes.values())
    return (dict(zip(axes, row, strict=True)) for row in rows) if axes else iter([{}])


def _values(node: Node, what: str) -> list[Any]:
    """The values of one parameter: a list, `a:b` or `a:b:step` with both ends, a list as text, or one value."""
    if isinstance(node.value, list):
        return [_value(item, item, what) for item in node.value]
    if not isinstance(node.value, str):
        return [_value(node, node, what)]
    text = node.value.strip()
    if text.startswith("["):
        try:
            values = read_marked(text, "list", json=True).value
        except BadSpec as error:
            node.fail(f"{what}: a list of values cannot be read: {error}")
        return [_value(item, node, what) for item in values]
    match = _RANGE.fullmatch(text)
    if match is None:
        return [node.value]
    try:
        start, stop, step = (Decimal(part) for part in (match[1], match[2], match[3] or "1"))
    except ArithmeticError:
        node.fail(f'{what}: the range "{text[:80]}" is not made of numbers')
    if not step:
        node.fail(f'{what}: the range "{text[:80]}" has a step of 0')
    count = int((stop - start) / step) + 1 if (stop - start) / step >= 0 else 0
    if not 0 < count <= MOST:
        node.fail(f'{what}: the range "{text[:80]}" holds {"no values" if count < 1 else f"more than {MOST:,}"}')
    whole = all(number == int(number) for number in (start, step)) and "." not in text
    return [int(start + step * place) if whole else float(start + step * place) for place in range(count)]


def _value(node: Node, at: Node, what: str) -> Any:
    """One value, which is to stand in a text."""
    if not isinstance(node.value, (str, int, float)):
        at.fail(f"{what}: expected text, a number, true or false as a value, found {fields.found(node)}")
    return node.value


def _filled(node: Node, values: Mapping[str, Any], top: bool = False) -> Node:
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


def _fill(node: Node, values: Mapping[str, Any]) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            return match[0]
        try:
            return templates.formatted(values[match[1]], match[2] or "")
        except UsageError as error:
            node.fail(f"{match[0]}: {error}")

    return _PLACE.sub(value, node.value)
