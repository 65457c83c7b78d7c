"""Cron expressions as people write them."""

from __future__ import annotations

import datetime

from penstock.model import times
from penstock.model.errors import UsageError
from penstock.text.units import parse_seconds

#: Shorthands of cron, as the five fields they stand for.
SHORTHANDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_ZONES = ("TZ=", "CRON_TZ=")
_EVERY = "@every"


def check_cron(text: str) -> str:
    """A cron expression in one of the forms of `model.times`, shorthands spelled out; raise UsageError.

    >>> check_cron("@daily"), check_cron(" 0  2 ? * MON-FRI "), check_cron("@every 1h30m")
    ('0 0 * * *', '0 2 * * MON-FRI', '@every 5400s')
    >>> check_cron("CRON_TZ=Europe/Berlin @daily"), check_cron("TZ=UTC @daily")
    ('TZ=Europe/Berlin 0 0 * * *', '0 0 * * *')
    """
    words = text.split()
    zone = next((words[0].removeprefix(sign) for sign in _ZONES if words and words[0].startswith(sign)), None)
    if zone is not None:
        words = words[1:]
        if not is_zone(zone):
            raise UsageError(f"cron {text!r}: there is no time zone {zone!r} here; expected one such as Europe/Berlin")
    first = words[0].lower() if words else ""
    if first == times.NEVER and len(words) == 1:
        return times.NEVER
    if first == _EVERY:
        return times.every(_distance(text, " ".join(words[1:])))
    fields = SHORTHANDS.get(first, "") if len(words) == 1 else ""
    fields = fields or _fields(text, words)
    return fields if zone in (None, "UTC") else times.in_zone(fields, str(zone))


def _distance(text: str, length: str) -> int:
    try:
        seconds = parse_seconds(length)
    except UsageError as error:
        raise UsageError(f"cron {text!r}: {error}") from None
    if seconds < 1 or not seconds.is_integer():
        raise UsageError(f"cron {text!r}: expected whole seconds after @every, and at least one")
    return int(seconds)


def _fields(text: str, words: list[str]) -> str:
    from cronsim import CronSim, CronSimError

    if len(words) != 5:
        names = ", ".join((*SHORTHANDS, "@every 10m", times.NEVER))
        raise UsageError(f"cron {text!r}: expected five fields, such as '0 2 * * *', or one of {names}")
    # What need not be named may be a question mark.
    fields = " ".join("*" + word[1:] if word[0] == "?" else word for word in words)
    try:
        CronSim(fields, datetime.datetime(1970, 1, 1))
    except CronSimError as error:
        raise UsageError(f"cron {' '.join(words)!r}: {error}") from None
    return fields


def is_zone(name: str) -> bool:
    """Whether there is a time zone of this name."""
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return False
    return True
