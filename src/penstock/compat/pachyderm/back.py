"""A step of ours as the Pachyderm spec that makes it. Pure."""

from __future__ import annotations

import json
from typing import Any

from msgspec.structs import replace

from penstock.compat.pachyderm.infos import input_json, transform_json
from penstock.compat.pachyderm.inputs import MASTER
from penstock.compat.pachyderm.show import seconds_text
from penstock.compat.pachyderm.spec import read_specs
from penstock.model.errors import BadSpec
from penstock.model.spec import Export, Pipeline, Resources, Step
from penstock.text.canonical import pipeline_to_json


def spec_json(pipeline: Pipeline, step: Step) -> dict[str, Any]:
    """The spec of a step, as far as a spec can say it."""
    branches = {repo.name: repo.branch for repo in pipeline.repos}
    said = {
        "pipeline": {"name": step.name},
        "description": pipeline.description or None,
        "transform": transform_json(step),
        "input": input_json(step.input),
        "datum_tries": str(step.retry.tries),
        "datum_timeout": None if step.retry.timeout is None else seconds_text(step.retry.timeout),
        "job_timeout": None if step.timeout is None else seconds_text(step.timeout),
        "output_branch": branches.get(step.output or step.name, MASTER),
        "reprocess_spec": None if step.reuse else "every_job",
        **_resources(step.resources),
        "egress": _egress(step.export) if step.export else None,
    }
    return {key: value for key, value in said.items() if value is not None}


def _resources(of: Resources) -> dict[str, Any]:
    limits: dict[str, Any] = {}
    if of.memory:
        limits["memory"] = str(of.memory)
    if of.gpus:
        limits["gpu"] = {"type": "nvidia.com/gpu", "number": str(of.gpus)}
    return {"resource_requests": {"cpu": of.cpus} if of.cpus > 1 else None, "resource_limits": limits or None}


def _egress(export: Export) -> dict[str, Any]:
    if export.kind not in ("postgresql", "sqlite"):
        return {"URL": export.to}
    form = {"type": export.format.upper(), **({"columns": list(export.columns)} if export.columns else {})}
    return {"sql_database": {"url": export.to, "file_format": form}}


def says_all(pipeline: Pipeline, step: Step) -> bool:
    """Whether the spec of a step makes the same step again."""
    text = json.dumps(spec_json(pipeline, step)).encode()
    repos = [leaf.repo for leaf in step.input.leaves()] if step.input else []
    try:
        read = read_specs([(text, step.name)], bare=step.env.image is None)
        (again,) = read.pipelines(repos, lambda name: True)
    except BadSpec:
        return False
    return _meant(again.steps[0]) == _meant(step)


def _meant(step: Step) -> str:
    """What a step says, without what its image stood for."""
    bare = replace(step, env=replace(step.env, inherit=False, image_id=""))
    return pipeline_to_json(Pipeline(step.name, steps=(bare,)))
