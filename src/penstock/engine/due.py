"""When a branch that follows another one moves: pure answers from a trigger and what has gathered since it fired."""

from __future__ import annotations

from penstock.engine.clock import cron_after
from penstock.model.run import Trigger


def due_at(trigger: Trigger, growth: int, commits: int) -> int | None:
    """When (UTC microseconds) a trigger fires if nothing more is committed; 0: at once, None: never.

    `growth` is by how many bytes the watched tree is larger than the one of the branch, `commits` how many commits
    there are between them.
    """
    if not commits:
        return None
    when: list[int | None] = []
    if trigger.size is not None:
        when.append(0 if growth >= trigger.size else None)
    if trigger.commits is not None:
        when.append(0 if commits >= trigger.commits else None)
    if trigger.every is not None:
        when.append(trigger.fired + trigger.every)
    if trigger.cron is not None:
        when.append(cron_after(trigger.cron, trigger.fired))
    known = [moment for moment in when if moment is not None]
    if trigger.needs == "all":
        return max(known) if len(known) == len(when) else None
    return min(known, default=None)
