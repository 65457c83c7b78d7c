"""The `trigger` of an input: when the branch it reads follows another one."""

from __future__ import annotations

from typing import Any, cast

from penstock.model import times
from penstock.model.errors import UsageError
from penstock.model.spec import DEFAULT_BRANCH, Watch
from penstock.text import fields
from penstock.text.cron import check_cron
from penstock.text.nodes import Node
from penstock.text.units import parse_size

MAX_COMMITS = 1_000_000_000
_CONDITIONS = ("commits", "size", "every", "cron")


def read_trigger(node: Node, what: str) -> Watch:
    """Raises BadSpec."""
    values = fields.keys_of(node, what, (*_CONDITIONS, "branch", "needs"))
    if not any(key in values for key in _CONDITIONS):
        node.fail(f"{what}: expected `commits`, `size`, `every` or `cron`, which say when the branch moves")
    every = fields.seconds(values["every"], f"{what}.every") if "every" in values else None
    cron = _cron(values["cron"], f"{what}.cron") if "cron" in values else None
    period = times.period(cron) if cron is not None else None
    if period is not None:
        if every is not None:
            values["cron"].fail(f"{what}.cron: `every` says a distance already; leave one of them out")
        every, cron = float(period), None
    return Watch(
        fields.name(values["branch"], f"{what}.branch") if "branch" in values else DEFAULT_BRANCH,
        _size(values["size"], f"{what}.size") if "size" in values else None,
        fields.whole(values["commits"], f"{what}.commits", 1, MAX_COMMITS) if "commits" in values else None,
        every,
        cron,
        cast(Any, fields.choice(values["needs"], f"{what}.needs", ("any", "all")) if "needs" in values else "any"),
    )


def _size(node: Node, what: str) -> int:
    if isinstance(node.value, bool) or not isinstance(node.value, str | int):
        node.fail(f"{what}: expected a size such as 10 MB, found {fields.found(node)}")
    try:
        size = parse_size(node.value)
    except UsageError as error:
        node.fail(f"{what}: {error}")
    if size < 1:
        node.fail(f"{what}: {fields.found(node)} is reached at once; expected at least 1 byte")
    return size


def _cron(node: Node, what: str) -> str:
    try:
        return check_cron(fields.text(node, what, "a cron expression"))
    except UsageError as error:
        node.fail(f"{what}: {error}")
