"""A pipeline as canonical JSON: what a version is stored as and compared by."""

from __future__ import annotations

from typing import Any

import msgspec

from penstock.model.errors import Corrupt
from penstock.model.spec import InputSpec, Pipeline


def pipeline_to_json(pipeline: Pipeline) -> str:
    """Canonical text: sorted, without `where` and without what is as it is by default.

    Equal pipelines give equal text, and a later version's new fields leave the text of older pipelines as it was.
    """
    bare = msgspec.structs.replace(
        pipeline,
        repos=tuple(_nowhere(repo) for repo in pipeline.repos),
        steps=tuple(
            _nowhere(msgspec.structs.replace(step, input=step.input and _input(step.input))) for step in pipeline.steps
        ),
    )
    return msgspec.json.encode(bare, order="sorted").decode()


def _input(spec: InputSpec) -> InputSpec:
    return msgspec.structs.replace(spec, where="", parts=tuple(_input(part) for part in spec.parts))


def _nowhere(value: Any) -> Any:
    return msgspec.structs.replace(value, where="")


def pipeline_from_json(text: str) -> Pipeline:
    """The pipeline that `pipeline_to_json` wrote, with every `where` empty; raise Corrupt for anything else."""
    try:
        return msgspec.json.decode(text, type=Pipeline)
    except msgspec.MsgspecError as error:
        raise Corrupt(f"a stored pipeline cannot be read: {error}; something else changed it") from None
