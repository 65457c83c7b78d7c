"""User data that jobs would read and nothing fills: Torc starts no workflow that has such."""

from __future__ import annotations

from collections.abc import Callable, Collection

from penstock.compat.torc.keys import Workflow
from penstock.model.errors import Refused
from penstock.service.parts import Parts
from penstock.service.userdata.documents import every


def check_filled(parts: Parts, flow: Workflow, running: Callable[[], Collection[str]]) -> None:
    """Raise Refused if a job of a run that is to start reads a document that is empty then, and no job of it writes it.

    `running` says which jobs the run has; it is asked only if a document is empty.
    """
    declared = {item.name: item.value for item in flow.spec.data}
    empty = {
        item.name
        for item in every(parts, flow.name, None)
        if item.name and (declared.get(item.name) is None if item.ephemeral else not item.body)
    }
    if not any(name in empty for step in flow.spec.steps for name in step.inputs_data):
        return
    off = {step for pipeline, step in parts.disabled() if pipeline == flow.name}
    alive = set(running()) - off
    wanted = [step for step in flow.spec.steps if step.name in alive]
    filled = {name for step in wanted for name in step.outputs_data}
    for step in wanted:
        for name in step.inputs_data:
            if name in empty and name not in filled:
                raise Refused(
                    f"job {step.name!r} reads user data {name!r}, which is empty, and no job of this run writes it;"
                    f" fill it by `penstock data set {name} VALUE`, or start with -i"
                )
