"""Whether this machine and its user can do what a step asks for; asked before anything runs."""

from __future__ import annotations

from penstock.model.errors import BadSpec, NotFound, PenstockError
from penstock.model.spec import LOCAL, Pipeline, Step


def refusal(step: Step) -> str | None:
    """Why tasks of a step cannot be run here and what to do about it, None if they can."""
    try:
        if step.user is not None:
            from penstock.runner.account import account

            account(step.user)
        if step.env.image_id:
            from penstock.runner.containers import engine

            engine()
        elif step.pfs:
            from penstock.runner.namespace import try_out

            try_out()
    except PenstockError as error:
        return str(error)
    return None


def check_able(pipeline: Pipeline) -> None:
    """Raise BadSpec for the first step that cannot be run here."""
    for step in pipeline.steps:
        why = refusal(step)
        if why is not None:
            raise BadSpec(f'step "{step.name}": {why}', step.where)


def check_site(pipeline: Pipeline, name: str | None) -> None:
    """Raise NotFound if steps are to run at a site of this name, and the pipeline has none."""
    if name not in (None, LOCAL) and pipeline.site(name) is None:
        known = ", ".join([LOCAL, *(site.name for site in pipeline.sites)])
        raise NotFound(f"pipeline {pipeline.name!r} has no site {name!r}; it knows {known}")
