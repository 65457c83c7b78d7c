"""The keys by which a task's inputs were brought together, as a task at `/pfs` is told them.

They are told by the worker and count in the fingerprint, so both ask here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from penstock.model import captures
from penstock.model.glob import compile_glob
from penstock.model.wire import Input


class Keyed(Protocol):
    """A glob of a step's input, and the templates of the keys that its matches have."""

    @property
    def glob(self) -> str: ...

    @property
    def on(self) -> str | None: ...

    @property
    def by(self) -> str | None: ...


def by_name(inputs: Iterable[Input]) -> dict[str, list[Input]]:
    """Inputs by name, in their order."""
    found: dict[str, list[Input]] = {}
    for item in inputs:
        found.setdefault(item.name, []).append(item)
    return found


def keys(inputs: Mapping[str, Sequence[Input]], globs: Mapping[str, Sequence[Keyed]]) -> dict[str, str]:
    """`PACH_DATUM_<name>_JOIN_ON` and `PACH_DATUM_<name>_GROUP_BY` of inputs and globs by name.

    Of several files under one name the first one speaks.
    """
    found = {}
    for name, (first, *_) in inputs.items():
        source = globs[name][first.nth]
        for template, what in ((source.on, "JOIN_ON"), (source.by, "GROUP_BY")):
            if template is not None:
                pattern = compile_glob(source.glob)
                captured = pattern.captures(first.path) or ()
                found[f"PACH_DATUM_{name}_{what}"] = captures.fill(captures.parse(template, pattern.groups), captured)
    return found
