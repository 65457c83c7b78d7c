"""Pipelines that no file of the project says: put in force with one run over them, run again, stopped, started.

A stopped pipeline stays in force and keeps its repos; commits open no jobs of it. When it is started, one job of each
step catches up with the heads.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress

from msgspec import Struct

from penstock.model.errors import AlreadyExists, NotFound, Refused
from penstock.model.moves import JobState, Reason
from penstock.model.run import Job, Run, Version
from penstock.model.spec import Pipeline
from penstock.service.opening import wanted
from penstock.service.opening.able import check_able
from penstock.service.opening.begin import apply
from penstock.service.opening.disabling import all_disabled
from penstock.service.opening.freeze import Frozen, frozen_with
from penstock.service.opening.launch import Opening, advance
from penstock.service.parts import Parts
from penstock.service.resolve import suggestion


class Given(Struct, frozen=True):
    """A pipeline and what people shall see as its file."""

    pipeline: Pipeline
    file: str


def install(
    parts: Parts,
    given: Sequence[Given],
    *,
    update: bool = False,
    reprocess: bool = False,
    inherit: bool = False,
    dry: bool = False,
) -> tuple[list[Version], Run | None]:
    """Put pipelines in force and open one run over them at the heads as they are, of those that are not stopped.

    With `update` they may exist: unfinished jobs that are not wanted any more end, and the run is over what no job does
    yet; it is an unfinished one if that is nothing. With `reprocess` everything runs again, with `inherit` no step runs
    in a container. Raises AlreadyExists, BadSpec; then nothing is written, and with `dry` nothing is in any case.
    """
    with suppress(_Rehearsed), parts.objects.session():
        frozen = [frozen_with(parts, item.pipeline, item.file, inherit) for item in given]
        for item in frozen:
            check_able(item.pipeline)
        with parts.store.transaction(durable=True):
            there = parts.pipelines()
            taken = [item.pipeline.name for item in given if item.pipeline.name in there]
            if taken and not update:
                raise AlreadyExists(f"pipeline {taken[0]!r} exists already; update it instead")
            versions = _apply(parts, frozen, reprocess)
            run = _open(parts, versions)
            if dry:
                raise _Rehearsed
            return versions, run
    return [], None


class _Rehearsed(Exception):
    """Takes back what was written, all of which could be."""


def put_in_force(parts: Parts, given: Given, *, update: bool = False) -> Version:
    """Put a pipeline in force without a run; with `update` it may exist. Raises AlreadyExists, BadSpec."""
    with parts.objects.session():
        frozen = frozen_with(parts, given.pipeline, given.file)
        with parts.store.transaction(durable=True):
            if not update and given.pipeline.name in parts.pipelines():
                raise AlreadyExists(f"pipeline {given.pipeline.name!r} exists already; give this one another name")
            return apply(parts, frozen)


def run_again(parts: Parts, name: str, *, reprocess: bool = False) -> Run:
    """A run over a pipeline in force at the heads as they are. Raises NotFound, Refused."""
    with parts.store.transaction(durable=True):
        version = _in_force(parts, name)
        if name in parts.stopped():
            raise Refused(f"pipeline {name!r} is stopped; start it first")
        if reprocess:
            pipeline = parts.pipeline(name, version.number)
            frozen = Frozen(pipeline, version.spec, version.code, version.file, version, ())
            (version,) = _apply(parts, [frozen], reprocess)
        opened = _open(parts, [version])
        if opened is None:
            raise Refused(all_disabled(name))
    return opened


def stop_pipeline(parts: Parts, name: str) -> None:
    """Let commits open no more jobs of a pipeline, and end those that are not done. Raises NotFound, Refused."""
    with parts.store.transaction(durable=True):
        _in_force(parts, name)
        if name in parts.stopped():
            raise Refused(f"pipeline {name!r} is stopped already")
        parts.store.execute("stop_pipeline", name=name, moment=parts.now())
        for job in parts.store.load(Job, "active_jobs"):
            if job.pipeline == name and job.state != JobState.DONE:
                parts.store.execute("stop_job", seq=job.seq, reason=Reason.USER)


def start_pipeline(parts: Parts, name: str) -> Run:
    """Let commits open jobs of a pipeline again, with one run that catches up. Raises NotFound, Refused."""
    with parts.store.transaction(durable=True):
        version = _in_force(parts, name)
        if name not in parts.stopped():
            raise Refused(f"pipeline {name!r} is not stopped")
        parts.store.execute("stop_pipeline", name=name, moment=None)
        opened = _open(parts, [version])
        if opened is None:
            raise Refused(all_disabled(name))
    return opened


def _in_force(parts: Parts, name: str) -> Version:
    known = parts.pipelines()
    if name not in known:
        raise NotFound(f"there is no pipeline {name!r}{suggestion(name, known)}")
    return parts.version(name, known[name][0])


def _apply(parts: Parts, frozen: Sequence[Frozen], reprocess: bool) -> list[Version]:
    salt = parts.new_id() if reprocess else None
    return [apply(parts, item, salt) for item in frozen]


def _open(parts: Parts, versions: Collection[Version]) -> Run | None:
    """A run over some pipelines and all downstream, less what unfinished runs do; the newest of these if they do all.
    It belongs to the pipeline if there is only one.
    """
    awake = [version for version in versions if version.pipeline not in parts.stopped()]
    seeds = {(item.pipeline, step.name) for item in awake for step in parts.pipeline(item.pipeline, item.number).steps}
    one = awake[0] if len(awake) == 1 else None
    standing = wanted.look(parts, seeds, parts.pipelines(), {})
    wanted.end(parts, standing.given_up(driven=True), standing)
    if standing.going_on and not standing.rest:
        return standing.going_on[-1]
    name, number = (one.pipeline, one.number) if one else (None, None)
    opening = Opening("run", name, number, beside=standing.wanted)
    return advance(parts, {}, parts.new_id(), opening=opening, seeds=standing.undone)
