"""What a binding read: which commit of which repo, and what of it."""

from __future__ import annotations

from penstock.model.run import Job, JobInput, Task
from penstock.model.wire import Input
from penstock.service.bindings.recipes import by_name
from penstock.service.bindings.work import decode_inputs, expansion_of
from penstock.service.parts import Parts

#: Which commit, and the path in it of a file, a directory or the whole ("").
Read = tuple[JobInput, str]


class Reader:
    """What the bindings of a job read. Raises NotFound if what the job read is gone."""

    def __init__(self, parts: Parts, job: Job) -> None:
        self._parts = parts
        self._sources = by_name(parts.step(job), job.inputs)
        self._expansion = expansion_of(parts, parts.objects.pages, job)

    def read(self, key: str, mark: bytes) -> list[Read]:
        """What a binding read, whose fingerprint is `mark`: a reference as it was when the result was made. What
        stands there now may be newer, and then no task saw it.
        """
        binding = self._expansion.find(tuple(key.split("\n")))
        inputs = binding.inputs if binding else ()
        then = {} if all(item.counts for item in inputs) else self._references(mark)
        return [(then.get((item.name, item.path)) or self._sources[item.name][item.nth], item.path) for item in inputs]

    def _references(self, mark: bytes) -> dict[tuple[str, str], JobInput]:
        made = self._parts.store.load(Task, "success", fingerprint=mark)
        found = [(item, source) for task in made for item, source in _given(self._parts, task)]
        return {(item.name, item.path): source for item, source in found if not item.counts}


def read_then(parts: Parts, job: Job, made: Task) -> list[Read]:
    """What a binding of a job read, by what the task that made its result was given: no tree is looked at. Of what
    counts the job's own commits hold the same, so they are named.
    """
    own = by_name(parts.step(job), job.inputs)
    found = []
    for item, then in _given(parts, made):
        same = (source for source in own.get(item.name, ()) if item.counts and source.repo == then.repo)
        found.append((next(same, then), item.path))
    return found


def _given(parts: Parts, made: Task) -> list[tuple[Input, JobInput]]:
    """The inputs of a task, and where its job found each."""
    (job,) = parts.store.load(Job, "job", seq=made.job)
    sources = by_name(parts.step(job), job.inputs)
    return [(item, sources[item.name][item.nth]) for item in decode_inputs(made.inputs)]
