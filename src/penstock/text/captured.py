"""Templates over what the globs of an input capture: keys of joins and groups, and parameters that inputs give."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.model import captures, templates
from penstock.model.errors import BadSpec, UsageError
from penstock.model.glob import compile_glob
from penstock.model.spec import InputSpec
from penstock.text import fields
from penstock.text.nodes import Node


def read_template(node: Node, what: str, glob: str, whole: bool = False) -> str:
    """A key over what a glob captures; with `whole` a parameter's value, where `$0` is the path. Raises BadSpec."""
    kind = "a value" if whole else "a key"
    value = fields.text(node, what, f'{kind} such as "$1"')
    if not value.isprintable():
        node.fail(f"{what}: {kind} has no line breaks and no control characters")
    try:
        captures.parse(value, compile_glob(glob).groups, whole)
    except UsageError as error:
        node.fail(f"{what}: {error}")
    return value


class Given:
    """Reads the parameters that the globs of one step give, beside the other ones of the step (variable -> where)."""

    def __init__(self, others: Mapping[str, Node]) -> None:
        self._others = others
        self._known: dict[str, Node] = {}

    def read(self, node: Node, what: str, glob: str) -> tuple[tuple[str, str], ...]:
        """Parameters and their templates, sorted. Raises BadSpec for a name that is a parameter of the step already."""
        values = fields.mapping(node, what)
        seen: dict[str, Node] = {}
        for key in (node.keys or {}).values():
            fields.param(key, what, seen)
            variable = templates.variable(key.value)
            other = self._others.get(variable)
            if other is not None and other.value == key.value:
                key.fail(f'{what}: "{key.value}" is a parameter already, at {other.where}; give it another name')
            fields.apart(key, what, other)
            fields.apart(key, what, self._known.setdefault(variable, key))
        return tuple(sorted((name, read_template(values[name], f"{what}.{name}", glob, whole=True)) for name in values))


def check_given(spec: InputSpec, what: str) -> tuple[str, ...]:
    """The parameters that an input gives, sorted. Raises BadSpec where a binding could lack one or have two values."""
    return tuple(sorted(_given(spec, what, grouped=False)))


def _given(spec: InputSpec, what: str, grouped: bool) -> dict[str, list[InputSpec]]:
    """Parameter -> the globs that give it. `grouped`: a binding may hold many matches of one glob, all of one group."""
    if spec.kind == "glob":
        for name, template in spec.params if grouped else ():
            if template != spec.by:
                key = f'write "{spec.by}", its' if spec.by is not None else "give it a `group`, and write that"
                _fail(spec, what, name, f"files of one group could give several values; {key} key in the group")
        return {name: [spec] for name, _ in spec.params}
    parts = [_given(part, what, grouped or spec.kind == "group") for part in spec.parts]
    found: dict[str, list[InputSpec]] = {}
    for own in parts:
        for name, leaves in own.items():
            if spec.kind == "all":
                why = "one task gets all that stands in this list; leave it out, or write `cross`"
                _fail(leaves[0], what, name, why)
            known = found.setdefault(name, [])
            if known and not _agree(spec, name, (*known, *leaves)):
                _fail(leaves[0], what, name, f"it has a value from the input at {known[0].where} already")
            known += leaves
    for own, part in zip(parts, spec.parts, strict=True):
        alone = spec.kind in ("union", "group") or any(leaf.outer for leaf in part.leaves())
        for name in found if alone else ():
            if name not in own:
                why = "another input gives it, and there can be tasks of this one alone; let it be given here, too"
                _fail(part, what, name, why)
    return found


def _agree(spec: InputSpec, name: str, leaves: tuple[InputSpec, ...]) -> bool:
    """Whether what several parts give to one parameter is the same in each binding."""
    if spec.kind in ("union", "group"):  # each binding is of one of them; or, in a group, it is seen to above
        return True
    return spec.kind == "join" and all(dict(leaf.params)[name] == leaf.on for leaf in leaves)


def _fail(spec: InputSpec, what: str, name: str, why: str) -> None:
    raise BadSpec(f'{what}: params: "{name}": {why}', spec.where)
