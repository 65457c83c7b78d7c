"""What bindings are made of, and the two look-ups that the caller brings: globs over trees, and an index of keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from penstock.model.spec import InputSpec
from penstock.model.wire import Input

#: What names a binding among those of its step: a path per glob, a key per group.
Key = tuple[str, ...]

#: The key of the only binding of a step without inputs.
ALONE: Key = ("",)
#: Stands in a key where an outer join has no path to name, and where a part of a union has fewer than another. No path
#: and no label begins so.
NOTHING = "//"
#: The join or group key of a combination whose inputs name different ones: it has none, and no text spells it.
SPLIT = "\n"


class Binding(Struct, frozen=True, gc=False):
    """Which data and parameter values one task receives."""

    key: Key
    inputs: tuple[Input, ...] = ()
    params: Mapping[str, Any] | None = None
    on: str | None = None  #: its key in a join around it
    by: str | None = None  #: its key in a group around it


#: A binding that was touched: as it is now, None where it is gone.
Change = tuple[Key, Binding | None]


class Match(Struct, frozen=True):
    """What one glob finds at one path: a file (its encoded entry) or a directory (the root of its key range)."""

    path: str
    content: bytes
    directory: bool


class Leaf(Protocol):
    """One glob over one tree."""

    @property
    def spec(self) -> InputSpec: ...

    @property
    def root(self) -> bytes:
        """The tree it looks at."""

    def matches(self) -> Iterable[Match]:
        """Every match, in the order of the tree."""

    def find(self, path: str) -> Match | None:
        """The match at a path; None where nothing stands or the glob does not name it."""

    def touched(self, base: Any) -> Iterable[str]:
        """The paths, each once, at which this may find anything else than the same glob over another tree does."""


class Index(Protocol):
    """Which keys the bindings below joins and groups have, by (node, part): numbers that the spec gives."""

    def fill(self, node: int, part: int, entries: Iterable[tuple[str, Key]]) -> None:
        """Take in all (value, binding key) of one part."""

    def move(self, node: int, part: int, key: Key, old: str | None, new: str | None) -> None:
        """Let a binding have another value than before; None: none."""

    def every(self, node: int, parts: int) -> Iterator[tuple[str, list[list[Key]]]]:
        """Every value that a binding of any part has, in order, with the bindings of each part that have it."""

    def members(self, node: int, part: int, value: str) -> Iterator[Key]:
        """The bindings of a part that have a value, in order."""


def agreed(values: Iterable[str | None]) -> str | None:
    """The one value that all who name any name; None if nobody does.

    >>> agreed(["a", None, "a"]), agreed([None]), agreed(["a", "b"]) == SPLIT
    ('a', None, True)
    """
    found = {value for value in values if value is not None}
    return SPLIT if len(found) > 1 else next(iter(found), None)


def gathered(key: Key, bindings: Iterable[Binding]) -> Binding | None:
    """One binding with all inputs of some, each once; None of nothing."""
    inputs: dict[tuple[str, str], Input] = {}
    on: set[str | None] = set()
    by: set[str | None] = set()
    for binding in bindings:
        for item in binding.inputs:
            inputs.setdefault((item.name, item.path), item)
        on.add(binding.on)
        by.add(binding.by)
    return Binding(key, tuple(inputs.values()), None, agreed(on), agreed(by)) if inputs else None


def joined(head: Binding, tail: Binding) -> Binding:
    """Two parts of a combination side by side."""
    on, by = agreed((head.on, tail.on)), agreed((head.by, tail.by))
    return Binding(head.key + tail.key, head.inputs + tail.inputs, None, on, by)


class Again:
    """Bindings that are wanted more than once: remembered if they are few, else found again each time."""

    #: About 500 bytes each.
    REMEMBERED = 50_000

    def __init__(self, source: Any) -> None:
        self._source = source  # a function that gives them
        self._known: list[Any] | None = None

    def __iter__(self) -> Iterator[Any]:
        return iter(self._known) if self._known is not None else self._first()

    def _first(self) -> Iterator[Any]:
        known: list[Any] | None = []
        for item in self._source():
            if known is not None:
                known.append(item)
                if len(known) > self.REMEMBERED:
                    known = None
            yield item
        self._known = known


def combined(parts: Sequence[Iterable[Binding]], keyed: bool) -> Iterator[Binding]:
    """Every combination, one at a time; all `parts` but the first are gone through many times.

    Only where the combinations get a key in a join or group (`keyed`) it is looked after.
    """
    *init, last = parts
    if not init:
        yield from last
        return
    for head in combined(init, keyed):
        if keyed:
            for tail in last:
                yield joined(head, tail)
        else:
            key, inputs = head.key, head.inputs
            for tail in last:
                yield Binding(key + tail.key, inputs + tail.inputs)


def touched(deltas: Sequence[Mapping[Key, Binding | None]], still: Sequence[Iterable[Binding]]) -> Iterator[Change]:
    """The combinations with a touched part, each once, at its first touched part: ΔA×B ∪ A×ΔB.

    `still` are the bindings of each part that were not touched. Combinations that never were may come as gone.
    """
    for place, delta in enumerate(deltas):
        if delta:
            columns = [
                (still[i], deltas[i] if i > place else {}) if i != place else ((), delta) for i in range(len(deltas))
            ]
            yield from _changes(columns)


def _changes(columns: Sequence[tuple[Iterable[Binding], Mapping[Key, Binding | None]]]) -> Iterator[Change]:
    *init, (still, delta) = columns
    if not init:
        yield from ((binding.key, binding) for binding in still)
        yield from delta.items()
        return
    for head_key, head in _changes(init):
        for tail in still:
            yield head_key + tail.key, None if head is None else joined(head, tail)
        for tail_key, changed in delta.items():
            yield head_key + tail_key, None if head is None or changed is None else joined(head, changed)
