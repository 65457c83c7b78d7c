"""What a job has to do: its bindings against the ledger of the job before it, and against all that ever succeeded.

Shared by the driver that expands jobs and by `plan`, which only counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from penstock.engine.expand import Binding, Change, Expansion, Key
from penstock.model import datum, fingerprint
from penstock.model.data import EMPTY
from penstock.model.errors import NotFound
from penstock.model.glob import compile_glob
from penstock.model.run import Job, JobInput, Task
from penstock.model.spec import Step
from penstock.model.wire import Input
from penstock.objects.map import Pages
from penstock.service import inplace, resolve
from penstock.service.bindings.keys import KeyMap
from penstock.service.bindings.ledger import Done, Ledger
from penstock.service.bindings.links import Links
from penstock.service.bindings.opened import Holding, come_back
from penstock.service.bindings.recipes import Recipe, code_of, recipe_of
from penstock.service.bindings.trees import TreeLeaf
from penstock.service.parts import Parts
from penstock.service.userdata.exchange import Exchange

#: How many bindings are compared at a time with what is known.
CHUNK = 500
#: How many tasks are read at a time.
PAGE = 5000


class Found(Struct):
    """What a job has to look at, beside what it takes over from `base`."""

    recipe: Recipe
    inputs: tuple[JobInput, ...]
    base: Job | None
    start: Ledger  #: the ledger it begins with
    kept: int  #: bindings of `start`
    index: KeyMap  #: of join and group keys; that of this job once `changes` were read to their end
    expansion: Expansion  #: all of them, to look them up
    changes: Iterator[Change]
    whole: bool  #: whether `changes` are all bindings, because no ledger says what most of them gave
    holding: Holding  #: which readings hold in the code as it is now
    readings: set[bytes]  #: of what it takes over
    files: list[tuple[str, bytes]]  #: the code that counts
    outputs: inplace.Outputs | None = None  #: what it makes in place, which must be as it was left


class Touched(Struct, frozen=True):
    """A binding that is not as `start` has it."""

    key: str
    old: Done | None  #: what `start` says of it, and what has to go
    binding: Binding | None  #: None: it is gone
    mark: bytes = b""  #: its fingerprint
    known: Done | None = None  #: what the same work gave before
    reading: bytes = EMPTY  #: what that read of the code


def find(
    parts: Parts,
    pages: Pages,
    job: Job,
    step: Step,
    params: Mapping[str, Any],
    code: bytes,
    salt: str,
    exchange: Exchange,
    apart: Iterable[str] = (),
    roots: Mapping[tuple[str, str], bytes] | None = None,
) -> Found:
    """A job's bindings as far as they have to be looked at. `apart`: what other steps make below what this one makes in
    place; `roots` ((repo, branch) -> tree): commits not made yet.
    """
    inputs = tuple(_decided(parts, job, item) for item in job.inputs)
    base = _base(parts, job) if step.publishes and step.reuse else None
    if base is not None and base.version == job.version:
        files = [(path, bytes.fromhex(content)) for path, content in base.parts["code"].items()]
    else:
        files = code_of(pages, step, code)
    recipe = recipe_of(step, params, files, salt, inplace.beside(parts, exchange, job.pipeline, step))
    outputs = inplace.Outputs(parts, job.pipeline, step, apart) if step.outputs and step.reuse else None
    drafts = roots or {}
    now = [drafts[at] if (at := (item.repo, item.branch)) in drafts else _root(parts, item) for item in inputs]
    holding = Holding(pages, code)
    whole = outputs is not None or base is None or not recipe.same_bindings(base) or not holding.holds(base.reading)
    back = set() if base is None or whole else come_back(parts, job, base, holding)
    if base is None or whole or back:
        index = KeyMap(pages, EMPTY)
        expansion = _expansion(pages, step, now, index, None)
        for links in index.links:
            links.fill()
        every = ((binding.key, binding) for binding in expansion.every())
        return Found(recipe, inputs, base, Ledger(), 0, index, expansion, every, True, holding, back, files, outputs)
    index = KeyMap(pages, base.keys)
    known = _links_of(base)
    before = _expansion(pages, step, [_root(parts, item) for item in base.inputs], KeyMap(pages, base.keys), known)
    start = Ledger(base.ledger, base.owners, base.tree)
    kept = base.processed + base.reused
    again = [] if kept == base.total else _unsucceeded(parts, base)
    expansion = _expansion(pages, step, now, index, known)
    changes = expansion.changed(before, again)
    return Found(recipe, inputs, base, start, kept, index, expansion, changes, False, holding, {base.reading}, files)


def _expansion(pages: Pages, step: Step, roots: Sequence[bytes], index: KeyMap, keys: bytes | None) -> Expansion:
    """`keys`: the index that knows the links of these trees, if there is one."""
    specs = step.input.leaves() if step.input else ()
    leaves = [
        TreeLeaf(pages, spec, root, Links(pages, root, number, keys))
        for number, (spec, root) in enumerate(zip(specs, roots, strict=True))
    ]
    # What reads the whole of a tree has all that its links lead to.
    index.links = [leaf.links for leaf in leaves if not compile_glob(leaf.spec.glob).whole]
    return Expansion(step.input, step.each, leaves, index)


def expansion_of(parts: Parts, pages: Pages, job: Job) -> Expansion:
    """The bindings of a job that knows them, to look them up. Raises NotFound if what it read is gone."""
    roots = [_root(parts, item) for item in job.inputs]
    return _expansion(pages, parts.step(job), roots, KeyMap(pages, job.keys), _links_of(job))


def _links_of(job: Job) -> bytes | None:
    """The index of a job that knows the links of what it reads; None of one made before they were followed."""
    return job.keys if "links" in job.parts else None


def foreseen(parts: Parts, pages: Pages, step: Step) -> Iterator[Binding]:
    """The bindings that a step would have over the heads as they are. `pages` can be written to."""
    heads = [resolve.head(parts, leaf.repo, leaf.branch) for leaf in step.input.leaves()] if step.input else []
    roots = [head.root if head else EMPTY for head in heads]
    return _expansion(pages, step, roots, KeyMap(pages, EMPTY), None).every()


def compared(parts: Parts, pages: Pages, found: Found, step: Step, params: Mapping[str, Any]) -> Iterator[Touched]:
    """The bindings that do not stay as they are, one at a time."""
    items = _compared(parts, pages, found, step, params)
    if found.outputs is None:
        yield from items
        return
    if found.outputs.shared:
        items = _whole(found.outputs, list(items))
    yield from items
    found.outputs.close()


def _whole(outputs: inplace.Outputs, items: list[Touched]) -> Iterator[Touched]:
    """Bindings whose tasks share what they make: what is known of them counts for all or for none."""
    known = all(item.known is not None for item in items)
    if known and outputs.shared_kept(inplace.whole_of((item.key, item.mark + item.reading) for item in items)):
        return iter(items)
    return (replace(item, known=None) for item in items)


def _compared(parts: Parts, pages: Pages, found: Found, step: Step, params: Mapping[str, Any]) -> Iterator[Touched]:
    while chunk := list(islice(found.changes, CHUNK)):
        known: dict[bytes, Task] = {}
        new: list[Touched] = []
        for parts_of_key, binding in chunk:
            key = "\n".join(parts_of_key)
            old = found.start.get(pages, key) if found.start.ledger else None
            mark = b"" if binding is None else fingerprint_of(found.recipe, params, binding)
            if mark != (b"" if old is None else old.fingerprint):
                new.append(Touched(key, old, binding, mark))
        if step.reuse:
            marks = b"".join(item.mark for item in new)
            known = found.holding.of(parts.store.load(Task, "successes", marks=marks))
        for item in new:
            made = known.get(item.mark)
            if made is not None and _is_there_still(found.outputs, item, made, params):
                item = replace(item, known=Done(item.mark, made.output, made.files), reading=made.reading)
            yield item


def _is_there_still(outputs: inplace.Outputs | None, item: Touched, made: Task, params: Mapping[str, Any]) -> bool:
    """Whether what the task that did this work left in place is as it left it."""
    own = item.binding.params if item.binding is not None else None
    return outputs is None or outputs.own_kept(item.mark + made.reading, {**params, **(own or {})})


def fingerprint_of(recipe: Recipe, params: Mapping[str, Any], binding: Binding) -> bytes:
    """The fingerprint of a task. Of a reference its place counts, and not what stands there."""
    inputs = [(item.name, item.path, item.content if item.counts else _place(recipe, item)) for item in binding.inputs]
    told = datum.keys(datum.by_name(binding.inputs), recipe.globs) if recipe.pfs else {}
    all_params = {**params, **(binding.params or {})}
    known = fingerprint.task(recipe.digest, all_params, inputs, told)
    counts = recipe.beside is not None and recipe.step.reuse
    return recipe.beside.counted(recipe.step, known, all_params) if counts and recipe.beside else known


def _place(recipe: Recipe, item: Input) -> bytes:
    glob = recipe.globs[item.name][item.nth]
    return fingerprint.reference(glob.repo, glob.branch, glob.glob, glob.layout == "empty")


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
    return resolve.readable(parts, found).root


def _base(parts: Parts, job: Job) -> Job | None:
    """The job before this one whose ledger it may start from: it published to the same repo, its inputs are there."""
    found = parts.store.load(Job, "base_job", pipeline=job.pipeline, step=job.step, before=job.seq)
    if not found or found[0].repo != job.repo:
        return None
    has_ledger = found[0].ledger != EMPTY or not found[0].processed + found[0].reused
    return found[0] if has_ledger and all(_is_there(parts, item) for item in found[0].inputs) else None


def _is_there(parts: Parts, item: JobInput) -> bool:
    """Whether what an input reads can be read."""
    found = resolve.commit_by_id(parts, item.repo, item.commit) if item.commit is not None else None
    return item.commit is None or (found is not None and found.forgotten is None)


def _unsucceeded(parts: Parts, base: Job) -> list[Key]:
    """The bindings that the base job knew and has no result for."""
    return [task.key for task in parts.store.load(Task, "unsucceeded_tasks", job=base.seq)]


def succeeded(parts: Parts, job: int) -> Iterator[list[Task]]:
    """The tasks of a job that succeeded, so many at a time that they may be held."""
    after = 0
    while page := parts.store.load(Task, "succeeded_tasks", job=job, after=after, limit=PAGE):
        yield page
        after = page[-1].seq


def encode_inputs(inputs: Iterable[Input]) -> bytes:
    """Inputs as they stand in a task's row; what is as it is by default is left out."""
    return msgspec.msgpack.encode([_plain(item) for item in inputs])


def _plain(item: Input) -> tuple[Any, ...]:
    plain = (item.name, item.path, item.content, item.directory, item.root)
    more = (item.layout, item.counts, item.nth)
    said = 3 if item.nth else 0 if more == ("copy", True, 0) else 2
    return (*plain, *more[:said])


def decode_inputs(data: bytes) -> tuple[Input, ...]:
    return tuple(Input(*item) for item in msgspec.msgpack.decode(data))


def row(item: Touched, seq: int, owner: str, job: Job, step: Step, params: Mapping[str, Any], now: int) -> Task:
    """The task of a binding that must run. `owner` names the job across pipelines."""
    assert item.binding is not None
    return Task(
        seq=seq,
        job=job.seq,
        id=fingerprint.task_id(item.binding.key, owner),
        key=item.binding.key,
        fingerprint=item.mark,
        params={**params, **(item.binding.params or {})},
        inputs=encode_inputs(item.binding.inputs),
        reuse=step.reuse,
        created=now,
    )
