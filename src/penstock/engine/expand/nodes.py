"""The nodes of an input that need no index: globs, combinations of everything with everything, unions, lists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from msgspec import Struct

from penstock.engine.expand.parts import (
    NOTHING,
    Again,
    Binding,
    Change,
    Key,
    Leaf,
    Match,
    combined,
    gathered,
    touched,
)
from penstock.model import captures
from penstock.model.glob import Glob as Pattern
from penstock.model.glob import compile_glob
from penstock.model.wire import Input


class Node(Protocol):
    """A node over the trees of one moment. `width` is how many parts the keys of its bindings have."""

    @property
    def width(self) -> int: ...

    def fill(self) -> None:
        """Write the index of everything below; before `every`, where there is none yet."""

    def every(self) -> Iterator[Binding]:
        """All bindings."""

    def find(self, key: Key) -> Binding | None:
        """The binding of a key, if there is one."""

    def changed(self, before: Node) -> Iterator[Change]:
        """Bindings that may differ from those of the same node at another moment, each once; to be read to its end."""


class Alone(Struct, frozen=True):
    """A step without input: one binding of nothing."""

    key: Key
    width: int = 1

    def fill(self) -> None:
        """Nothing has a key."""

    def every(self) -> Iterator[Binding]:
        yield Binding(self.key)

    def find(self, key: Key) -> Binding | None:
        return Binding(key) if key == self.key else None

    def changed(self, before: Node) -> Iterator[Change]:
        return iter(())


class Glob(Struct, frozen=True):
    """One binding per match. Below a union keys say of which repo, branch and name a path is."""

    leaf: Leaf
    nth: int  #: among the globs of its name
    label: str
    pattern: Pattern
    on: tuple[str | int, ...] | None  #: parsed templates
    by: tuple[str | int, ...] | None
    width: int = 1

    @classmethod
    def of(cls, leaf: Leaf, nth: int, label: str) -> Glob:
        pattern = compile_glob(leaf.spec.glob)
        on, by = (
            None if template is None else captures.parse(template, pattern.groups)
            for template in (leaf.spec.on, leaf.spec.by)
        )
        return cls(leaf, nth, label, pattern, on, by)

    def fill(self) -> None:
        """Matches are looked up in the tree."""

    def every(self) -> Iterator[Binding]:
        return map(self._binding, self.leaf.matches())

    def find(self, key: Key) -> Binding | None:
        (text,) = key
        if not text.startswith(self.label) or text == NOTHING:
            return None
        match = self.leaf.find(text[len(self.label) :])
        return None if match is None else self._binding(match)

    def changed(self, before: Node) -> Iterator[Change]:
        assert isinstance(before, Glob)
        for path in self.leaf.touched(before.leaf):
            old, new = before.leaf.find(path), self.leaf.find(path)
            if not self._same(old, new):
                yield (self.label + path,), None if new is None else self._binding(new)

    def _same(self, old: Match | None, new: Match | None) -> bool:
        """Whether a path gives the same binding: of a reference it is enough that it is there."""
        if old is None or new is None or self.leaf.spec.counts:
            return old == new
        return old.directory == new.directory

    def _binding(self, match: Match) -> Binding:
        spec = self.leaf.spec
        said = (match.path, match.content, match.directory, self.leaf.root, spec.layout, spec.counts)
        one = Input(spec.name, *said, self.nth)
        key = (self.label + match.path,)
        if self.on is None and self.by is None:
            return Binding(key, (one,))
        captured = self.pattern.captures(match.path) or ()
        on = None if self.on is None else captures.fill(self.on, captured)
        by = None if self.by is None else captures.fill(self.by, captured)
        return Binding(key, (one,), None, on, by)


class Cross(Struct, frozen=True):
    """Every combination of the bindings of its parts."""

    parts: Sequence[Node]
    keyed: bool  #: whether a join or group stands around it

    @property
    def width(self) -> int:
        return sum(part.width for part in self.parts)

    def fill(self) -> None:
        for part in self.parts:
            part.fill()

    def every(self) -> Iterator[Binding]:
        return combined([Again(part.every) for part in self.parts], self.keyed)

    def find(self, key: Key) -> Binding | None:
        found = [part.find(piece) for part, piece in zip(self.parts, pieces(self.parts, key), strict=True)]
        whole = [binding for binding in found if binding is not None]
        return next(combined([[binding] for binding in whole], self.keyed)) if len(whole) == len(found) else None

    def changed(self, before: Node) -> Iterator[Change]:
        assert isinstance(before, Cross)
        deltas = [dict(part.changed(old)) for part, old in zip(self.parts, before.parts, strict=True)]
        yield from touched(deltas, [_untouched(part, delta) for part, delta in zip(self.parts, deltas, strict=True)])


def _untouched(part: Node, delta: dict[Key, Binding | None]) -> Again:
    return Again(lambda: (binding for binding in part.every() if binding.key not in delta))


class Union(Struct, frozen=True):
    """The bindings of each part; one that several parts have counts once."""

    parts: Sequence[Node]

    @property
    def width(self) -> int:
        return max(part.width for part in self.parts)

    def fill(self) -> None:
        for part in self.parts:
            part.fill()

    def every(self) -> Iterator[Binding]:
        for place, part in enumerate(self.parts):
            for binding in part.every():
                whole = self._padded(binding)
                if not any(_cut(earlier, whole.key) for earlier in self.parts[:place]):
                    yield whole

    def find(self, key: Key) -> Binding | None:
        found = (_cut(part, key) for part in self.parts)
        return next((self._padded(binding) for binding in found if binding is not None), None)

    def changed(self, before: Node) -> Iterator[Change]:
        assert isinstance(before, Union)
        keys = [
            self._key(key) for part, old in zip(self.parts, before.parts, strict=True) for key, _ in part.changed(old)
        ]
        for key in dict.fromkeys(keys):
            yield key, self.find(key)

    def _key(self, key: Key) -> Key:
        return key + (NOTHING,) * (self.width - len(key))

    def _padded(self, binding: Binding) -> Binding:
        if len(binding.key) == self.width:
            return binding
        return Binding(self._key(binding.key), binding.inputs, None, binding.on, binding.by)


def _cut(part: Node, key: Key) -> Binding | None:
    """What a part of a union has under a key."""
    own, rest = key[: part.width], key[part.width :]
    return part.find(own) if all(piece == NOTHING for piece in rest) else None


class All(Struct, frozen=True):
    """One binding that holds every match of every part; none while nothing matches."""

    parts: Sequence[Node]
    label: str
    width: int = 1

    def fill(self) -> None:
        for part in self.parts:
            part.fill()

    def every(self) -> Iterator[Binding]:
        found = self.find((self.label,))
        return iter(() if found is None else (found,))

    def find(self, key: Key) -> Binding | None:
        if key != (self.label,):
            return None
        return gathered(key, (binding for part in self.parts for binding in part.every()))

    def changed(self, before: Node) -> Iterator[Change]:
        assert isinstance(before, All)
        # To the end of each: an index below is brought up to date on the way.
        counts = [sum(1 for _ in part.changed(old)) for part, old in zip(self.parts, before.parts, strict=True)]
        if any(counts):
            yield (self.label,), self.find((self.label,))


def pieces(parts: Sequence[Node], key: Key) -> Iterator[Key]:
    """The key of a combination, cut into those of its parts."""
    at = 0
    for part in parts:
        yield key[at : at + part.width]
        at += part.width
