"""What all attempts of a job share, as workers get it."""

from __future__ import annotations

import os

from penstock.model import templates
from penstock.model.inplace import apart, filled, makes
from penstock.model.run import Job
from penstock.model.spec import Step, axis_names, combinations
from penstock.model.wire import Leaf, Recipe, Source
from penstock.service import inplace
from penstock.service.bindings.recipes import by_name
from penstock.service.parts import Parts

#: Seconds between SIGTERM and SIGKILL for a task that is ended and is not known to need more.
DEFAULT_GRACE = 5.0


def recipe(parts: Parts, job: Job, step: Step) -> Recipe:
    """The recipe of a job that runs `step`."""
    frozen = step.publishes and step.workdir is None
    return Recipe(
        run=job.run,
        job=job.id,
        pipeline=job.pipeline,
        step=job.step,
        argv=step.run,
        code=(job.layout or parts.code(job.pipeline, job.version)) if frozen else b"",
        workdir=None if frozen else os.path.join(parts.layout.root, step.workdir or ""),
        vars=step.env.vars,
        inherit=step.env.inherit or bool(step.env.image_id),  # that is for the client of the engine alone
        cpus=step.resources.cpus,
        timeout=step.retry.timeout,
        grace=step.grace if step.supports_termination else DEFAULT_GRACE,
        accept_exit=step.accept_exit,
        stdin=step.stdin,
        err_argv=step.err_run,
        user=step.user,
        batch=step.batch,
        pfs=step.pfs,
        sources=_sources(job, step) if step.pfs else {},
        container=_container(step),
        memory=step.resources.memory,
        gpus=step.resources.gpus,
        time=step.resources.time,
        terminates=step.supports_termination,
        retry=step.retry,
        priority=step.priority,
        told=told(parts, job),
        fills=(*(templates.named(_words(step), axis_names(step.each)) if step.each else ()), *step.fills),
        root=str(parts.layout.root),
        leaves=_leaves(step),
        stands=tuple(file.path for file in step.takes or step.reads) if frozen or step.env.image_id else (),
        apart=apart(parts.pipeline(job.pipeline, job.version), step) if step.outputs else (),
        looks=inplace.looked(job, step),
        without=inplace.not_counted(job, step),
        contents=inplace.contents_file(parts, job.pipeline, step) if step.reads else "",
        data=bool(step.inputs_data or step.outputs_data),
        counted=frozenset(job.parts.get("code", ())) if frozen else frozenset(),
    )


def _words(step: Step) -> tuple[str, ...]:
    """All that has places for the parameters of `each`."""
    return (*step.run, *step.makes, *(file.path for file in step.takes))


def _leaves(step: Step) -> tuple[Leaf, ...]:
    """The files that a step makes where they are, as its tasks are told: with places for their parameters."""
    if not step.outputs:
        return ()
    first = next(combinations(step.each))
    known = {file.path: file for file in step.outputs}
    found = [(path, known[filled(step, path, first)]) for path in makes(step)]
    return tuple(Leaf(path, file.hash, file.persist) for path, file in found)


def told(parts: Parts, job: Job) -> dict[str, str]:
    """The variables by which a task knows the integers that stand for its pipeline and its step."""
    numbers = parts.numbers(job.pipeline, job.version)
    known = (("TORC_WORKFLOW_KEY", None), ("TORC_JOB_KEY", job.step))
    return {name: str(numbers[of]) for name, of in known if of in numbers}


def _sources(job: Job, step: Step) -> dict[str, tuple[Source, ...]]:
    leaves = step.input.leaves() if step.input else ()
    sources = (Source(leaf.glob, item.commit, leaf.on, leaf.by) for leaf, item in zip(leaves, job.inputs, strict=True))
    return {name: tuple(mine) for name, mine in by_name(step, sources).items()}


def _container(step: Step) -> tuple[str, str] | None:
    if not step.env.image_id:
        return None
    from penstock.runner.containers import engine

    return engine(), step.env.image_id
