"""Torc's sizes and durations. Pure."""

from __future__ import annotations

import re

from penstock.model.errors import UsageError

_MEMORY = re.compile(r"([0-9]{1,15}) *([kmgt]?)", re.ASCII | re.IGNORECASE)


#: The memory, in bytes, that Torc shows of a job that asks for none.
NOT_SAID = 1 << 20


def parse_memory(text: str) -> int:
    """Bytes: digits, or digits and one of k, m, g and t, which are powers of 1024. Raises UsageError.

    >>> parse_memory("80g"), parse_memory("1m"), parse_memory("12")
    (85899345920, 1048576, 12)
    """
    match = _MEMORY.fullmatch(text.strip())
    if match is None:
        raise UsageError(f'memory "{text[:40]}": expected digits, or digits and one of k m g t, such as 80g')
    power = " kmgt".index(match[2].lower() or " ")
    return int(match[1]) << 10 * power


def show_memory(size: int) -> str:
    """The same back, in the largest unit that leaves nothing over.

    >>> show_memory(85899345920), show_memory(1048576), show_memory(12)
    ('80g', '1m', '12')
    """
    for power, unit in ((4, "t"), (3, "g"), (2, "m"), (1, "k")):
        if size and size % 1024**power == 0:
            return f"{size // 1024**power}{unit}"
    return str(size)


def show_runtime(seconds: float) -> str:
    """A duration as ISO 8601.

    >>> show_runtime(43200), show_runtime(60), show_runtime(90061.5)
    ('P0DT12H', 'P0DT1M', 'P1DT1H1M1.5S')
    """
    days, rest = divmod(seconds, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    parts = [f"{number:g}{unit}" for number, unit in ((hours, "H"), (minutes, "M"), (rest, "S")) if number]
    return f"P{days:g}DT{''.join(parts) or '0S'}"
