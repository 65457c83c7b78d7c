"""Times that a cron expression names, as `model.times` writes it. Moments are UTC microseconds."""

from __future__ import annotations

import datetime
from typing import Any

from penstock.model import times

SECOND = 1_000_000
MINUTE = 60 * SECOND
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)


def cron_after(expression: str, moment: int, tz: str = "UTC") -> int | None:
    """The first time after `moment` that the fields name in a time zone; None: in no year to come.

    A distance is counted from `moment`, in whole seconds.
    """
    period = times.period(expression)
    if period is not None:
        return moment - moment % SECOND + period * SECOND
    return _moment(next(_times(expression, moment, tz), None))


def cron_until(expression: str, moment: int, since: int, tz: str = "UTC") -> int | None:
    """The last time that is not after `moment`; None: in no year past. A distance is counted from `since`."""
    period = times.period(expression)
    if period is not None:
        start = since - since % SECOND
        return start + (moment - start) // (period * SECOND) * (period * SECOND)
    # Times are whole minutes, and the search goes back from the second after the last of these.
    return _moment(next(_times(expression, moment - moment % MINUTE + SECOND, tz, reverse=True), None))


def _local(moment: int, tz: str) -> datetime.datetime:
    if tz == "UTC":
        return _EPOCH + moment * _MICROSECOND
    from zoneinfo import ZoneInfo

    return (_EPOCH + moment * _MICROSECOND).astimezone(ZoneInfo(tz))


def _moment(found: datetime.datetime | None) -> int | None:
    return None if found is None else (found - _EPOCH) // _MICROSECOND


def _times(expression: str, start: int, tz: str, reverse: bool = False) -> Any:
    if expression == times.NEVER:
        return iter(())
    from cronsim import CronSim

    fields, zone = times.zoned(expression)
    return CronSim(fields, _local(start, zone or tz), reverse=reverse)
