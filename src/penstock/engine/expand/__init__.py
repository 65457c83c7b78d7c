"""`expand`: a step's input, and what changed in its repos, to bindings that are new, different or gone.

The work follows the bindings touched: a changed path touches its own match, in a cross the combinations it is part of
(ΔA×B ∪ A×ΔB), in a join those of its key, in a group its group. `parts` has the shapes, `nodes` and `keyed` the kinds
of nodes.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from msgspec import Struct

from penstock.engine.expand.keyed import Group, Join
from penstock.engine.expand.nodes import All, Alone, Cross, Glob, Node, Union
from penstock.engine.expand.parts import ALONE, NOTHING, Binding, Change, Index, Key, Leaf, Match
from penstock.model import captures
from penstock.model.glob import Glob as Pattern
from penstock.model.glob import compile_glob
from penstock.model.spec import InputSpec, axis_names, combinations

__all__ = ["ALONE", "NOTHING", "Binding", "Change", "Expansion", "Index", "Key", "Leaf", "LeftOut", "Match", "left_out"]


class Expansion:
    """A step's bindings over the trees of one moment.

    `leaves` come in the order of `spec.leaves()`. The index belongs to this moment, too: `every` fills it, `changed`
    brings one that was that of `before` up to date, each once it was read to its end.
    """

    def __init__(self, spec: InputSpec | None, each: Mapping[str, Any], leaves: Sequence[Leaf], index: Index) -> None:
        self._each = each
        specs = [leaf.spec for leaf in leaves]
        self._named = _by_name(specs) if any(spec.params for spec in specs) else {}
        self._node = Alone(ALONE) if spec is None else _node(spec, _numbered(leaves), index, count(), False, False)

    def every(self) -> Iterator[Binding]:
        """All bindings."""
        grid = list(combinations(self._each))
        self._node.fill()
        for binding in self._node.every():
            yield from (self._with(binding, combination) for combination in grid)

    def changed(self, before: Expansion, again: Iterable[Key] = ()) -> Iterator[Change]:
        """Bindings that may differ from those of `before`, and those of the keys in `again`; None for what is gone.
        No key comes twice.
        """
        grid = list(combinations(self._each))
        left = set(again)
        for key, binding in self._node.changed(before._node):
            for combination in grid:
                whole = self._with(Binding(key) if binding is None else binding, combination)
                left.discard(whole.key)
                yield whole.key, None if binding is None else whole
        for key in sorted(left):
            yield key, self.find(key)

    def find(self, key: Key) -> Binding | None:
        """The binding of a key, if there is one."""
        cut = len(key) - len(axis_names(self._each))
        binding = self._node.find(key[:cut] or ALONE)
        if binding is None:
            return None
        # Keys are those of bindings that were: their values are in `each`.
        named = (text.partition("=") for text in key[cut:])
        return self._with(binding, {name: json.loads(value) for name, _, value in named})

    def _with(self, binding: Binding, combination: dict[str, Any]) -> Binding:
        """A binding with the parameters of a combination, which name it, and those that its inputs give."""
        given: dict[str, Any] = {}
        for item in binding.inputs if self._named else ():
            pattern, spec = self._named[item.name][item.nth]
            given |= captures.given(spec.params, pattern, item.path)
        if not combination and not given:
            return binding
        parts = tuple(f"{name}={json.dumps(value)}" for name, value in combination.items())
        key = binding.key if not parts else parts if binding.key == ALONE else binding.key + parts
        return Binding(key, binding.inputs, {**given, **combination})


def _by_name(specs: Iterable[InputSpec]) -> dict[str, list[tuple[Pattern, InputSpec]]]:
    """Globs by name, so that an input is of the `nth` of its name."""
    found: defaultdict[str, list[tuple[Pattern, InputSpec]]] = defaultdict(list)
    for spec in specs:
        found[spec.name].append((compile_glob(spec.glob), spec))
    return found


def _numbered(leaves: Iterable[Leaf]) -> Iterator[tuple[Leaf, int]]:
    """Each with its number among those of its name."""
    seen: defaultdict[str, Iterator[int]] = defaultdict(count)
    return ((leaf, next(seen[leaf.spec.name])) for leaf in leaves)


def _node(
    spec: InputSpec,
    leaves: Iterator[tuple[Leaf, int]],
    index: Index,
    numbers: Iterator[int],
    labelled: bool,
    keyed: bool,
) -> Node:
    """A node; `labelled` below a union, where keys must tell of which part they are, `keyed` below a join or group."""
    number = next(numbers)
    if spec.kind == "glob":
        return Glob.of(*next(leaves), f"{spec.name}={spec.repo}@{spec.branch}:/" if labelled else "")
    inside = labelled or spec.kind == "union", keyed or spec.kind in ("join", "group")
    parts = [_node(part, leaves, index, numbers, *inside) for part in spec.parts]
    label = f"#{number}:" if labelled else ""
    if spec.kind == "cross":
        return Cross(parts, keyed)
    if spec.kind == "union":
        return Union(parts)
    if spec.kind == "all":
        return All(parts, label)
    if spec.kind == "group":
        return Group(number, parts, index, label)
    return Join(number, parts, index, [_outer(part) for part in spec.parts], keyed)


def _outer(spec: InputSpec) -> bool:
    """Whether a part of a join stands alone: if all of its inputs do that say `on`."""
    return all(leaf.outer for leaf in spec.leaves() if leaf.on is not None)


class LeftOut(Struct, frozen=True):
    """What joins have no partner for: (key, a part that has nothing for it), among the keys that were looked at."""

    keys: tuple[tuple[str, InputSpec], ...] = ()
    looked_at: int = 0
    more: bool = False  #: whether there are keys that were not looked at


def left_out(spec: InputSpec | None, index: Index, most: int) -> LeftOut:
    """What the joins of an input leave out, of `most` keys at most."""
    found: list[tuple[str, InputSpec]] = []
    looked_at = 0
    for number, node in _joins(spec, count()) if spec is not None else ():
        for value, own in index.every(number, len(node.parts)):
            if looked_at == most:
                return LeftOut(tuple(found), looked_at, True)
            looked_at += 1
            missing = [part for part, keys in zip(node.parts, own, strict=True) if not keys]
            alone = any(_outer(part) for part, keys in zip(node.parts, own, strict=True) if keys)
            found += [(value, part) for part in missing if not alone]
    return LeftOut(tuple(found), looked_at)


def _joins(node: InputSpec, numbers: Iterator[int]) -> Iterator[tuple[int, InputSpec]]:
    """The joins of an input with their numbers, which are those that `_node` gives."""
    number = next(numbers)
    if node.kind == "join":
        yield number, node
    for part in node.parts:
        yield from _joins(part, numbers)
