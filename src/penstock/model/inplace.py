"""Files that steps read and make where they are: who makes what another one reads. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from penstock.model.glob import compile_glob
from penstock.model.spec import InPlace, Step

#: What makes a path a pattern.
WILD = frozenset("*?[]{}()\\")


def is_pattern(path: str) -> bool:
    return not WILD.isdisjoint(path)


class Makers:
    """The steps of a pipeline by the files they make."""

    def __init__(self, steps: Iterable[Step]) -> None:
        self._by_path = {file.path: step.name for step in steps for file in step.outputs}

    def of(self, file: InPlace) -> Iterator[str]:
        """The steps that make what is read there."""
        if not is_pattern(file.path):
            maker = self._by_path.get(file.path)
            if maker is not None:
                yield maker
            return
        absolute, glob = file.path.startswith("/"), compile_glob("/" + file.path.lstrip("/"))
        for path, maker in self._by_path.items():
            if path.startswith("/") == absolute and glob.matches(path.lstrip("/")):
                yield maker

    def upstream(self, step: Step) -> Iterator[tuple[str, InPlace]]:
        """The other steps that make what a step reads, and what that is."""
        for file in step.reads:
            for maker in self.of(file):
                if maker != step.name:
                    yield maker, file
