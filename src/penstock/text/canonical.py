"""A pipeline as canonical JSON: what a version is stored as and compared by."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from penstock.model.errors import Corrupt
from penstock.model.spec import Pipeline


def pipeline_to_json(pipeline: Pipeline) -> str:
    """Canonical text: sorted, without `where` and without what is as it is by default.

    Equal pipelines give equal text, and a later version's new fields leave the text of older pipelines as it was.
    """
    return msgspec.json.encode(_said(pipeline), order="sorted").decode()


def _said(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_said(item) for item in value]
    if not isinstance(value, msgspec.Struct):
        return value
    return {name: _said(own) for name, default in _defaults(type(value)) if (own := getattr(value, name)) != default}


@cache
def _defaults(kind: type[msgspec.Struct]) -> list[tuple[str, Any]]:
    """The fields of a noun that count, and what each is if nothing is said."""
    return [(field.name, _default(field)) for field in msgspec.structs.fields(kind) if field.name != "where"]


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def pipeline_from_json(text: str) -> Pipeline:
    """The pipeline that `pipeline_to_json` wrote, with every `where` empty; raise Corrupt for anything else."""
    try:
        return msgspec.json.decode(text, type=Pipeline)
    except msgspec.MsgspecError as error:
        raise Corrupt(f"a stored pipeline cannot be read: {error}; something else changed it") from None
