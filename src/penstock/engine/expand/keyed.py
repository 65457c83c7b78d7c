"""The nodes that bring together what has the same key: joins and groups.

The index says which bindings of each part have which key, so that a change touches its own key alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import product

from msgspec import Struct

from penstock.engine.expand.nodes import Node, pieces
from penstock.engine.expand.parts import (
    NOTHING,
    SPLIT,
    Again,
    Binding,
    Change,
    Index,
    Key,
    combined,
    gathered,
    touched,
)

#: Of each part what was touched of one key: its binding key -> the binding as it now belongs there.
Cells = list[dict[Key, Binding | None]]


class _Keyed(Struct, frozen=True):
    number: int  #: of the node in the index
    parts: Sequence[Node]
    index: Index

    def fill(self) -> None:
        for place, part in enumerate(self.parts):
            part.fill()
            entries = ((value, binding.key) for binding in part.every() if (value := self.value(binding)) is not None)
            self.index.fill(self.number, place, entries)

    def value(self, binding: Binding | None) -> str | None:
        """The key under which a binding of a part stands here."""
        raise NotImplementedError

    def members(self, place: int, keys: Iterable[Key]) -> Iterator[Binding]:
        """Bindings of a part, as the index names them."""
        found = map(self.parts[place].find, keys)
        return (binding for binding in found if binding is not None)

    def own(self, value: str) -> list[list[Key]]:
        """What the index names of each part for a key."""
        return [list(self.index.members(self.number, place, value)) for place in range(len(self.parts))]

    def moved(self, before: _Keyed) -> dict[str, Cells]:
        """What was touched, by key; brings the index up to date."""
        by_value: dict[str, Cells] = {}
        for place, (part, old_part) in enumerate(zip(self.parts, before.parts, strict=True)):
            for key, binding in part.changed(old_part):
                old, new = self.value(old_part.find(key)), self.value(binding)
                if old != new:
                    self.index.move(self.number, place, key, old, new)
                for value in {old, new} - {None}:
                    cells = by_value.setdefault(value, [{} for _ in self.parts])  # type: ignore[arg-type]
                    cells[place][key] = binding if value == new else None
        return by_value


def _is_elsewhere(by_value: Mapping[str, Cells]) -> Iterator[bool]:
    """Of each binding that left a key, whether it has another one now."""
    kept = {
        (place, key)
        for cells in by_value.values()
        for place, cell in enumerate(cells)
        for key, binding in cell.items()
        if binding is not None
    }
    for cells in by_value.values():
        for place, cell in enumerate(cells):
            yield from ((place, key) in kept for key, binding in cell.items() if binding is None)


class Join(_Keyed, frozen=True):
    """Of each key that all parts have, every combination of what has it.

    Where some part has nothing, those that are `outer` and have something stand alone.
    """

    outer: Sequence[bool]
    keyed: bool

    @property
    def width(self) -> int:
        return sum(part.width for part in self.parts)

    def value(self, binding: Binding | None) -> str | None:
        return None if binding is None or binding.on == SPLIT else binding.on

    def taking_part(self, own: Sequence[Sequence[Key]]) -> tuple[bool, ...]:
        """Which parts the combinations of a key are made of; none at all where it has no combination."""
        has = tuple(map(bool, own))
        return has if all(has) else tuple(here and out for here, out in zip(has, self.outer, strict=True))

    def every(self) -> Iterator[Binding]:
        for _, own in self.index.every(self.number, len(self.parts)):
            yield from self._of(own)

    def find(self, key: Key) -> Binding | None:
        found = [
            self._absent(part) if piece == (NOTHING,) * part.width else part.find(piece)
            for part, piece in zip(self.parts, pieces(self.parts, key), strict=True)
        ]
        whole = [binding for binding in found if binding is not None]
        values = {self.value(binding) for binding in whole if binding.inputs}
        if len(whole) != len(found) or len(values) != 1:
            return None
        value = values.pop()
        if value is None or self.taking_part(self.own(value)) != tuple(bool(binding.inputs) for binding in whole):
            return None
        return next(combined([[binding] for binding in whole], self.keyed))

    def changed(self, before: Node) -> Iterator[Change]:
        assert isinstance(before, Join)
        by_value = self.moved(before)
        if not any(_is_elsewhere(by_value)):
            yield from self._changes(before, by_value)
            return
        # What went from one key to another is gone at one and there at the other, under one name.
        found: dict[Key, Binding | None] = {}
        for key, binding in self._changes(before, by_value):
            found[key] = binding or found.get(key)
        yield from found.items()

    def _changes(self, before: Join, by_value: Mapping[str, Cells]) -> Iterator[Change]:
        for value, cells in by_value.items():
            then, own = before.own(value), self.own(value)
            old, new = before.taking_part(then), self.taking_part(own)
            if old == new:
                if any(new):
                    chosen = [cell if here else {} for cell, here in zip(cells, new, strict=True)]
                    yield from touched(chosen, self._columns(own, new, chosen))
            else:
                yield from ((key, None) for key in before.keys(then))
                yield from ((binding.key, binding) for binding in self._of(own))

    def _of(self, own: Sequence[Sequence[Key]]) -> Iterator[Binding]:
        chosen = self.taking_part(own)
        if any(chosen):
            yield from combined(self._columns(own, chosen, [{}] * len(own)), self.keyed)

    def _columns(self, own: Sequence[Sequence[Key]], chosen: Sequence[bool], without: Cells) -> list[Again]:
        """Of each part what takes part in the combinations of a key, less what was touched."""
        columns = []
        for place, (part, here) in enumerate(zip(self.parts, chosen, strict=True)):
            if here:
                keys = [key for key in own[place] if key not in without[place]]
                columns.append(Again(partial(self.members, place, keys)))
            else:
                columns.append(Again(lambda part=part: [self._absent(part)]))
        return columns

    def keys(self, own: Sequence[Sequence[Key]]) -> Iterator[Key]:
        """The keys of the combinations of a key."""
        chosen = self.taking_part(own)
        if any(chosen):
            columns = [
                keys if here else [(NOTHING,) * part.width]
                for keys, part, here in zip(own, self.parts, chosen, strict=True)
            ]
            yield from (tuple(piece for part in whole for piece in part) for whole in product(*columns))

    @staticmethod
    def _absent(part: Node) -> Binding:
        return Binding((NOTHING,) * part.width)


class Group(_Keyed, frozen=True):
    """One binding per key, which is named by it, with everything that has it, whichever part that is of."""

    label: str
    width: int = 1

    def value(self, binding: Binding | None) -> str | None:
        return None if binding is None or binding.by == SPLIT else binding.by

    def every(self) -> Iterator[Binding]:
        for value, own in self.index.every(self.number, len(self.parts)):
            found = self._of(value, own)
            if found is not None:
                yield found

    def find(self, key: Key) -> Binding | None:
        (text,) = key
        if not text.startswith(self.label):
            return None
        value = text[len(self.label) :]
        return self._of(value, self.own(value))

    def changed(self, before: Node) -> Iterator[Change]:
        assert isinstance(before, Group)
        for value in self.moved(before):
            key = (self.label + value,)
            yield key, self.find(key)

    def _of(self, value: str, own: Sequence[Sequence[Key]]) -> Binding | None:
        members = (binding for place, keys in enumerate(own) for binding in self.members(place, keys))
        return gathered((self.label + value,), members)
