"""What tasks are given of user data, and what becomes of what they leave."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from penstock.engine.world import World
from penstock.model.data import EMPTY
from penstock.model.documents import NEW, read_body, write_body
from penstock.model.errors import PenstockError
from penstock.model.facts import Fact, Reported
from penstock.model.moves import Outcome, Reason
from penstock.model.run import Document, Job
from penstock.model.spec import Step
from penstock.model.wire import Result
from penstock.service.parts import Parts
from penstock.service.userdata.documents import names_json
from penstock.store.base import Change


class Exchange:
    """Documents on their way to tasks and back, for the time of an engine or of a question.

    Nothing is asked for steps on which no document hangs and that name none. What `taken` answered is known here until
    `stored` says that it is in the store; `forget` says that somebody else wrote.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._holders: set[tuple[str, str]] | None = None
        self._newer: dict[int, Document] = {}

    def forget(self) -> None:
        """Ask anew: rows changed under this, or what was taken was not stored."""
        self._holders = None
        self._newer = {}

    def stored(self) -> None:
        """What was taken is in the store."""
        self._newer.clear()

    def given(self, job: Job, step: Step) -> dict[str, Any]:
        """What a task of a job finds: the documents that hang on its step and those it names in `inputs_data`, by name
        or else by key. Those that hold nothing yet are left out.
        """
        found = self._of(job.pipeline, step, step.inputs_data)
        mine = (item for item in found if item.step == step.name or item.name in step.inputs_data)
        return {_file(item): read_body(item.body) for item in mine if item.body}

    def concerns(self, job: Job, step: Step) -> bool:
        """Whether a step has to do with user data: some hangs on it, or it names some."""
        return bool(step.outputs_data or self._of(job.pipeline, step, step.inputs_data))

    def mark(self, pipeline: str, step: Step) -> bytes:
        """What tells a restart that what a step is given has changed; empty if it is given nothing.

        Of what the step itself writes counts only what somebody else said; what is emptied at each start does not.
        """
        known = self._of(pipeline, step, step.inputs_data)
        if not known:
            return b""
        hashed = hashlib.blake2b(digest_size=16)
        for item in known:
            if not item.ephemeral:
                own = item.step == step.name or item.name in step.outputs_data
                hashed.update(f"{item.seq}:{item.said if own else item.body}\0".encode())
        return hashed.digest()

    def given_mark(self, pipeline: str, step: Step) -> bytes:
        """What counts in a fingerprint of what a step that reuses results is given; empty if it is given nothing. Of
        what it writes itself counts only what somebody else said.
        """
        known = self._of(pipeline, step, step.inputs_data) if step.reuse else []
        hashed = hashlib.blake2b(digest_size=16)
        for item in known:
            own = item.step == step.name or item.name in step.outputs_data
            hashed.update(f"{_file(item)}:{item.said if own else item.body}\0".encode())
        return hashed.digest() if known else b""

    def checked(self, job: Job, step: Step, result: Result) -> Result:
        """A result as it counts: one that wrote what its step may not write failed, and leaves no user data."""
        if not result.data:
            return result
        why = self._refusal(job, step, result.data)
        if why is None:
            return result
        return replace(
            result, outcome=Outcome.FAILED, reason=Reason.OUTPUT, message=why, output=EMPTY, files=0, data={}
        )

    def taken(self, job: Job, step: Step, number: int | None, data: Mapping[str, Any]) -> list[Change]:
        """The rows that what a task left (as `checked`) changes, to be stored with its end; it may have ended badly:
        what one that had to leave wrote down is for the next. `number` is that of its run. What somebody deleted in
        this moment stays deleted.
        """
        if not data:
            return []
        now, changes = self._parts.now(), list[Change]()
        mine = self._writable(job, step)
        for name, value in data.items():
            body = write_body(value, name)
            if NEW.fullmatch(name):
                changes.append((None, Document(0, job.pipeline, step.name, "", False, body, 1, number, 0, now, now)))
                self._holders = None
            elif name in mine:
                old = mine[name]
                new = replace(old, body=body, revision=old.revision + 1, run=number, updated=now)
                changes.append((old, new))
                self._newer[new.seq] = new
        return changes

    def left(self, world: World, facts: Iterable[Fact]) -> list[Change]:
        """The rows that are changed by what reported attempts left, of those that are still theirs to report."""
        changes: list[Change] = []
        for fact in facts:
            for seq, result in fact.results if isinstance(fact, Reported) else ():
                attempt = world.attempts.get(seq)
                if result.data and attempt is not None and attempt.token == result.token:
                    job = world.jobs[world.tasks[seq].job]
                    changes += self.taken(job, world.step(job), world.runs[job.run].number, result.data)
        return changes

    def _refusal(self, job: Job, step: Step, data: Mapping[str, Any]) -> str | None:
        mine = self._writable(job, step)
        for name, value in data.items():
            if name not in mine and not NEW.fullmatch(name):
                if name in step.outputs_data:
                    return (
                        f"user data {name!r}, which it wrote, was deleted; `penstock data add --name {name}` makes it"
                    )
                return f"it wrote user data {name!r}, which step {step.name!r} may not; name it in its `outputs_data`"
            try:
                write_body(value, f"user data {name!r}")
            except PenstockError as error:
                return str(error)
        return None

    def _writable(self, job: Job, step: Step) -> dict[str, Document]:
        found = self._of(job.pipeline, step, step.outputs_data)
        return {_file(item): item for item in found if item.step == step.name or item.name in step.outputs_data}

    def _of(self, pipeline: str, step: Step, names: tuple[str, ...]) -> list[Document]:
        """The documents of a step and those of some names, by key."""
        store = self._parts.store
        if self._holders is None:
            self._holders = {(row["pipeline"], row["step"]) for row in store.fetch("document_holders")}
        if not names and (pipeline, step.name) not in self._holders:
            return []
        rows = store.load(Document, "documents_for", pipeline=pipeline, step=step.name, names=names_json(names))
        known = {item.seq: item for item in rows}
        known.update(_fitting(self._newer.values(), pipeline, step.name, names))
        return [known[seq] for seq in sorted(known)]


def _fitting(rows: Iterable[Document], pipeline: str, step: str, names: tuple[str, ...]) -> dict[int, Document]:
    return {row.seq: row for row in rows if row.pipeline == pipeline and (row.step == step or row.name in names)}


def _file(item: Document) -> str:
    """What a document's file is called in a task, without `.json`."""
    return item.name or str(item.seq)
