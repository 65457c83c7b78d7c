"""Branches that follow others because an input of a pipeline says so."""

from __future__ import annotations

from penstock.model.errors import BadSpec
from penstock.model.run import Trigger
from penstock.model.spec import InputSpec, Pipeline, Watch
from penstock.service import resolve
from penstock.service.opening import firing
from penstock.service.parts import Parts


def set_triggers(parts: Parts, pipeline: Pipeline, now: int) -> None:
    """Let the branches that a pipeline's inputs read follow as it says now; call inside a transaction, when its repos
    are there. One that goes on as before has fired when it did. Raises BadSpec.
    """
    fired = {
        (trigger.repo, trigger.branch): trigger.fired
        for trigger in parts.store.load(Trigger, "triggers_of", pipeline=pipeline.name)
    }
    parts.store.execute("delete_triggers_of", pipeline=pipeline.name)
    said: dict[tuple[str, str], Watch] = {}
    for step in pipeline.steps:
        for leaf in step.input.leaves() if step.input else ():
            if leaf.trigger is None or said.get((leaf.repo, leaf.branch)) == leaf.trigger:
                continue
            new = _row(leaf, leaf.trigger, pipeline.name, fired.get((leaf.repo, leaf.branch), now))
            why = _refusal(parts, new)
            if why is not None:
                message = f"{leaf.repo}@{leaf.branch} {why}; name another `branch` beside `trigger`"
                raise BadSpec(f'step "{step.name}": input: {message}', leaf.where)
            firing.set_trigger(parts, new)
            said[leaf.repo, leaf.branch] = leaf.trigger


def _refusal(parts: Parts, new: Trigger) -> str | None:
    """Why a branch cannot move by a trigger."""
    if new.branch == resolve.repo(parts, new.repo).default_branch:
        return "is the branch of its repo that is written to"
    other = firing.trigger_of(parts, new.repo, new.branch)
    if other is not None:
        whose = f"an input of pipeline {other.pipeline!r}" if other.pipeline else "`penstock branch trigger`"
        return f"moves by another trigger already, of {whose}"
    chain = firing.circle(parts, new)
    return f"would follow itself ({' watches '.join(chain)})" if chain else None


def _row(leaf: InputSpec, watch: Watch, pipeline: str, fired: int) -> Trigger:
    return Trigger(
        repo=leaf.repo,
        branch=leaf.branch,
        watches=watch.branch,
        size=watch.size,
        commits=watch.commits,
        every=None if watch.every is None else int(watch.every * 1_000_000),
        cron=watch.cron,
        needs=watch.needs,
        fired=fired,
        pipeline=pipeline,
    )
