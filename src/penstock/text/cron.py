"""Cron expressions as people write them."""

from __future__ import annotations

import datetime

from penstock.model.errors import UsageError

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


def check_cron(text: str) -> str:
    """The five fields of a cron expression, shorthands spelled out; raise UsageError.

    >>> check_cron("@daily"), check_cron(" 0  2 * * MON-FRI ")
    ('0 0 * * *', '0 2 * * MON-FRI')
    """
    from cronsim import CronSim, CronSimError

    fields = SHORTHANDS.get(text.strip().lower()) or " ".join(text.split())
    if len(fields.split(" ")) != 5:
        raise UsageError(f"cron {text!r}: expected five fields, such as '0 2 * * *', or one of {', '.join(SHORTHANDS)}")
    try:
        CronSim(fields, datetime.datetime(1970, 1, 1))
    except CronSimError as error:
        raise UsageError(f"cron {fields!r}: {error}") from None
    return fields
