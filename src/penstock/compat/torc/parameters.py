"""Parameters of a definition: one job or file with placeholders becomes as many as there are combinations. Pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from penstock.model.errors import BadSpec
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


def _combinations(item: Node, shared: Mapping[str, Node], what: str) -> Iterator[dict[str, Any]]:
    found = {name: item.value[name] for name in _OWN if name in item.value and item.value[name].value is not None}
    named = found["use_parameters"].value if "use_parameters" in found else []
    axes: dict[str, list[Any]] = {}
    for name in named:
        if name.value not in shared:
            name.fail(f"{what}: `use_parameters`: the workflow has no parameter {str(name.value)[:80]!r}")
        axes[name.value] = _values(shared[name.value])
    own = found["parameters"].value if "parameters" in found else {}
    if not isinstance(own, dict):
        found["parameters"].fail(f"{what}: `parameters` is an object")
    axes.update((name, _values(node)) for name, node in own.items())
    mode = found["parameter_mode"].value if "parameter_mode" in found else "product"
    if mode not in ("product", "zip"):
        found["parameter_mode"].fail(f"{what}: `parameter_mode` is product or zip")
    lengths = {len(values) for values in axes.values()}
    if mode == "zip" and len(lengths) > 1:
        shown = ", ".join(f"{name} has {len(values)}" for name, values in axes.items())
        found["parameter_mode"].fail(f"{what}: parameters that are zipped have as many values each; {shown}")
    rows = zip(*axes.values(), strict=True) if mode == "zip" else itertools.product(*axes.values())
    return (dict(zip(axes, row, strict=True)) for row in rows) if axes else iter([{}])


def _values(node: Node) -> list[Any]:
    """The values of one parameter: a list, `a:b` or `a:b:step` with both ends, a list as text, or one value."""
    if isinstance(node.value, list):
        return [item.value for item in node.value]
    if not isinstance(node.value, str):
        return [node.value]
    text = node.value.strip()
    if text.startswith("["):
        try:
            return [item.value for item in read_marked(text, "list", json=True).value]
        except BadSpec as error:
            node.fail(f"a list of values cannot be read: {error}")
    match = _RANGE.fullmatch(text)
    if match is None:
        return [node.value]
    try:
        start, stop, step = (Decimal(part) for part in (match[1], match[2], match[3] or "1"))
    except ArithmeticError:
        node.fail(f'the range "{text[:80]}" is not made of numbers')
    if not step:
        node.fail(f'the range "{text[:80]}" has a step of 0')
    count = int((stop - start) / step) + 1 if (stop - start) / step >= 0 else 0
    if not 0 < count <= MOST:
        node.fail(f'the range "{text[:80]}" holds {"no values" if count < 1 else f"more than {MOST:,}"}')
    whole = all(number == int(number) for number in (start, step)) and "." not in text
    return [int(start + step * place) if whole else float(start + step * place) for place in range(count)]


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
            return format(values[match[1]], match[2] or "")
        except (ValueError, TypeError):
            node.fail(f"{match[0]}: the value {values[match[1]]!r} cannot be written so")

    return _PLACE.sub(value, node.value)
