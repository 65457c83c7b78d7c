"""When a repo of ticks gets its next files: pure answers from its clock."""

from __future__ import annotations

import datetime

from penstock.engine.clock import MINUTE, cron_after, cron_until
from penstock.model.run import Clock

#: How many missed ticks are made at a time; the others follow.
MOST = 100
#: A tick that comes later was missed, because nobody was there to make it.
ON_TIME = MINUTE
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def due(clock: Clock, now: int) -> tuple[list[int], int]:
    """The ticks to make now, and up to which moment all are made then; UTC microseconds."""
    last = cron_until(clock.cron, now, clock.ticked, clock.tz)
    if last is None or last <= clock.ticked:
        return [], clock.ticked
    if clock.catchup == "all":
        ticks: list[int] = []
        following = cron_after(clock.cron, clock.ticked, clock.tz)
        while following is not None and following <= last and len(ticks) < MOST:
            ticks.append(following)
            following = cron_after(clock.cron, following, clock.tz)
        return ticks, ticks[-1]
    missed = now - last > ON_TIME
    return ([] if missed and clock.catchup == "none" else [last]), last


def next_tick(clock: Clock) -> int | None:
    """When the next tick is to be made; None: in no year to come."""
    return cron_after(clock.cron, clock.ticked, clock.tz)


def tick_name(moment: int) -> str:
    """The file of a tick.

    >>> tick_name(1_700_000_000_000_000)
    '2023-11-14T22:13:20Z'
    """
    return (_EPOCH + datetime.timedelta(microseconds=moment)).strftime("%Y-%m-%dT%H:%M:%SZ")
