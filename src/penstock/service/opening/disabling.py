"""Steps that runs pass by."""

from __future__ import annotations

from penstock.model.errors import Refused
from penstock.model.moves import JobState
from penstock.model.run import Job
from penstock.service.parts import Parts
from penstock.service.userdata.documents import pipeline_named, step_named


def disable(parts: Parts, step: str, pipeline: str | None = None) -> str:
    """Let runs pass by a step from now on: what is behind it does not wait for it. Its pipeline's name.

    Raises NotFound, UsageError, Refused while a job of it is not done.
    """
    with parts.store.transaction(durable=True):
        name = pipeline_named(parts, pipeline)
        step_named(parts, name, step)
        newest = parts.store.load(Job, "jobs_of_step", step=step, pipeline=name, before=1 << 62, limit=1)
        if newest and newest[0].state != JobState.DONE:
            raise Refused(f"{newest[0].id} is not done; `penstock stop {newest[0].id}` ends it")
        parts.store.execute("disable", pipeline=name, step=step)
    return name


def enable(parts: Parts, step: str, pipeline: str | None = None) -> str:
    """Let runs have a disabled step again. Its pipeline's name. Raises NotFound, UsageError."""
    with parts.store.transaction(durable=True):
        name = pipeline_named(parts, pipeline)
        step_named(parts, name, step)
        parts.store.execute("enable", pipeline=name, step=step)
    return name


def all_disabled(pipeline: str) -> str:
    return f"every step of pipeline {pipeline!r} is disabled; `penstock pipeline enable` lets runs have them again"
