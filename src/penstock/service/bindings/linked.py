"""The files of a code tree by every name that leads to them: links inside the tree are followed, rings end."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

from penstock.objects import tree

#: How many links lead to one file at most, as in the system itself.
MOST = 40


class Linked:
    """The names of a tree of code. `entries`: path -> encoded entry. What leads out of it, or nowhere, is no file."""

    def __init__(self, entries: Mapping[str, bytes]) -> None:
        self.entries = entries
        targets = ((path, _target(content)) for path, content in entries.items())
        self._links = {path: target for path, target in targets if target is not None}

    def __contains__(self, name: object) -> bool:
        """Whether a name leads to a file."""
        if not self._links:
            return name in self.entries
        return isinstance(name, str) and self.real(name) in self._files

    def __iter__(self) -> Iterator[str]:
        """The names of all files, those that one link to a directory gives them, too."""
        yield from (path for path in self.entries if path in self)
        for link in self._links:
            below = f"{self.real(link)}/"
            yield from (f"{link}/{path[len(below) :]}" for path in self._files if path.startswith(below))

    @cached_property
    def _files(self) -> frozenset[str]:
        return frozenset(self.entries.keys() - self._links.keys())

    def real(self, name: str) -> str:
        """The path that a name leads to; "" for one that leads out, or round in a ring."""
        return self._follow(name)[0]

    def counted(self, names: Iterable[str]) -> list[str]:
        """What counts if these names do: the files they lead to, and each link on the way."""
        if not self._links:
            return sorted(set(names))
        found: set[str] = set()
        for name in names:
            end, passed = self._follow(name)
            found.update([end, *passed])
        return sorted(found & self.entries.keys())

    def _follow(self, name: str) -> tuple[str, list[str]]:
        todo, here, passed = name.split("/")[::-1], "", list[str]()
        while todo:
            here = posixpath.normpath(posixpath.join(here, todo.pop()))
            if here == ".." or here.startswith(("../", "/")):
                return "", passed
            target = self._links.get(here)
            if target is not None:
                passed.append(here)
                if target.startswith("/") or len(passed) > MOST:
                    return "", passed
                todo += target.split("/")[::-1]
                here = posixpath.dirname(here)
        return "" if here == "." else here, passed


def _target(content: bytes) -> str | None:
    """Where a link leads by its own words; None for a file. The entry of a link is text, that of a file an array."""
    return tree.decode(content).target if content[:1] and content[0] & 0xF0 != 0x90 else None
