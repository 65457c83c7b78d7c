"""Runs that are written down and not started.

A draft is one row without jobs: what it will work on is found when it starts, of the version in force and at the heads
as they are then.
"""

from __future__ import annotations

from msgspec import Struct

from penstock.engine.graph import Node, arrows, wave
from penstock.model.errors import Refused
from penstock.model.moves import Outcome, RunState
from penstock.model.run import Event, Job, Run
from penstock.service.opening.disabling import all_disabled
from penstock.service.opening.launch import Opening, advance, next_number
from penstock.service.parts import Parts
from penstock.service.userdata.documents import pipeline_named

#: The origin of a draft over everything, and of one over what did not succeed.
EVERYTHING, UNDONE = "run", "retry"


class Drafted(Struct, frozen=True):
    """A draft, and the steps that it would work on now."""

    run: Run
    steps: tuple[str, ...]


def draft(parts: Parts, pipeline: str, *, failed_only: bool = False) -> Drafted:
    """Write down the next run of a pipeline, in place of a draft that is there. With `failed_only` it is over what did
    not succeed and all downstream. Raises NotFound, Refused while a run of the pipeline is not done.
    """
    with parts.store.transaction(durable=True):
        name = pipeline_named(parts, pipeline)
        check_idle(parts, name)
        give_up_draft(parts, name)
        run = _drafted(parts, name, UNDONE if failed_only else EVERYTHING)
        steps = steps_of(parts, run)
        if not steps:
            raise Refused(f"there is nothing in pipeline {name!r} that did not succeed; nothing was reset")
        parts.store.insert([run, Event(run.created, "run.draft", run.id, run.id, {"origin": run.origin})])
    return Drafted(run, steps)


def _drafted(parts: Parts, name: str, origin: str) -> Run:
    return Run(
        seq=0,
        id=parts.new_id(),
        project=parts.project,
        owner=parts.owner,
        pipeline=name,
        version=parts.store.fetch("pipeline", name=name)[0]["version"],
        params={},
        origin=origin,
        created=parts.now(),
        state=RunState.DRAFT,
        number=next_number(parts, name),
    )


def draft_of(parts: Parts, pipeline: str) -> Run | None:
    """The draft of a pipeline."""
    found = parts.store.load(Run, "draft", pipeline=pipeline)
    return found[0] if found else None


def steps_of(parts: Parts, run: Run) -> tuple[str, ...]:
    """The steps that a draft would work on, but for disabled ones."""
    assert run.pipeline is not None
    spec = parts.pipelines()[run.pipeline][1]
    if run.origin == EVERYTHING:
        return tuple(step.name for step in spec.steps)
    jobs = parts.store.load(Job, "newest_of_steps", pipeline=run.pipeline)
    good = {job.step for job in jobs if job.outcome == Outcome.SUCCEEDED and not job.recovered}
    bad = {(spec.name, step.name) for step in spec.steps if step.name not in good} - parts.disabled()
    return tuple(step for pipe, step in wave(bad, arrows([spec])) if pipe == spec.name)


def start(parts: Parts, pipeline: str) -> Run:
    """Start the draft of a pipeline. Raises NotFound, Refused where there is none or nothing in it is left."""
    with parts.store.transaction(durable=True):
        name = pipeline_named(parts, pipeline)
        found = draft_of(parts, name)
        if found is None:
            raise Refused(f"pipeline {name!r} has no run that waits to be started")
        seeds: set[Node] = {(name, step) for step in steps_of(parts, found)}
        give_up_draft(parts, name)
        in_force = parts.pipelines()
        opening = Opening(found.origin, name, in_force[name][0], found.params)
        run = advance(parts, {}, found.id, opening=opening, seeds=seeds, in_force=in_force)
        if run is None:
            raise Refused(all_disabled(name))
    return run


def give_up_draft(parts: Parts, pipeline: str) -> None:
    """Take away the draft of a pipeline, if there is one; its number is free again. Call inside a transaction."""
    found = draft_of(parts, pipeline)
    if found is not None:
        parts.store.execute("forget_events", run=found.id)
        parts.store.execute("forget_run", run=found.id)


def check_idle(parts: Parts, pipeline: str) -> None:
    """Raise Refused while a run of a pipeline is not done."""
    active = [run for run in parts.store.load(Run, "active_runs") if run.pipeline == pipeline]
    if active:
        raise Refused(
            f"run {active[0].id} of pipeline {pipeline!r} is not done; wait for it, or "
            f"`penstock stop {active[0].id[:12]}`"
        )
