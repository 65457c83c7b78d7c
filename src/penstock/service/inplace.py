"""Files in place and user data, as the tasks of a job find them: looked at once, when the job begins.

A job notes what it saw. Of a step that reuses results it counts in the fingerprints of its tasks, of each what that
task reads; its workers look again around every attempt.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from msgspec import Struct

from penstock.model import fingerprint
from penstock.model.inplace import State, States, is_pattern, made_by, mark, own_reads, owned, shared_reads
from penstock.model.run import Job, Place
from penstock.model.spec import Step
from penstock.model.wire import Looked
from penstock.objects.inplace import Contents, Look
from penstock.service.parts import Parts
from penstock.service.userdata.exchange import Exchange


class Beside(Struct, frozen=True):
    """What a job finds beside repos."""

    files: dict[str, States]  #: what is declared -> what there is of it
    data: str  #: what tells a restart that its user data is other data; "" for none
    given: str  #: what counts of its user data in a fingerprint; "" for nothing

    def noted(self) -> dict[str, Any]:
        """The same as a job's row keeps it, by kind; nothing for a job that has to do with neither."""
        found: dict[str, Any] = {}
        if self.files:
            found["files"] = {path: state for states in self.files.values() for path, state in states.items()}
            found["marks"] = {path: mark(states).hex() for path, states in self.files.items()}
        if self.data:
            found["data"] = self.data
        if self.given:
            found["given"] = self.given
        return found

    def counted(self, step: Step, known: bytes, params: Mapping[str, Any]) -> bytes:
        """The fingerprint of a task with these parameters that was `known` by all else."""
        reads = [*shared_reads(step), *own_reads(step, params)]
        return fingerprint.beside(known, [(file.path, mark(self.files[file.path])) for file in reads], self.given)


def beside(parts: Parts, exchange: Exchange, pipeline: str, step: Step) -> Beside | None:
    """What there is now for a step of a pipeline; None if it has to do with nothing of the kind."""
    data, given = exchange.mark(pipeline, step).hex(), exchange.given_mark(pipeline, step).hex()
    if not step.reads and not data and not given:
        return None
    contents = _contents(parts, pipeline, step, "reads")
    look = Look(str(parts.layout.root), contents, (file.path for file in step.outputs))
    found = Beside({file.path: look.states(file) for file in step.reads}, data, given)
    contents.save()
    return found


def looked(job: Job, step: Step, params: Mapping[str, Any] | None = None) -> tuple[Looked, ...]:
    """What the worker of a task with these parameters has to look at again that it alone reads; without parameters,
    what all tasks of the job read.
    """
    marks = job.parts.get("marks", {}) if step.reuse else {}
    reads = shared_reads(step) if params is None else own_reads(step, params)
    return tuple(Looked(file.path, file.hash, bytes.fromhex(marks[file.path])) for file in reads if file.path in marks)


def not_counted(job: Job, step: Step) -> tuple[str, ...]:
    """The files of a step that do not count in what it reads, as it makes them itself."""
    if not step.reads or not step.reuse:
        return ()
    wide = any(is_pattern(file.path) for file in step.reads)
    if not wide and not any(isinstance(state, str) and " " in state for state in job.parts.get("files", {}).values()):
        return ()
    return tuple(file.path for file in step.outputs)


def contents_file(parts: Parts, pipeline: str, step: Step) -> str:
    """Where workers read what the contents of the files were that a step reads."""
    return str(parts.layout.places / f"{pipeline}.{step.name}.reads")


def _contents(parts: Parts, pipeline: str, step: Step, what: str) -> Contents:
    parts.layout.places.mkdir(exist_ok=True)
    return Contents(parts.layout.places / f"{pipeline}.{step.name}.{what}")


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What is not as it was, in words."""
    words = {True: "is new", False: "changed"}
    said = [f"file {path} {words[path not in old]}" for path, state in new.items() if old.get(path) != state]
    return said + [f"file {path} is gone" for path in old if path not in new]


class Outputs:
    """The files that a step makes in place: what is known of them, and whether they are as a try left them."""

    def __init__(self, parts: Parts, pipeline: str, step: Step, apart: Iterable[str]) -> None:
        """`apart`: what other steps make below what this one makes."""
        self._step = step
        self._known = {row.path: row for row in parts.store.load(Place, "places", pipeline=pipeline, step=step.name)}
        self._contents = _contents(parts, pipeline, step, "makes")
        self._look = Look(str(parts.layout.root), self._contents, apart)
        self._hashed = {file.path: file.hash for file in step.outputs}
        self._owned = owned(step)
        self.shared = [file.path for file in step.outputs if file.path not in self._owned]

    def own_kept(self, known: bytes, params: Mapping[str, Any]) -> bool:
        """Whether what a task with these parameters makes alone is there as one left it that is `known` so."""
        mine = (path for path in made_by(self._step, params) if path in self._owned)
        return all(self.trouble(path, known.hex()) is None for path in mine)

    def shared_kept(self, whole: str) -> bool:
        """Whether what tasks share is there as those left it that were this `whole`."""
        return all(self.trouble(path, whole) is None for path in self.shared)

    def changed(self) -> list[str]:
        """What is not as a good try left it, a few in words."""
        return list(islice((why for path in self._hashed if (why := self.trouble(path)) is not None), 3))

    def trouble(self, path: str, mark: str | None = None) -> str | None:
        """Why a file is not as a good try left it, one of this mark if it is named; None if it is."""
        known, state = self._known.get(path), self.state(path)
        if state is None:
            return f"its output {path} is missing"
        if known is None or not known.good or mark not in (None, known.mark) or known.state != state:
            return f"its output {path} is not as it was left"
        return None

    def state(self, path: str) -> State | None:
        """What there is of one of the files."""
        return self._look.state(path, self._hashed[path])

    def close(self) -> None:
        """Keep what was read."""
        self._contents.save()


def whole_of(marks: Iterable[tuple[str, bytes]]) -> str:
    """What stands for all tasks of a job: their keys and fingerprints."""
    return fingerprint.digest("whole/1", sorted(marks)).hex()


def stale(parts: Parts, job: Job, step: Step, params: Mapping[str, Any]) -> dict[str, State | None]:
    """What a try of a task removes before it begins: files that it alone makes, if its newest try did not succeed, as
    that left them (None: nobody knows how). Never one that may persist, nor what a checkpoint may be.
    """
    if not step.outputs or step.supports_termination:
        return {}
    persist = {file.path for file in step.outputs if file.persist}
    mine = [path for path in made_by(step, params) if path in parts.owned(job) and path not in persist]
    rows = parts.store.load(Place, "places_of", pipeline=job.pipeline, step=step.name, paths=json.dumps(mine))
    return {row.path: row.state for row in rows if not row.good}
