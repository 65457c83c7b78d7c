"""One file has one name: paths that links lead from one to the other order steps as if they were written the same."""

from __future__ import annotations

import os
from collections.abc import Iterator

from msgspec.structs import replace

from penstock.model.errors import BadSpec
from penstock.model.glob import compile_glob
from penstock.model.inplace import Makers, escaped, is_pattern
from penstock.model.spec import InPlace, Pipeline, Step


def aliased(root: str, pipeline: Pipeline) -> Pipeline:
    """A pipeline whose files in place know by which path another step makes them, where that is not the one that is
    written. Raises BadSpec for a file that two steps make.
    """
    if not any(step.outputs for step in pipeline.steps):
        return pipeline
    names = _Names(root)
    steps = [replace(step, outputs=tuple(map(names.made, step.outputs))) for step in pipeline.steps]
    _check_makers(steps)
    makers = Makers(steps)
    steps = [replace(step, reads=tuple(names.read(file, makers) for file in step.reads)) for step in steps]
    found = replace(pipeline, steps=tuple(steps))
    return pipeline if found == pipeline else found


def _check_makers(steps: list[Step]) -> None:
    makers: dict[str, tuple[str, InPlace]] = {}
    for step in steps:
        for file in step.outputs:
            other, theirs = makers.setdefault(file.name, (step.name, file))
            if theirs is not file:
                message = f'outputs: "{file.path}" is "{theirs.path}", which step "{other}" makes, too'
                raise BadSpec(f'step "{step.name}": {message}', file.where)


class _Names:
    def __init__(self, root: str) -> None:
        self._root = os.path.realpath(root)
        self._folders: dict[str, str] = {}

    def made(self, file: InPlace) -> InPlace:
        """A file that is made, by where it lies."""
        name = self._in_folder(file.path)
        return replace(file, alias=None if name == file.path else name)

    def read(self, file: InPlace, makers: Makers) -> InPlace:
        """A file that is read, by the first of its names under which a step makes it."""
        for name in self._readings(file.path):
            found = replace(file, alias=None if name == file.path else name)
            if next(makers.of(found), None) is not None:
                return found
        return replace(file, alias=None)

    def _readings(self, path: str) -> Iterator[str]:
        yield path
        if not is_pattern(path):
            yield self._in_folder(path)
            if os.path.islink(os.path.join(self._root, path)):
                yield self._below(os.path.realpath(os.path.join(self._root, path)))
            return
        above = "/" if path.startswith("/") else ""
        top = compile_glob("/" + path.lstrip("/")).literal_prefix.rpartition("/")[0]
        start = above + escaped(top) + "/"
        if top and path.startswith(start):
            folder = self._below(self._real(os.path.join(above or self._root, top)))
            yield (escaped(folder) + "/" if folder else "") + path[len(start) :]

    def _in_folder(self, path: str) -> str:
        folder, _, name = os.path.join(self._root, path).rpartition("/")
        return self._below(f"{self._real(folder).rstrip('/')}/{name}")

    def _real(self, folder: str) -> str:
        if folder not in self._folders:
            self._folders[folder] = os.path.realpath(folder or "/")
        return self._folders[folder]

    def _below(self, path: str) -> str:
        return path.removeprefix(self._root).lstrip("/") if f"{path}/".startswith(f"{self._root}/") else path
