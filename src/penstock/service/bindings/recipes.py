"""What all tasks of a job share: its command, code, environment and salt as one digest, and by name for `explain`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct

from penstock.model import fingerprint
from penstock.model.data import EMPTY
from penstock.model.inplace import upwards
from penstock.model.run import Job
from penstock.model.spec import INHERITED, InputSpec, Step
from penstock.objects import map as pages_map
from penstock.objects.map import Pages
from penstock.service.inplace import Beside

if TYPE_CHECKING:
    from penstock.service.bindings.linked import Linked

T = TypeVar("T")
#: Files of a code tree: (path, encoded entry).
Counted = list[tuple[str, bytes]]


class Recipe(Struct, frozen=True):
    """What all tasks of a job share, as a digest and as the parts `explain` compares."""

    digest: bytes
    parts: dict[str, Any]
    globs: Mapping[str, Sequence[InputSpec]]  #: of its input by name, in the order of the file
    pfs: bool  #: whether its tasks are told the keys of their inputs
    step: Step
    beside: Beside | None = None  #: what counts beside repos

    def same_bindings(self, other: Job) -> bool:
        """Whether another job found its bindings by the same rules, so that only changed inputs matter."""
        kept = other.parts
        same = all(kept.get(name) == self.parts.get(name) for name in ("params", "shape", "files", "given"))
        return same and other.recipe == self.digest and not kept.get("moved")


def recipe_of(
    step: Step, params: Mapping[str, Any], files: Sequence[tuple[str, bytes]], salt: str, beside: Beside | None = None
) -> Recipe:
    """Command, code, environment and salt as one digest; with the rest of what tasks depend on, by name."""
    digest = fingerprint.recipe(list(step.run), files, step.env.vars, _environment(step), salt)
    shape = fingerprint.digest("shape", repr(step.input and _shape(step.input)), json.dumps(step.each, sort_keys=True))
    return Recipe(
        digest,
        {
            "command": list(step.run),
            "code": {path: content.hex() for path, content in files},
            "vars": step.env.vars,
            "environment": _environment(step),
            "salt": salt,
            "params": dict(params),
            "shape": shape.hex(),
            **(beside.noted() if beside is not None else {}),
            "links": 1,  # its index knows the links of what it reads
        },
        globs_of(step),
        step.pfs,
        step,
        beside,
    )


def globs_of(step: Step) -> dict[str, list[InputSpec]]:
    """The globs of a step's input by name, so that an input of a task is the `nth` of its name."""
    return by_name(step, step.input.leaves() if step.input else ())


def by_name(step: Step, found: Iterable[T]) -> dict[str, list[T]]:
    """What was found for each glob of a step's input, in their order, by their names."""
    names: dict[str, list[T]] = {}
    for leaf, item in zip(step.input.leaves() if step.input else (), found, strict=True):
        names.setdefault(leaf.name, []).append(item)
    return names


def _environment(step: Step) -> str:
    """Where a step's commands find themselves: whose variables, in which directory, and what else they are given.

    What is as it is by default is not said, so that it keeps the digest it had before there was more to say.
    """
    bare = INHERITED if step.env.inherit else "bare"
    said = [f"image {step.env.image_id}" if step.env.image_id else bare]
    said += [f"in {step.workdir}"] if step.workdir is not None else []
    said += [f"as {step.user}"] if step.user is not None else []
    said += [f"at /pfs of {step.name}"] if step.pfs else []
    said += ["in batches"] if step.batch is not None else []
    said += [f"reading {step.stdin!r}"] if step.stdin is not None else []
    # A result that was accepted with an exit code is none any more where it is not.
    said += [f"accepting {', '.join(map(str, step.accept_exit))}"] if step.accept_exit else []
    # Once these stood in the command as they are.
    said += [f"filling {', '.join(step.fills)}"] if step.fills else []
    return " ".join(said)


def _shape(spec: InputSpec) -> object:
    plain = (spec.kind, spec.repo, spec.branch, spec.glob, spec.name, [_shape(part) for part in spec.parts])
    more = (spec.on, spec.by, spec.outer, spec.layout, spec.counts)
    # What says nothing new keeps the digest it had before there was more to say.
    said = plain if more == (None, None, False, "copy", True) else (*plain, *more)
    return (*said, spec.params) if spec.params else said


def counts_code(step: Step) -> bool:
    """Whether code files count for a step. For a plain one that runs every time they do if `code` names them: what its
    command names may be what it writes.
    """
    return step.publishes or step.reuse or step.code is not None


#: (code root, what of a step says which files count) -> these files; a tree never changes, so neither does the answer.
_known_code: dict[tuple[Any, ...], Counted] = {}


def code_of(pages: Pages, step: Step, code: bytes) -> Counted:
    """The files of a code tree that count for a step."""
    known: tuple[Any, ...] = (code, step.run, step.code, step.also, step.workdir, step.env.vars.get("PYTHONPATH", ""))
    known += (step.outputs, step.reads, step.reuse)
    if known not in _known_code:
        _known_code[known] = _find_code(pages, step, code)
    return _known_code[known]


def named_code(pages: Pages, step: Step, code: bytes) -> list[str]:
    """Those files of a code tree that a step names in its `code`."""
    linked = _linked(pages, code)
    return linked.counted(_matching(linked, step.also if step.code is None else step.code))


def narrowed(pages: Pages, step: Step, files: Sequence[tuple[str, bytes]]) -> bytes:
    """The root of a tree of just the code that counts, for a step that names all of it; stored. EMPTY for others."""
    if step.code is None or not step.publishes or step.workdir is not None:
        return EMPTY
    return pages_map.build(pages, ((path.encode(), content) for path, content in files))


def _find_code(pages: Pages, step: Step, code: bytes) -> Counted:
    linked = _linked(pages, code)
    names = _matching(linked, step.also if step.code is None else step.code)
    if step.code is None:
        names |= _found(pages, step, linked)
    # What a step makes is not its code, and what it reads in place counts as it is there.
    apart = {file.path for file in (*step.outputs, *(step.reads if step.reuse else ()))}
    counted = linked.counted(names)
    return [(path, linked.entries[path]) for path in counted if not apart or apart.isdisjoint(upwards(path))]


def _linked(pages: Pages, code: bytes) -> Linked:
    from penstock.service.bindings.linked import Linked

    return Linked({path.decode(): content for path, content in pages_map.scan(pages, code)})


def _matching(linked: Linked, patterns: Sequence[str]) -> set[str]:
    """The files that globs name."""
    if not patterns:
        return set()
    from penstock.model.glob import compile_glob

    globs = [compile_glob(pattern if pattern.startswith("/") else f"/{pattern}") for pattern in patterns]
    return {path for path in linked if any(glob.matches(path) for glob in globs)}


def _found(pages: Pages, step: Step, linked: Linked) -> set[str]:
    """The files that can be read off the command, as words in the project, and in the directory it runs in."""
    from penstock.text.imports import code_files

    found: set[str] = set()
    for below in {"", f"{step.workdir}/" if step.workdir else ""}:

        def real(path: str, below: str = below) -> str:
            return linked.real(below + path).removeprefix(below)

        def read(path: str, below: str = below) -> bytes:
            return _read(pages, linked.entries[linked.real(below + path)])

        files = _Below(linked, below) if below else linked
        named = code_files(step.run, files, read, real, step.env.vars.get("PYTHONPATH", ""))
        found |= {below + path for path in named}
    return found


class _Below:
    """The names of a tree seen from a directory in it."""

    def __init__(self, linked: Linked, below: str) -> None:
        self._linked, self._below = linked, below

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._below + name in self._linked


def _read(pages: Pages, content: bytes) -> bytes:
    from penstock.objects import tree

    return b"".join(pages.get(blob) for blob in tree.decode(content).blobs)
