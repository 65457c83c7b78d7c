"""Files that steps read and make where they are: who makes what another one reads. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from penstock.model.glob import Glob, compile_glob
from penstock.model.prefixes import beginning
from penstock.model.spec import InPlace, Step

#: What makes a path a pattern.
_WILD = re.compile(r"[*?\[\]{}()\\]")


def is_pattern(path: str) -> bool:
    return _WILD.search(path) is not None


def escaped(path: str) -> str:
    r"""The pattern that means this path and nothing else.

    >>> escaped("a[1].txt")
    'a\\[1\\].txt'
    """
    return _WILD.sub(r"\\\g<0>", path)


class Makers:
    """The steps of a pipeline by the files they make.

    What is read is made by who makes it, by who makes the directory that it is in, and by who makes anything in it.
    """

    def __init__(self, steps: Iterable[Step]) -> None:
        self._by_path = {file.path: step.name for step in steps for file in step.outputs}
        self._paths = sorted(self._by_path)

    def of(self, file: InPlace) -> Iterator[str]:
        """The steps that make what is read there."""
        if not is_pattern(file.path):
            paths = [*_upwards(file.path), *beginning(self._paths, file.path + "/")]
            yield from (self._by_path[path] for path in paths if path in self._by_path)
            return
        root, glob = "/" if file.path.startswith("/") else "", compile_glob("/" + file.path.lstrip("/"))
        prefix = root + glob.literal_prefix
        for path in _upwards(prefix.rpartition("/")[0]):
            if path in self._by_path:
                yield self._by_path[path]
        for path in beginning(self._paths, prefix):
            if path.startswith("/") == bool(root) and _touches(glob, path.lstrip("/")):
                yield self._by_path[path]

    def upstream(self, step: Step) -> Iterator[tuple[str, InPlace]]:
        """The other steps that make what a step reads, and what that is."""
        for file in step.reads:
            for maker in self.of(file):
                if maker != step.name:
                    yield maker, file


def _upwards(path: str) -> Iterator[str]:
    """A path and the directories that it is in."""
    while path:
        yield path
        path = path.rpartition("/")[0]


def _touches(glob: Glob, path: str) -> bool:
    """Whether a pattern names a path, or a directory that it is in."""
    state = glob.start()
    for place, part in enumerate(path.split("/")):
        reached = glob.after(state, f"/{part}" if place else part)
        if reached is None:
            return False
        if reached.accepts:
            return True
        state = reached
    return False
