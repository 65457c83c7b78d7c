"""What a job notes, when it begins, of files in place and user data; a restart compares it with what is there then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock.model.run import Job
from penstock.model.spec import Step
from penstock.service import inplace
from penstock.service.parts import Parts
from penstock.service.userdata.exchange import Exchange


def noted(parts: Parts, exchange: Exchange, pipeline: str, step: Step) -> dict[str, Any]:
    """What there is now for a step, by kind; nothing for one that has to do with neither."""
    found = inplace.beside(parts, exchange, pipeline, step)
    return found.noted() if found is not None else {}


def as_noted(parts: Parts, exchange: Exchange, job: Job, step: Step) -> bool:
    """Whether the files in place and the user data that a step reads are now as a job of it, which has begun, noted
    them. `step` may be that of a newer version. A job that read other files than it noted never is.
    """
    return not changed(job.parts, noted(parts, exchange, job.pipeline, step))


def changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What is not as it was noted, in words."""
    said = [f"file {path} changed while it was read" for path in old.get("moved", ())]
    said += inplace.changes(old.get("files", {}), new.get("files", {}))
    return [*said, "its user data changed"] if old.get("data") != new.get("data") else said
