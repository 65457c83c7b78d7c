"""A pipeline as canonical JSON: what a version is stored as and compared by."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from penstock.model.errors import Corrupt
from penstock.model.spec import After, Env, InputSpec, Pipeline, RepoSpec, Resources, Retry, Step


def pipeline_to_json(pipeline: Pipeline) -> str:
    """Canonical text: sorted, without `where` and without what is as it is by default.

    Equal pipelines give equal text, and a later version's new fields leave the text of older pipelines as it was.
    """
    return json.dumps(_without_defaults(pipeline), sort_keys=True, separators=(",", ":"), allow_nan=False)


def _without_defaults(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_without_defaults(item) for item in value]
    if not dataclasses.is_dataclass(value):
        return value
    known = [field for field in dataclasses.fields(value) if field.name != "where"]
    said = [field.name for field in known if getattr(value, field.name) != _default(field)]
    return {name: _without_defaults(getattr(value, name)) for name in said}


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default


def pipeline_from_json(text: str) -> Pipeline:
    """The pipeline that `pipeline_to_json` wrote, with every `where` empty; raise Corrupt for anything else."""
    try:
        return _pipeline(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Corrupt(f"a stored pipeline cannot be read: {error}; something else changed it") from None


def _pipeline(raw: dict[str, Any]) -> Pipeline:
    steps = tuple(_step(step) for step in raw["steps"])
    repos = tuple(RepoSpec(**repo) for repo in raw.get("repos", ()))
    return Pipeline(**{**raw, "steps": steps, "repos": repos})


_STEP_PARTS: Mapping[str, Any] = {
    "run": tuple,
    "input": lambda raw: _input(raw),
    "after": lambda raw: tuple(After(**after) for after in raw),
    "code": tuple,
    "env": lambda raw: Env(**raw),
    "resources": lambda raw: Resources(**raw),
    "retry": lambda raw: Retry(**raw),
}


def _step(raw: dict[str, Any]) -> Step:
    return Step(**{key: _STEP_PARTS[key](value) if key in _STEP_PARTS else value for key, value in raw.items()})


def _input(raw: dict[str, Any]) -> InputSpec:
    return InputSpec(**{**raw, "parts": tuple(_input(part) for part in raw.get("parts", ()))})
