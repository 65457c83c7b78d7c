"""What a job has to do: its bindings against the ledger of the job before it, and against all that ever succeeded.

Shared by the driver that expands jobs and by `plan`, which only counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct, field

from penstock.engine import expand
from penstock.engine.expand import Binding
from penstock.model import fingerprint
from penstock.model.data import EMPTY
from penstock.model.errors import NotFound
from penstock.model.run import Job, JobInput, Success, Task
from penstock.model.spec import INHERITED, InputSpec, Step
from penstock.model.wire import Input
from penstock.objects import map as pages_map
from penstock.objects.map import Pages
from penstock.service import resolve
from penstock.service.bindings.ledger import Done, Ledger
from penstock.service.bindings.trees import TreeLeaf
from penstock.service.parts import Parts


class Recipe(Struct, frozen=True):
    """What all tasks of a job share, as a digest and as the parts `explain` compares."""

    digest: bytes
    parts: dict[str, Any]

    def same_bindings(self, other: Job) -> bool:
        """Whether another job found its bindings by the same rules, so that only changed inputs matter."""
        kept = other.parts
        return other.recipe == self.digest and all(kept.get(name) == self.parts[name] for name in ("params", "shape"))


class Found(Struct):
    """What a job has to do, beside what it takes over from `base`."""

    recipe: Recipe
    inputs: tuple[JobInput, ...]
    base: int | None
    start: Ledger  #: the ledger it begins with
    kept: int  #: bindings of `start` that stay as they are
    gone: list[tuple[str, Done]] = field(default_factory=list)
    reused: list[tuple[str, Done]] = field(default_factory=list)
    must_run: list[tuple[Binding, bytes]] = field(default_factory=list)  #: with the fingerprint


def find(
    parts: Parts,
    pages: Pages,
    job: Job,
    step: Step,
    params: Mapping[str, Any],
    code: bytes,
    salt: str,
    roots: Mapping[tuple[str, str], bytes] | None = None,
) -> Found:
    """Compare a job's bindings with what is known. `roots` ((repo, branch) -> tree): commits that are not made yet."""
    inputs = tuple(_decided(parts, job, item) for item in job.inputs)
    base = _base(parts, job) if step.publishes and step.reuse else None
    if base is not None and base.version == job.version:
        files = [(path, bytes.fromhex(content)) for path, content in base.parts["code"].items()]
    else:
        files = code_of(pages, step, code)
    recipe = recipe_of(step, params, files, salt)
    drafts = roots or {}
    now = [drafts[at] if (at := (item.repo, item.branch)) in drafts else _root(parts, item) for item in inputs]
    specs = list(step.input.leaves()) if step.input else []
    if base is not None and recipe.same_bindings(base) and not _must_look_at_all(step, base):
        before = [_root(parts, item) for item in base.inputs]
        again = _missing(parts, base, step, len(specs))
        leaves = [
            TreeLeaf(pages, spec, root, old, again[place])
            for place, (spec, root, old) in enumerate(zip(specs, now, before, strict=True))
        ]
        start = Ledger(base.ledger, base.owners, base.tree)
        found = Found(recipe, inputs, base.seq, start, base.processed + base.reused)
        changes: Iterable[tuple[expand.Key, Binding | None]] = expand.changed(step.input, step.each, leaves)
    else:
        leaves = [TreeLeaf(pages, spec, root) for spec, root in zip(specs, now, strict=True)]
        found = Found(recipe, inputs, base.seq if base else None, Ledger(), 0)
        changes = ((binding.key, binding) for binding in expand.every(step.input, step.each, leaves))
    for key, binding in changes:
        _compare(parts, pages, found, step, params, "\n".join(key), binding)
    return found


def _compare(
    parts: Parts, pages: Pages, found: Found, step: Step, params: Mapping[str, Any], key: str, binding: Binding | None
) -> None:
    old = found.start.get(pages, key) if found.start.ledger else None
    if binding is None:
        if old is not None:
            found.gone.append((key, old))
            found.kept -= 1
        return
    mark = fingerprint.task(
        found.recipe.digest,
        {**params, **(binding.params or {})},
        [(item.name, item.path, item.content) for item in binding.inputs],
    )
    if old is not None and old.fingerprint == mark:
        return
    if old is not None:
        found.gone.append((key, old))
        found.kept -= 1
    known = parts.store.load(Success, "success", fingerprint=mark) if step.reuse else []
    if known:
        found.reused.append((key, Done(mark, known[0].output, known[0].files)))
    else:
        found.must_run.append((binding, mark))


def recipe_of(step: Step, params: Mapping[str, Any], files: Sequence[tuple[str, bytes]], salt: str) -> Recipe:
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
        },
    )


def _environment(step: Step) -> str:
    """Where a step's commands find themselves: whose variables, and in which directory."""
    whose = INHERITED if step.env.inherit else "bare"
    return whose if step.workdir is None else f"{whose} in {step.workdir}"


def _shape(spec: InputSpec) -> object:
    return (spec.kind, spec.repo, spec.branch, spec.glob, spec.name, [_shape(part) for part in spec.parts])


#: (code root, command, globs) -> the files that count; a tree never changes, so neither does the answer.
_known_code: dict[tuple[bytes, tuple[str, ...], tuple[str, ...] | None], list[tuple[str, bytes]]] = {}


def code_of(pages: Pages, step: Step, code: bytes) -> list[tuple[str, bytes]]:
    """The files of a code tree that count for a step: (path, encoded entry)."""
    known = (code, step.run, step.code)
    if known not in _known_code:
        _known_code[known] = _find_code(pages, step, code)
    return _known_code[known]


def _find_code(pages: Pages, step: Step, code: bytes) -> list[tuple[str, bytes]]:
    from penstock.text.imports import code_files

    entries = {path.decode(): content for path, content in pages_map.scan(pages, code)}
    if step.code is not None:
        from penstock.model.glob import compile_glob

        globs = [compile_glob(pattern if pattern.startswith("/") else f"/{pattern}") for pattern in step.code]
        named = [path for path in entries if any(glob.matches(path) for glob in globs)]
    else:
        named = code_files(step.run, set(entries), lambda path: _read(pages, entries[path]))
        # Words of a command mean files of the directory it runs in, too.
        below = f"{step.workdir}/" if step.workdir else ""
        inner = {path.removeprefix(below) for path in entries if below and path.startswith(below)}
        found = code_files(step.run, inner, lambda path: _read(pages, entries[below + path]))
        named = sorted({*named, *(below + path for path in found)})
    return [(path, entries[path]) for path in sorted(named)]


def _read(pages: Pages, content: bytes) -> bytes:
    from penstock.objects import tree

    return b"".join(pages.get(blob) for blob in tree.decode(content).blobs)


def _decided(parts: Parts, job: Job, item: JobInput) -> JobInput:
    """An input left open until an earlier run was done reads what a sibling read there, else the head as it is now."""
    if not item.open:
        return item
    for sibling in parts.store.load(Job, "jobs_of_run", run=job.run):
        for known in sibling.inputs:
            if (known.repo, known.branch, known.open) == (item.repo, item.branch, False):
                return known
    head = resolve.branch(parts, item.repo, item.branch)
    return JobInput(item.repo, item.branch, head.head if head else None)


def _root(parts: Parts, item: JobInput) -> bytes:
    """The tree an input reads; the empty one where its branch has no commit. Raises NotFound for one that is gone."""
    if item.commit is None:
        return EMPTY
    found = resolve.commit_by_id(parts, item.repo, item.commit)
    if found is None:
        raise NotFound(f"input {item.repo}@{item.commit} is gone: somebody deleted that commit or its repo")
    return found.root


def _base(parts: Parts, job: Job) -> Job | None:
    """The job before this one whose ledger it may start from: it published to the same repo, its inputs are there."""
    found = parts.store.load(Job, "base_job", pipeline=job.pipeline, step=job.step, before=job.seq)
    if not found or found[0].repo != job.repo:
        return None
    there = (item.commit is None or resolve.commit_by_id(parts, item.repo, item.commit) for item in found[0].inputs)
    return found[0] if all(there) else None


def _complete(base: Job) -> bool:
    return base.total == base.processed + base.reused


def _must_look_at_all(step: Step, base: Job) -> bool:
    """A binding without result whose key does not tell which paths it is made of."""
    return not _complete(base) and (step.input is None or "all" in _kinds(step.input))


def _kinds(spec: InputSpec) -> set[str]:
    return {spec.kind}.union(*(_kinds(part) for part in spec.parts))


def _missing(parts: Parts, base: Job, step: Step, leaves: int) -> list[frozenset[str]]:
    """Per glob, the paths of bindings that the base job knew and has no result for."""
    if _complete(base):
        return [frozenset()] * leaves
    tasks = parts.store.load(Task, "unsucceeded_tasks", job=base.seq)
    paths = [expand.paths_of(task.key, step.each) for task in tasks]
    return [frozenset(path[place] for path in paths) for place in range(leaves)]


def encode_inputs(inputs: Iterable[Input]) -> bytes:
    """Inputs as they stand in a task's row."""
    return msgspec.msgpack.encode([(i.name, i.path, i.content, i.directory, i.root) for i in inputs])


def decode_inputs(data: bytes) -> tuple[Input, ...]:
    return tuple(Input(*item) for item in msgspec.msgpack.decode(data))


def rows(found: Found, job: Job, step: Step, params: Mapping[str, Any], now: int) -> Iterator[Task]:
    """The tasks of what must run."""
    owner = f"{job.pipeline}.{job.id}"
    for binding, mark in found.must_run:
        yield Task(
            seq=0,
            job=job.seq,
            id=fingerprint.task_id(binding.key, owner),
            key=binding.key,
            fingerprint=mark,
            params={**params, **(binding.params or {})},
            inputs=encode_inputs(binding.inputs),
            reuse=step.reuse,
            created=now,
        )
