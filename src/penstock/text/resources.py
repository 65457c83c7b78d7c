"""What a task needs of its node: in a step, or under a name that steps share."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.model.errors import UsageError
from penstock.model.spec import Resources
from penstock.text import fields
from penstock.text.nodes import Node
from penstock.text.units import parse_size

MAX_CPUS = 100_000
MAX_GPUS = 10_000
MAX_NODES = 10_000
#: Bytes. Below that no program starts: a number without its unit was meant as something larger.
LEAST_MEMORY = 1_000_000


def read_resources(node: Node, what: str, sets: Mapping[str, Resources]) -> Resources:
    """Resources as a mapping, or by the name of a set. Raises BadSpec."""
    if isinstance(node.value, str):
        if node.value not in sets:
            node.fail(f'{what}: there is no set of resources "{node.value}"{fields.nearest(node.value, sets)}')
        return sets[node.value]
    values = fields.keys_of(node, what, ("cpus", "memory", "gpus", "time", "nodes"))
    return Resources(
        cpus=fields.whole(values["cpus"], f"{what}.cpus", 1, MAX_CPUS) if "cpus" in values else 1,
        memory=_memory(values["memory"], f"{what}.memory") if "memory" in values else 0,
        gpus=fields.whole(values["gpus"], f"{what}.gpus", 0, MAX_GPUS) if "gpus" in values else 0,
        time=fields.seconds(values["time"], f"{what}.time") if "time" in values else None,
        nodes=fields.whole(values["nodes"], f"{what}.nodes", 1, MAX_NODES) if "nodes" in values else 1,
    )


def read_sets(node: Node, what: str) -> dict[str, Resources]:
    """The sets of resources of a pipeline, by name. Raises BadSpec."""
    values = fields.mapping(node, what)
    for key in (node.keys or {}).values():
        fields.name(key, what)
    return {name: read_resources(value, f"{what}.{name}", {}) for name, value in values.items()}


def _memory(node: Node, what: str) -> int:
    size = read_size(node, what)
    if size < LEAST_MEMORY:
        node.fail(f"{what}: {size:,} bytes are less than any program needs; write a unit, such as {node.text}GiB")
    return size


def read_size(node: Node, what: str) -> int:
    if isinstance(node.value, bool) or not isinstance(node.value, (str, int)):
        node.fail(f"{what}: expected a size such as 4GiB, found {fields.found(node)}")
    try:
        size = parse_size(node.value)
    except UsageError as error:
        node.fail(f"{what}: {error}")
    if size < 1:
        node.fail(f"{what}: expected a size of more than nothing")
    return size
