"""Restart: a new run of a pipeline that keeps what is good and does the rest.

What is good are plain steps whose newest job succeeded, whose definition, files in place and user data are as that job
found them, whose outputs are there, and that wait for nothing that runs again. Their jobs are copied into the new run
in one statement. Steps that publish need none of this: their tasks are reused by fingerprint whenever they run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping

from msgspec import Struct

from penstock.engine.explain import differences
from penstock.engine.graph import Arrow, Node, emptied
from penstock.model.cycles import rarely_looked_for
from penstock.model.inplace import apart
from penstock.model.moves import Outcome
from penstock.model.run import Job, Run
from penstock.model.spec import Pipeline, Step
from penstock.model.words import job_word
from penstock.objects.blobs import Pages
from penstock.service import inplace
from penstock.service.bindings.recipes import code_of, counts_code, recipe_of
from penstock.service.opening import marks
from penstock.service.opening.able import check_able
from penstock.service.opening.begin import apply
from penstock.service.opening.drafts import UNDONE, check_idle, give_up_draft
from penstock.service.opening.freeze import Frozen
from penstock.service.opening.launch import Opening, advance, opened_by
from penstock.service.parts import Parts
from penstock.service.role import check_outside
from penstock.service.userdata.documents import pipeline_named
from penstock.service.userdata.exchange import Exchange


class Restart(Struct, frozen=True):
    """What a restart would do: the steps that run again, in order, each with why, and the jobs that are kept."""

    pipeline: str
    again: dict[str, str]
    kept: list[Job]


def in_force(parts: Parts, pipeline: str | None) -> Frozen:
    """A pipeline as it was applied last (None: the only one there is). Raises NotFound, UsageError."""
    name = pipeline_named(parts, pipeline)
    number, spec = parts.pipelines()[name]
    version = parts.version(name, number)
    return Frozen(spec, version.spec, version.code, version.file, version, ())


@rarely_looked_for()
def look(parts: Parts, now: Frozen, *, failed_only: bool = False) -> Restart:
    """What a restart would do with a pipeline; with `failed_only` nothing counts but how jobs ended."""
    spec, name = now.pipeline, now.pipeline.name
    jobs = {job.step: job for job in parts.store.load(Job, "newest_of_steps", pipeline=name)}
    why = _Why(parts, now, jobs, failed_only)
    disabled = parts.disabled()
    reasons = {
        step.name: reason
        for step in spec.steps
        if (name, step.name) not in disabled and (reason := why.of(step)) is not None
    }
    while True:
        edges, order = opened_by(parts, [spec], {(name, step) for step in reasons})
        again = _spread(reasons, edges, order, {step.name for step in spec.steps if step.reuse})
        more = emptied(spec, again)
        if not more:
            break
        reasons |= more
    kept = [jobs[step.name] for step in spec.steps if step.name in jobs and _may_be_kept(step, again)]
    return Restart(name, again, kept)


@rarely_looked_for()
def restart(parts: Parts, now: Frozen, *, failed_only: bool = False) -> Run | None:
    """Apply a pipeline if it differs, and open the run; None if nothing has to run again.

    Raises BadSpec, and Refused while a run of it is not done.
    """
    check_outside(parts.layout.id)
    check_able(now.pipeline)
    name = now.pipeline.name
    with parts.store.transaction(durable=True):
        check_idle(parts, name)
        found = look(parts, now, failed_only=failed_only)
        version = apply(parts, now)
        if not found.again:
            return None
        give_up_draft(parts, name)
        before = next(iter(parts.store.load(Run, "runs_of", pipeline=name, before=1 << 62, limit=1)), None)
        opening = Opening(UNDONE, name, version.number, before.params if before else {})
        seeds = {(name, step) for step in found.again}
        run = advance(parts, {}, parts.new_id(), opening=opening, seeds=seeds, in_force=parts.pipelines())
        assert run is not None  # there are steps to run, and they are not disabled
        _keep(parts, run, found.kept)
    return run


def _keep(parts: Parts, run: Run, jobs: list[Job]) -> None:
    """Take jobs over into a run as they are. Call inside a transaction."""
    if jobs:
        first = parts.store.reserve(Job, len(jobs))
        seqs = json.dumps([job.seq for job in jobs])
        parts.store.execute("keep_jobs", jobs=seqs, run=run.id, first=first, now=run.created)


class _Why:
    """Why steps run again."""

    def __init__(self, parts: Parts, now: Frozen, jobs: Mapping[str, Job], failed_only: bool) -> None:
        self._parts = parts
        self._now = now
        self._jobs = jobs
        self._failed_only = failed_only
        self._exchange = Exchange(parts)
        self._pages = Pages(parts.objects.blobs, None)

    def of(self, step: Step) -> str | None:
        """Why a step runs again for its own sake; None if it need not."""
        job = self._jobs.get(step.name)
        if job is None:
            return "it has not run"
        if job.outcome != Outcome.SUCCEEDED or job.recovered:
            word = job_word(job.state, job.outcome, job.reason, job.reached, job.hold)
            return f"it did not succeed: {word}" + (f", {job.message}" if job.message else "")
        if self._failed_only:
            return None
        return next(self._beside(step, job), None) or next(self._changes(step, job), None)

    def _beside(self, step: Step, job: Job) -> Iterator[str]:
        """What is not as its job left it and found it in place."""
        if step.outputs and step.reuse:
            outputs = inplace.Outputs(self._parts, job.pipeline, step, apart(self._now.pipeline, step))
            yield from (why for file in step.outputs if (why := outputs.trouble(file.path)) is not None)
            outputs.close()
        else:
            missing = (file.path for file in step.outputs if not os.path.lexists(self._parts.layout.root / file.path))
            yield from (f"its output {path} is missing" for path in missing)
        yield from marks.changed(job.parts, marks.noted(self._parts, self._exchange, job.pipeline, step))

    def _changes(self, step: Step, job: Job) -> Iterator[str]:
        """What is defined otherwise. Steps that publish are asked that by every run."""
        spec, applied = self._now.pipeline, self._now.version
        if step.publishes:
            return
        if applied is None or job.version != applied.number:
            then = self._parts.version(job.pipeline, job.version)
            before = self._recipe(self._parts.pipeline(job.pipeline, job.version), step.name, then.code)
            yield from differences(before, self._recipe(spec, step.name, self._now.code))

    def _recipe(self, spec: Pipeline, name: str, code: bytes) -> Mapping[str, object]:
        step = spec.step(name)
        files = code_of(self._pages, step, code) if counts_code(step) else []
        return recipe_of(step, {**spec.params, **step.params}, files, "").parts


def _spread(
    reasons: Mapping[str, str], edges: list[Arrow], order: list[Node], reusing: Collection[str]
) -> dict[str, str]:
    """All that runs again: with a step all that waits for it, in whichever pipeline."""
    found: dict[str, str] = {}
    waits: dict[str, list[str]] = {}
    for edge in edges:
        waits.setdefault(edge.node[1], []).append(edge.upstream[1])
    for _, step in order:
        before = next((name for name in waits.get(step, ()) if name in found), "")
        may = "; its results may be used again" if step in reusing else ""
        found[step] = reasons.get(step) or f"it waits for {before}, which runs again{may}"
    return found


def _may_be_kept(step: Step, again: Mapping[str, str]) -> bool:
    return not step.publishes and step.name not in again
