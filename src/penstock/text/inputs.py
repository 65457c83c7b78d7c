"""The `input` of a step: which data its bindings hold."""

from __future__ import annotations

from penstock.model.errors import BadSpec
from penstock.model.spec import DEFAULT_BRANCH, InputSpec
from penstock.text import fields
from penstock.text.nodes import Node

_LEAF = ("repo", "branch", "glob", "as")
_LATER = frozenset(
    {"union", "join", "group", "cron", "tz", "file", "files", "each"}
    | {"on", "outer", "lazy", "empty", "reference", "trigger"}
)
_EXPECTED = 'expected "repo:/glob", {repo, glob}, {cross: [...]} or a list of these'
#: What a task finds beside its inputs.
_RESERVED = "out"


def read_input(node: Node, what: str) -> InputSpec:
    """The input of a step named `what`; raise BadSpec. Whether its repos exist is not asked here."""
    spec = _node(node, what)
    first: dict[str, InputSpec] = {}
    for leaf in spec.leaves():
        if leaf.name == _RESERVED:
            message = f'{what}: an input cannot be named "{_RESERVED}", where tasks write; name it with `as`'
            raise BadSpec(message, leaf.where)
        other = first.setdefault(leaf.name, leaf)
        if other is not leaf:
            message = f'{what}: two inputs are named "{leaf.name}", the other at {other.where}; name one with `as`'
            raise BadSpec(message, leaf.where)
    return spec


def _node(node: Node, what: str) -> InputSpec:
    if isinstance(node.value, str):
        return _short(node, what)
    if isinstance(node.value, list):
        return InputSpec("all", parts=_parts(node, what), where=node.where)
    if not isinstance(node.value, dict):
        node.fail(f"{what}: {_EXPECTED}, found {fields.found(node)}")
    values = fields.keys_of(node, what, (*_LEAF, "cross"), _LATER)
    if "cross" not in values:
        return _long(node, what)
    for key, place in (node.keys or {}).items():
        if key != "cross":
            place.fail(f"{what}: `{key}` cannot stand beside `cross`; it belongs into one of its parts")
    fields.items(values["cross"], f"{what}.cross", "inputs")
    return InputSpec("cross", parts=_parts(values["cross"], f"{what}.cross"), where=node.where)


def _parts(node: Node, what: str) -> tuple[InputSpec, ...]:
    if not node.value:
        node.fail(f"{what}: expected at least one input in the list")
    return tuple(_node(part, what) for part in node.value)


def _long(node: Node, what: str) -> InputSpec:
    values = node.value
    for key in ("repo", "glob"):
        if key not in values:
            node.fail(f"{what}: `{key}` is missing; {_EXPECTED}")
    repo = fields.name(values["repo"], f"{what}.repo")
    branch = fields.name(values["branch"], f"{what}.branch") if "branch" in values else DEFAULT_BRANCH
    glob = fields.text(values["glob"], f"{what}.glob", "a glob")
    named = fields.name(values["as"], f"{what}.as") if "as" in values else repo
    pattern = fields.pattern(values["glob"], f"{what}.glob", glob).text
    return InputSpec("glob", repo, branch, pattern, named, where=node.where)


def _short(node: Node, what: str) -> InputSpec:
    value = fields.text(node, what)
    source, _, glob = value.partition(":")
    repo, at, branch = source.partition("@")
    for part, kind in ((repo, "repo"), *(((branch, "branch"),) if at else ())):
        if not fields.is_name(part):
            node.fail(f'{what}: "{part}" is no name of a {kind} in "{value}"; {_EXPECTED}')
    if not glob:
        forms = f'"{source}:/*" gives one binding per entry, "{source}:/" one with everything'
        node.fail(f'{what}: "{value}" says which repo, but not which files; {forms}')
    pattern = fields.pattern(node, what, glob).text
    return InputSpec("glob", repo, branch or DEFAULT_BRANCH, pattern, repo, where=node.where)
