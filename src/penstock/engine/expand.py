"""`expand`: a step's input, and what changed in its repos, to bindings that are new, different or gone.

The work follows the bindings touched: a changed path touches its own glob match, and in a cross the combinations it is
part of (ΔA×B ∪ A×ΔB); nothing else is looked at.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, Protocol

from msgspec import Struct

from penstock.model.spec import InputSpec, axis
from penstock.model.wire import Input

Key = tuple[str, ...]

#: The key of the only binding of a step without inputs.
ALONE: Key = ("",)


class Match(Struct, frozen=True):
    """What one glob finds at one path: a file (its encoded entry) or a directory (the root of its key range)."""

    path: str
    content: bytes
    directory: bool


class Leaf(Protocol):
    """One glob over one tree: a look-up that the caller brings."""

    @property
    def root(self) -> bytes:
        """The tree it looks at."""

    def matches(self) -> Iterable[Match]:
        """Every match, in path order."""

    def delta(self) -> Mapping[str, Match | None]:
        """Matches that are new, different or gone (None) since the base."""


class Binding(Struct, frozen=True):
    """Which data and parameter values one task receives."""

    key: Key
    inputs: tuple[Input, ...] = ()
    params: Mapping[str, Any] | None = None


Change = tuple[Key, Binding | None]


def every(spec: InputSpec | None, each: Mapping[str, Any], leaves: Sequence[Leaf]) -> Iterator[Binding]:
    """All bindings, in key order per glob. `leaves` in the order of `spec.leaves()`."""
    combinations = list(_axes(each))
    for binding in _node(spec, iter(leaves)).every():
        yield from (_with(binding, combination) for combination in combinations)


def changed(spec: InputSpec | None, each: Mapping[str, Any], leaves: Sequence[Leaf]) -> Iterator[Change]:
    """Bindings touched by the leaves' deltas; None for those that are gone. No key comes twice."""
    combinations = list(_axes(each))
    for key, binding in _node(spec, iter(leaves)).changed():
        for combination in combinations:
            if binding is None:
                yield _with(Binding(key), combination).key, None
            else:
                changed_binding = _with(binding, combination)
                yield changed_binding.key, changed_binding


def _axes(each: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    names = sorted(each)
    for values in product(*(axis(each[name]) for name in names)):
        yield dict(zip(names, values, strict=True))


def _with(binding: Binding, combination: dict[str, Any]) -> Binding:
    if not combination:
        return binding
    parts = tuple(f"{name}={json.dumps(value)}" for name, value in combination.items())
    key = parts if binding.key == ALONE else binding.key + parts
    return Binding(key, binding.inputs, combination)


def paths_of(key: Key, each: Mapping[str, Any]) -> Key:
    """The paths in a binding's key, one per glob: what is left of it without the parameters.

    >>> paths_of(("a.jpg", "seed=1"), {"seed": "1..2"}), paths_of(("seed=1",), {"seed": "1..2"})
    (('a.jpg',), ('',))
    """
    return key[: len(key) - len(each)] or ALONE


class _Node(Protocol):
    def every(self) -> Iterator[Binding]: ...

    def changed(self) -> Iterator[Change]: ...


def _node(spec: InputSpec | None, leaves: Iterator[Leaf]) -> _Node:
    if spec is None:
        return _Alone()
    if spec.kind == "glob":
        return _Glob(spec.name, next(leaves))
    parts = [_node(part, leaves) for part in spec.parts]
    return _Cross(parts) if spec.kind == "cross" else _All(parts)


class _Alone:
    def every(self) -> Iterator[Binding]:
        yield Binding(ALONE)

    def changed(self) -> Iterator[Change]:
        return iter(())


class _Glob(Struct, frozen=True):
    name: str
    leaf: Leaf

    def every(self) -> Iterator[Binding]:
        return map(self._binding, self.leaf.matches())

    def changed(self) -> Iterator[Change]:
        for path, match in self.leaf.delta().items():
            yield (path,), None if match is None else self._binding(match)

    def _binding(self, match: Match) -> Binding:
        return Binding((match.path,), (Input(self.name, match.path, match.content, match.directory, self.leaf.root),))


class _Cross(Struct, frozen=True):
    """Every combination. Touched are those with a touched part; each is met once, at its first touched part."""

    parts: Sequence[_Node]

    def every(self) -> Iterator[Binding]:
        first, *rest = self.parts
        others = [list(part.every()) for part in rest]
        for head in first.every():
            for tail in product(*others):
                yield _joined((head, *tail))

    def changed(self) -> Iterator[Change]:
        deltas = [dict(part.changed()) for part in self.parts]
        if not any(deltas):
            return
        now = [{binding.key: binding for binding in part.every()} for part in self.parts]
        for place, delta in enumerate(deltas):
            before = [[item for item in now[i].items() if item[0] not in deltas[i]] for i in range(place)]
            after = [list({**deltas[i], **now[i]}.items()) for i in range(place + 1, len(deltas))]
            for combination in product(*before, delta.items(), *after):
                key = tuple(part for sub, _ in combination for part in sub)
                whole = tuple(binding for _, binding in combination if binding is not None)
                yield key, _joined(whole) if len(whole) == len(combination) else None


class _All(Struct, frozen=True):
    """One binding that holds every match of every part; none while nothing matches."""

    parts: Sequence[_Node]

    def every(self) -> Iterator[Binding]:
        inputs = tuple(item for part in self.parts for binding in part.every() for item in binding.inputs)
        if inputs:
            yield Binding(ALONE, inputs)

    def changed(self) -> Iterator[Change]:
        if any(True for part in self.parts for _ in part.changed()):
            yield ALONE, next(self.every(), None)


def _joined(bindings: Sequence[Binding]) -> Binding:
    return Binding(
        tuple(part for binding in bindings for part in binding.key),
        tuple(item for binding in bindings for item in binding.inputs),
    )
