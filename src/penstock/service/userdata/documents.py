"""What people do with user data, and what applying and starting a pipeline does to it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec.structs import replace

from penstock.model.documents import KEY, check_name, write_body
from penstock.model.errors import AlreadyExists, NotFound, UsageError
from penstock.model.run import Document
from penstock.model.spec import Pipeline
from penstock.service.parts import Parts
from penstock.service.resolve import suggestion

#: How many documents are read at once.
PAGE = 1000


def pipeline_named(parts: Parts, name: str | None) -> str:
    """A pipeline in force by name; without one the only one there is. Raises NotFound, UsageError."""
    known: list[str] = [row["name"] for row in parts.store.fetch("pipelines")]
    if name is None:
        if len(known) > 1:
            raise UsageError(f"there are {len(known)} pipelines ({', '.join(known[:5])}); say which: --pipeline NAME")
        if not known:
            raise NotFound("there is no pipeline yet, and user data hangs on one; `penstock pipeline create` makes one")
        return known[0]
    if name not in known:
        raise NotFound(f"there is no pipeline {name!r}{suggestion(name, known)}")
    return name


def step_named(parts: Parts, pipeline: str, step: str) -> None:
    """Raise NotFound unless the version in force has a step."""
    version = parts.store.fetch("pipeline", name=pipeline)[0]["version"]
    known = [item.name for item in parts.pipeline(pipeline, version).steps]
    if step not in known:
        raise NotFound(f"pipeline {pipeline!r} has no step {step!r}{suggestion(step, known)}")


def add(
    parts: Parts,
    values: Sequence[Any],
    *,
    pipeline: str | None = None,
    step: str | None = None,
    name: str = "",
    ephemeral: bool = False,
) -> list[Document]:
    """Make one document of each value, on a pipeline or on one of its steps; all or none.

    Raises NotFound, UsageError, AlreadyExists where the name is taken, Refused for what is too big.
    """
    if name:
        check_name(name)
        if len(values) > 1:
            raise UsageError(f"{name!r} cannot name {len(values)} documents; add them one by one")
    bodies = [write_body(value, f"document {place}") for place, value in enumerate(values, 1)]
    with parts.store.transaction(durable=True):
        on = pipeline_named(parts, pipeline)
        if step is not None:
            step_named(parts, on, step)
        if name and parts.store.load(Document, "document_named", pipeline=on, name=name):
            raise AlreadyExists(f"pipeline {on!r} has user data {name!r} already; `penstock data set` changes it")
        now = parts.now()
        made = []
        for body in bodies:
            # One by one: a key that was given once never comes again, so the database chooses it.
            parts.store.insert([Document(0, on, step, name, ephemeral, body, 1, None, 1, now, now)])
            made += parts.store.load(Document, "newest_document")
    return made


def find(parts: Parts, text: str, pipeline: str | None = None) -> Document:
    """A document by its key, or by the name it has in a pipeline. Raises NotFound, UsageError."""
    if KEY.fullmatch(text):
        found = parts.store.load(Document, "document", seq=int(text))
        if not found:
            raise NotFound(f"there is no user data with the key {text}; see `penstock data list`")
        return found[0]
    check_name(text)
    on = pipeline_named(parts, pipeline)
    found = parts.store.load(Document, "document_named", pipeline=on, name=text)
    if not found:
        known = (item.name for item in parts.store.load(Document, "named_documents", pipeline=on) if item.name)
        raise NotFound(f"pipeline {on!r} has no user data {text!r}{suggestion(text, known)}")
    return found[0]


def page(parts: Parts, pipeline: str | None, step: str | None, after: int, limit: int) -> list[Document]:
    """Documents of a pipeline and its steps, or of one step, oldest first. Raises NotFound, UsageError."""
    on = pipeline_named(parts, pipeline)
    if step is not None:
        step_named(parts, on, step)
    return parts.store.load(Document, "documents", pipeline=on, step=step, after=after, limit=limit)


def every(parts: Parts, pipeline: str | None, step: str | None) -> Iterator[Document]:
    """All documents of a pipeline and its steps, or of one step, oldest first. Raises NotFound, UsageError."""
    after = 0
    while found := page(parts, pipeline, step, after, PAGE):
        yield from found
        after = found[-1].seq


def put(parts: Parts, text: str, value: Any, pipeline: str | None = None) -> Document:
    """Give a document a new value. Raises NotFound, UsageError, Refused for what is too big."""
    body = write_body(value, f"user data {text!r}")
    with parts.store.transaction(durable=True):
        old = find(parts, text, pipeline)
        new = _said(old, body, parts.now())
        parts.store.update([(old, new)])
    return new


def delete(parts: Parts, texts: Sequence[str], pipeline: str | None = None) -> list[Document]:
    """Take documents away, all or none. Raises NotFound, UsageError."""
    with parts.store.transaction(durable=True):
        found = [find(parts, text, pipeline) for text in dict.fromkeys(texts)]
        for item in found:
            parts.store.execute("delete_document", seq=item.seq)
    return found


def _said(old: Document, body: str, now: int) -> Document:
    """A document as somebody, who is no run, says it shall be."""
    revision = old.revision + 1
    return replace(old, body=body, revision=revision, said=revision, run=None, updated=now)


def declare(parts: Parts, pipeline: Pipeline, before: Pipeline | None) -> None:
    """Make the documents that a pipeline declares and those that its steps write; `before` is the version it replaces.

    What a run or somebody wrote stays; what holds what the version before declared gets its new value. Call inside a
    transaction.
    """
    written = (name for step in pipeline.steps for name in step.outputs_data)
    wanted = dict.fromkeys(written, (False, ""))
    wanted.update((item.name, (item.ephemeral, _initial(item.value, item.name))) for item in pipeline.data)
    if not wanted:
        return
    store, now, on = parts.store, parts.now(), pipeline.name
    was = {item.name: _initial(item.value, item.name) for item in before.data} if before else {}
    known = {item.name: item for item in store.load(Document, "named_documents", pipeline=on)}
    store.insert(
        Document(0, on, None, name, ephemeral, body, 1, None, 1, now, now)
        for name, (ephemeral, body) in wanted.items()
        if name not in known
    )
    declared = {item.name for item in pipeline.data}
    for old in known.values():
        if old.name in declared:
            ephemeral, body = wanted[old.name]
            untouched = old.run is None and old.body in ("", was.get(old.name, ""))
            new = replace(old, ephemeral=ephemeral)
            if untouched and body != old.body:
                new = _said(new, body, now)
            if new != old:
                store.update([(old, new)])


def _initial(value: Any, name: str) -> str:
    return "" if value is None else write_body(value, f"user data {name!r}")


def clear(parts: Parts, pipeline: Pipeline) -> None:
    """Empty what lives no longer than from one start of a pipeline to the next; what it declares comes back. Call
    inside a transaction.
    """
    store, now = parts.store, parts.now()
    store.execute("clear_ephemeral", pipeline=pipeline.name, now=now)
    again = {item.name: _initial(item.value, item.name) for item in pipeline.data if item.ephemeral}
    for name, body in again.items():
        found = store.load(Document, "document_named", pipeline=pipeline.name, name=name) if body else []
        store.update((old, replace(old, body=body, revision=old.revision + 1, updated=now)) for old in found)


def names_json(names: Sequence[str]) -> str:
    """Names as queries take them."""
    return json.dumps(list(names))
