"""Times that five fields of cron name. Moments are UTC microseconds; the fields were checked when they were read."""

from __future__ import annotations

import datetime
from typing import Any

SECOND = 1_000_000
MINUTE = 60 * SECOND
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)


def cron_after(expression: str, moment: int, tz: str = "UTC") -> int | None:
    """The first time after `moment` that the fields name in a time zone; None: in no year to come."""
    return _moment(next(_times(expression, _local(moment, tz)), None))


def cron_until(expression: str, moment: int, tz: str = "UTC") -> int | None:
    """The last time that is not after `moment`; None: in no year past."""
    # Times are whole minutes, and the search goes back from the second after the last of these.
    return _moment(next(_times(expression, _local(moment - moment % MINUTE + SECOND, tz), reverse=True), None))


def _local(moment: int, tz: str) -> datetime.datetime:
    if tz == "UTC":
        return _EPOCH + moment * _MICROSECOND
    from zoneinfo import ZoneInfo

    return (_EPOCH + moment * _MICROSECOND).astimezone(ZoneInfo(tz))


def _moment(found: datetime.datetime | None) -> int | None:
    return None if found is None else (found - _EPOCH) // _MICROSECOND


def _times(expression: str, start: datetime.datetime, reverse: bool = False) -> Any:
    from cronsim import CronSim

    return CronSim(expression, start, reverse=reverse)
