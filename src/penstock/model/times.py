"""Texts that name times: five fields of cron, with `TZ=ZONE` before them or not, `@every` some seconds, `@never`."""

from __future__ import annotations

NEVER = "@never"
_EVERY = "@every "
_ZONE = "TZ="


def every(seconds: int) -> str:
    """The text of a distance in seconds."""
    return f"{_EVERY}{seconds}s"


def period(expression: str) -> int | None:
    """The seconds of a distance; None of anything else.

    >>> period(every(600)), period("0 2 * * *")
    (600, None)
    """
    return int(expression.removeprefix(_EVERY)[:-1]) if expression.startswith(_EVERY) else None


def zoned(expression: str) -> tuple[str, str | None]:
    """Fields and the time zone that stands before them.

    >>> zoned("TZ=Europe/Berlin 0 2 * * *"), zoned("0 2 * * *")
    (('0 2 * * *', 'Europe/Berlin'), ('0 2 * * *', None))
    """
    if not expression.startswith(_ZONE):
        return expression, None
    zone, _, fields = expression.removeprefix(_ZONE).partition(" ")
    return fields, zone


def in_zone(fields: str, zone: str) -> str:
    """Fields with the time zone in which they are meant."""
    return f"{_ZONE}{zone} {fields}"


def shown(expression: str) -> str:
    """For people, to whom UTC is said where no other zone is.

    >>> shown("0 2 * * *"), shown("TZ=Europe/Berlin 0 2 * * *"), shown("@never")
    ('0 2 * * * UTC', '0 2 * * * Europe/Berlin', '@never')
    """
    fields, zone = zoned(expression)
    return fields if fields.startswith("@") else f"{fields} {zone or 'UTC'}"
