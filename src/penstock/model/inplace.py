"""Files that steps read and make where they are: who makes what another one reads, what each task has of them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from penstock.model import templates
from penstock.model.fingerprint import digest
from penstock.model.glob import Glob, compile_glob
from penstock.model.prefixes import beginning
from penstock.model.spec import InPlace, Pipeline, Step, axis_names, combinations

#: What a file is known by: the hash of its contents; size, mtime in nanoseconds and inode; or a word and a digest.
State = str | list[int]
#: What there is of files, by path.
States = dict[str, State]

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
        self._by_path = {file.name: step.name for step in steps for file in step.outputs}
        self._paths = sorted(self._by_path)

    def of(self, file: InPlace) -> Iterator[str]:
        """The steps that make what is read there."""
        name = file.name
        if not is_pattern(name):
            paths = [*upwards(name), *beginning(self._paths, name + "/")]
            yield from (self._by_path[path] for path in paths if path in self._by_path)
            return
        root, glob = "/" if name.startswith("/") else "", compile_glob("/" + name.lstrip("/"))
        prefix = root + glob.literal_prefix
        for path in upwards(prefix.rpartition("/")[0]):
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


def upwards(path: str) -> Iterator[str]:
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


# What tasks have of them.


def mark(states: Mapping[str, State]) -> bytes:
    """What stands for all that there is of some files."""
    return digest("files/1", dict(states))


def shared_reads(step: Step) -> Sequence[InPlace]:
    """What every task of a step reads."""
    return [file for file in step.takes if not _has_places(step, file.path)] if step.takes else step.reads


def own_reads(step: Step, params: Mapping[str, Any]) -> list[InPlace]:
    """What a task with these parameters reads beside that: its own."""
    return [replace(file, path=filled(step, file.path, params)) for file in step.takes if _has_places(step, file.path)]


def makes(step: Step) -> Sequence[str]:
    """What each task of a step makes: paths, with places if a task has its own."""
    return step.makes or [file.path for file in step.outputs]


def made_by(step: Step, params: Mapping[str, Any]) -> list[str]:
    """The files that a task with these parameters makes."""
    return [filled(step, path, params) for path in makes(step)]


def apart(pipeline: Pipeline, step: Step) -> tuple[str, ...]:
    """What other steps make below what this one makes."""
    below = (name for file in step.outputs for name in beginning(pipeline.made, f"{file.name}/"))
    mine = {file.name for file in step.outputs}
    return tuple(name for name in below if name not in mine)


def filled(step: Step, path: str, params: Mapping[str, Any]) -> str:
    """A path with its places for the parameters of `each` filled."""
    names = templates.named([path], axis_names(step.each)) if step.each else ()
    return normal(templates.fill(path, {name: params[name] for name in names})) if names else path


def normal(path: str) -> str:
    """A path without what says nothing.

    >>> normal("./a//b/"), normal("/a/./b")
    ('a/b', '/a/b')
    """
    parts = [part for part in path.split("/") if part not in ("", ".")]
    return ("/" if path.startswith("/") else "") + "/".join(parts)


def owned(step: Step) -> frozenset[str]:
    """The files of a step that one of its tasks alone makes; what is left of its outputs tasks share."""
    if not step.outputs or step.input is not None:
        return frozenset()
    if not step.each:
        return frozenset(file.path for file in step.outputs)
    times: dict[str, int] = {}
    for values in combinations(step.each):
        for path in made_by(step, values):
            times[path] = times.get(path, 0) + 1
    return frozenset(path for path, count in times.items() if count == 1)


def _has_places(step: Step, path: str) -> bool:
    return bool(step.each) and bool(templates.named([path], axis_names(step.each)))
