"""The integers by which Torc knows workflows and jobs, and what they stand for."""

from __future__ import annotations

import json
from collections.abc import Mapping

from msgspec import Struct

from penstock.compat.torc.words import job_status
from penstock.model.errors import NotFound, UsageError
from penstock.model.moves import RunState
from penstock.model.run import Job, Run
from penstock.model.spec import Pipeline, Step
from penstock.service.opening.drafts import draft_of, steps_of
from penstock.service.parts import Parts
from penstock.service.resolve import suggestion


class Workflow(Struct, frozen=True):
    """A pipeline in force, with its keys."""

    name: str
    version: int
    spec: Pipeline
    key: int
    keys: Mapping[str, int]  #: step -> key


def workflow(parts: Parts, text: str | None) -> Workflow:
    """A workflow by its key or its name; None: the only one. Raises NotFound, UsageError."""
    if text is not None and text.isascii() and text.isdigit():
        found = _numbered(parts, text)
        if found is None or found[1] is not None:
            raise NotFound(f"there is no workflow with the key {text}; see `penstock torc workflows list`")
        text = found[0]
    name = _named(parts, text)
    version, spec = parts.pipelines()[name]
    keys = {row["step"]: row["seq"] for row in parts.store.fetch("numbers_of", pipeline=name)}
    wanted = [None, *(step.name for step in spec.steps)]
    if any(step not in keys for step in wanted):
        # It was applied by an earlier Penstock.
        with parts.store.transaction(durable=True):
            parts.store.execute("give_numbers", pipeline=name, steps=json.dumps(wanted))
        keys = {row["step"]: row["seq"] for row in parts.store.fetch("numbers_of", pipeline=name)}
    return Workflow(name, version, spec, keys.pop(None), keys)


def _named(parts: Parts, text: str | None) -> str:
    known: list[str] = [row["name"] for row in parts.store.fetch("pipelines")]
    if not known:
        raise NotFound("there is no workflow yet; `torc workflows create-from-json-file FILE` makes one")
    if text is None and len(known) > 1:
        raise UsageError(f"there are {len(known)} workflows ({', '.join(known[:5])}); say which: torc -k KEY")
    if text is not None and text not in known:
        raise NotFound(f"there is no workflow {text!r}{suggestion(text, known)}")
    return known[0] if text is None else text


def job(parts: Parts, text: str, within: str | None) -> tuple[Workflow, Step]:
    """A job by its key, or by its name in a workflow (its key or name). Raises NotFound, UsageError."""
    if text.isascii() and text.isdigit():
        found = _numbered(parts, text)
        if found is None or found[1] is None:
            raise NotFound(f"there is no job with the key {text}; see `penstock torc jobs list`")
        within, text = found[0], found[1]
    flow = workflow(parts, within)
    if text not in {step.name for step in flow.spec.steps}:
        raise NotFound(f"workflow {flow.name!r} has no job {text!r}{suggestion(text, flow.keys)}")
    return flow, flow.spec.step(text)


def _numbered(parts: Parts, text: str) -> tuple[str, str | None] | None:
    if len(text) > 18:
        raise UsageError(f"{text[:18]}…: is no key")
    found = parts.store.fetch("numbered", seq=int(text))
    return (found[0]["pipeline"], found[0]["step"]) if found else None


class Standing(Struct, frozen=True):
    """How the steps of a workflow stand: their statuses, their newest jobs, and the newest run that was started."""

    statuses: Mapping[str, str]  #: step -> status, in the order of the pipeline
    jobs: Mapping[str, Job]
    run: Run | None


def standing(parts: Parts, flow: Workflow) -> Standing:
    """A step that the newest run does not have stands as it did in the last one that has it."""
    jobs = {item.step: item for item in parts.store.load(Job, "newest_of_steps", pipeline=flow.name)}
    draft = draft_of(parts, flow.name)
    reset = set(steps_of(parts, draft)) if draft is not None else set()
    disabled = {step for pipe, step in parts.disabled() if pipe == flow.name}
    statuses = {}
    for step in flow.spec.steps:
        newest, off = jobs.get(step.name), step.name in disabled
        if newest is None or step.name in reset:
            statuses[step.name] = job_status(None, disabled=off)
        else:
            statuses[step.name] = job_status(
                newest.state, newest.outcome, newest.reason, newest.reached, newest.waits, off
            )
    runs = parts.store.load(Run, "runs_of", pipeline=flow.name, before=1 << 62, limit=2)
    return Standing(statuses, jobs, next((run for run in runs if run.state != RunState.DRAFT), None))
