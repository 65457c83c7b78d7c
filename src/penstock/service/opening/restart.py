"""Restart: a new run of a pipeline that keeps what is good and does the rest.

What is good are plain steps whose newest job succeeded, whose definition, files in place and user data are as that job
found them, whose outputs are there, and that wait for nothing that runs again. Their jobs are copied into the new run
in one statement. What changed in linked directories is committed first, as a run does. A step that publishes runs if
it, or what it reads, changed; its good tasks are reused by fingerprint.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from itertools import chain

from msgspec import Struct
from msgspec.structs import replace

from penstock.engine.explain import differences
from penstock.engine.graph import Arrow, Node, emptied
from penstock.model.cycles import rarely_looked_for
from penstock.model.errors import Refused
from penstock.model.inplace import apart
from penstock.model.moves import JobState, Outcome
from penstock.model.run import Job, Run
from penstock.model.spec import Pipeline, Step
from penstock.model.words import job_word
from penstock.objects.blobs import Pages
from penstock.service import inplace, resolve
from penstock.service.bindings.opened import Holding
from penstock.service.bindings.recipes import code_of, counts_code, recipe_of
from penstock.service.opening import marks, wanted
from penstock.service.opening.able import check_able
from penstock.service.opening.begin import apply
from penstock.service.opening.drafts import UNDONE, give_up_draft
from penstock.service.opening.firing import Heads
from penstock.service.opening.freeze import Frozen, link_drafts
from penstock.service.opening.launch import Draft, Opening, add, advance, opened_by
from penstock.service.opening.links import fresh
from penstock.service.opening.wanted import Standing
from penstock.service.parts import Parts
from penstock.service.role import check_outside
from penstock.service.userdata.documents import pipeline_named, step_named
from penstock.service.userdata.exchange import Exchange


class Restart(Struct, frozen=True):
    """What a restart would do: the steps that run again, in order, each with why, and the jobs that are kept."""

    pipeline: str
    again: dict[str, str]
    kept: list[Job]
    rest_of: dict[Node, Job] = {}  #: those of `again` of which only the tasks run that did not succeed
    beside: Standing | None = None  #: what unfinished runs do


def in_force(parts: Parts, pipeline: str | None) -> Frozen:
    """A pipeline as it was applied last (None: the only one there is). Raises NotFound, UsageError."""
    name = pipeline_named(parts, pipeline)
    number, spec = parts.pipelines()[name]
    version = parts.version(name, number)
    return Frozen(spec, version.spec, version.code, version.file, version, ())


class _Rehearsed(Exception):
    """Nothing of it was meant."""


def look(parts: Parts, now: Frozen, *, failed_only: bool = False, force: Collection[str] = ()) -> Restart:
    """What a restart would do with a pipeline; with `failed_only` nothing counts but how jobs ended. Steps of `force`
    run in any case. Raises NotFound for one that is none.
    """
    with parts.objects.session():
        drafts = [] if failed_only else link_drafts(parts, now.pipeline.repos)
        with suppress(_Rehearsed), parts.store.transaction():
            apply(parts, now)
            found = _look(parts, now, failed_only, force, drafts)
            raise _Rehearsed
    return found


@rarely_looked_for()
def _look(parts: Parts, now: Frozen, failed_only: bool, force: Collection[str], drafts: Collection[Draft]) -> Restart:
    """The same for a version that is in force. `drafts`: what changed in linked directories."""
    spec, name = now.pipeline, now.pipeline.name
    jobs = {job.step: job for job in parts.store.load(Job, "newest_of_steps", pipeline=name)}
    for step in force:
        step_named(parts, name, step)
        if spec.step(step).reuse:
            raise Refused(
                f"step {step!r} reuses what it did before; `penstock pipeline create --reprocess` makes all of the "
                "pipeline run again, and `penstock verify` runs tasks again to compare"
            )
    every = {(name, step.name) for step in spec.steps}
    heads = {(draft.repo, draft.branch): "" for draft in drafts}
    standing = wanted.look(parts, every, parts.pipelines(), _params(parts, name), heads)
    why = _Why(parts, now, jobs, failed_only, heads)
    passed = parts.disabled() | {node for node, job in standing.wanted.items() if job.state != JobState.DONE}
    reasons = {
        step.name: reason
        for step in spec.steps
        if (name, step.name) not in passed and (reason := why.of(step)) is not None
    }
    reasons |= dict.fromkeys(force, "it is asked for by name")
    rest_of = {(name, step): jobs[step] for step in reasons if step not in force and why.by_task(spec.step(step))}
    while True:
        edges, order = opened_by(parts, [spec], {(name, step) for step in reasons})
        again = _spread(reasons, edges, order, {step.name for step in spec.steps if step.reuse})
        more = emptied(spec, again)
        if not more:
            break
        reasons |= more
    done = {step: job for step, job in jobs.items() if job.state == JobState.DONE}
    kept = [done[step.name] for step in spec.steps if step.name in done and _may_be_kept(step, again)]
    return Restart(name, again, kept, rest_of, standing)


@rarely_looked_for()
def restart(parts: Parts, now: Frozen, *, failed_only: bool = False, force: Collection[str] = ()) -> Run | None:
    """Apply a pipeline if it differs, and open the run, or go on with an unfinished one that does all; None if nothing
    has to run again. Raises BadSpec.
    """
    check_outside(parts.layout.id)
    check_able(now.pipeline)
    with parts.objects.session():
        drafts = [] if failed_only else link_drafts(parts, now.pipeline.repos)
        return _restart(parts, now, failed_only, force, drafts)


def _restart(
    parts: Parts, now: Frozen, failed_only: bool, force: Collection[str], drafts: Collection[Draft]
) -> Run | None:
    name = now.pipeline.name
    with parts.store.transaction(durable=True):
        drafts = [new for draft in drafts if (new := fresh(parts, draft)) is not None]
        version = apply(parts, now)
        found = _look(parts, now, failed_only, force, drafts)
        standing = found.beside
        assert standing is not None  # as of all that is looked at
        going_on = standing.going_on
        if not found.again and not drafts:
            return going_on[-1] if going_on else None
        wanted.end(parts, standing.given_up(driven=True), standing)
        give_up_draft(parts, name)
        params = _params(parts, name)
        beside = {node: job for node, job in standing.wanted.items() if job.state != JobState.DONE}
        opening = Opening(UNDONE, name, version.number, params, rest_of=found.rest_of, beside=beside)
        seeds = {(name, step) for step in found.again}
        new_id = parts.new_id()
        add(parts, drafts, new_id)
        heads = {(draft.repo, draft.branch): new_id for draft in drafts}
        run = advance(parts, heads, new_id, opening=opening, seeds=seeds, in_force=parts.pipelines())
        if run is not None:  # else nobody reads what changed
            _keep(parts, run, found.kept)
    return run


def _params(parts: Parts, name: str) -> dict[str, object]:
    """What the last run of a pipeline was given."""
    before = next(iter(parts.store.load(Run, "runs_of", pipeline=name, before=1 << 62, limit=1)), None)
    return before.params if before else {}


def _keep(parts: Parts, run: Run, jobs: list[Job]) -> None:
    """Take jobs over into a run as they are. Call inside a transaction."""
    if jobs:
        first = parts.store.reserve(Job, len(jobs))
        seqs = json.dumps([job.seq for job in jobs])
        parts.store.execute("keep_jobs", jobs=seqs, run=run.id, first=first, now=run.created)


class _Why:
    """Why steps run again."""

    def __init__(self, parts: Parts, now: Frozen, jobs: Mapping[str, Job], failed_only: bool, heads: Heads) -> None:
        self._parts = parts
        self._now = now
        self._jobs = jobs
        self._failed_only = failed_only
        self._heads = heads  #: branches that linked directories move on
        self._exchange = Exchange(parts)
        self._pages = Pages(parts.objects.blobs, None)
        self._holding = Holding(self._pages, now.code)

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
        why = (self._beside(step, job), self._changes(step, job), self._inputs(step, job))
        return next(chain.from_iterable(why), None)

    def by_task(self, step: Step) -> bool:
        """Whether the good tasks of a plain step that did not succeed stay good: nothing that they share changed."""
        job = self._jobs.get(step.name)
        if job is None or step.reuse or job.state != JobState.DONE or not job.expanded:
            return False
        if self._failed_only:
            return True
        shared = replace(step, outputs=()) if step.makes else step
        return next(self._beside(shared, job), None) is None and next(self._changes(step, job), None) is None

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
        """What is defined otherwise, and what a task opened that is not as it was."""
        spec, applied = self._now.pipeline, self._now.version
        if applied is None or job.version != applied.number:
            then = self._parts.version(job.pipeline, job.version)
            before = self._recipe(self._parts.pipeline(job.pipeline, job.version), step.name, then.code)
            yield from differences(before, self._recipe(spec, step.name, self._now.code))
            if not self._holding.holds(job.reading):
                yield "code that its tasks opened changed"

    def _inputs(self, step: Step, job: Job) -> Iterator[str]:
        """Data that is not what its job read."""
        for leaf, item in zip(step.input.leaves() if step.input else (), job.inputs, strict=False):
            head = resolve.branch(self._parts, leaf.repo, leaf.branch)
            if (leaf.repo, leaf.branch) in self._heads or (head.head if head else None) != item.commit:
                yield f"input {leaf.repo} changed"

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
