"""Sizes and durations as people write and read them."""

from __future__ import annotations

import re
from fractions import Fraction

from penstock.model.errors import UsageError

#: A size no machine has; keeps numbers within what a database column holds.
MAX_SIZE = 2**63 - 1
#: About 3,000 years; keeps deadlines within what a clock can hold.
MAX_SECONDS = 1e11
#: Text longer than this is no number.
_MAX_LENGTH = 100

_N = r"([0-9]+(?:\.[0-9]+)?)"
_SIZE = re.compile(_N + r"\s*([a-zA-Z]*)")
_PREFIXES = "kmgtpe"
_NUMBER = re.compile(_N)
_CLOCK = re.compile(r"([0-9]+):([0-5][0-9]):([0-5][0-9](?:\.[0-9]+)?)")
_TERM = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([a-zµμ]+)\s*")
_ISO = re.compile(rf"P(?:{_N}W)?(?:{_N}D)?(?:T(?=[0-9])(?:{_N}H)?(?:{_N}M)?(?:{_N}S)?)?")
_SECONDS = (604_800, 86_400, 3_600, 60, 1)
#: Seconds of a unit; those of Go's durations are among them, with both signs for micro.
_UNITS = {
    **dict(zip("wdhms", map(Fraction, _SECONDS), strict=True)),
    "min": Fraction(60),
    "ms": Fraction(1, 1000),
    **dict.fromkeys(("us", "µs", "μs"), Fraction(1, 1_000_000)),
    "ns": Fraction(1, 1_000_000_000),
}


def parse_size(text: str | int) -> int:
    """Bytes of `80g` or `80GB` (powers of 1000), `80GiB` (of 1024) or a plain number; parts of a byte are dropped.

    Raises UsageError.

    >>> parse_size("80g"), parse_size("1.5 KiB"), parse_size(12)
    (80000000000, 1536, 12)
    """
    size = _size(text.strip()) if isinstance(text, str) else None if isinstance(text, bool) or text < 0 else text
    if size is None:
        raise UsageError(f"{_shown(text)} is no size; expected a number of bytes, or such as 80g, 80GB, 80GiB")
    if size > MAX_SIZE:
        raise UsageError(f"{_shown(text)} is more than {show_size(MAX_SIZE)}")
    return size


def _size(text: str) -> int | None:
    match = _SIZE.fullmatch(text) if len(text) <= _MAX_LENGTH else None
    scale = _scale(match[2].lower()) if match else None
    return int(Fraction(match[1]) * scale) if match and scale else None


def _scale(unit: str) -> int | None:
    if unit in ("", "b"):
        return 1
    power = _PREFIXES.find(unit[0]) + 1
    if not power or unit[1:] not in ("", "b", "ib"):
        return None
    return int((1024 if unit.endswith("ib") else 1000) ** power)


def parse_seconds(text: str | float) -> float:
    """Seconds of `P0DT12H` (ISO 8601 without years and months), `12h`, `1h30m`, `300ms`, `HH:MM:SS` or a plain number.

    Raises UsageError.

    >>> parse_seconds("1h30m"), parse_seconds("PT0.5S"), parse_seconds("00:02:05"), parse_seconds(90)
    (5400.0, 0.5, 125.0, 90.0)
    """
    if isinstance(text, str):
        seconds = _seconds(text.strip())
    else:
        seconds = text if not isinstance(text, bool) and text >= 0 else None
    if seconds is None:
        expected = "a number of seconds, or such as 12h, 1h30m, 00:10:00, PT12H"
        raise UsageError(f"{_shown(text)} is no duration; expected {expected}")
    if seconds > MAX_SECONDS:
        raise UsageError(f"{_shown(text)} is longer than {MAX_SECONDS:.0f} seconds")
    return float(seconds)


def _seconds(text: str) -> float | None:
    if len(text) > _MAX_LENGTH:
        return None
    if _NUMBER.fullmatch(text):
        return float(text)
    clock = _CLOCK.fullmatch(text)
    if clock:
        return int(clock[1]) * 3600 + int(clock[2]) * 60 + float(clock[3])
    parts = _ISO.fullmatch(text)
    if parts and any(parts.groups()):
        return float(sum(Fraction(part) * unit for part, unit in zip(parts.groups(), _SECONDS, strict=True) if part))
    return _of_terms(text.lower())


def _of_terms(text: str) -> float | None:
    """Seconds of numbers with units one behind the other, each unit once; as Go has it, and with spaces, too."""
    found, at = dict[str, Fraction](), 0
    while term := _TERM.match(text, at):
        if term[2] not in _UNITS or term[2] in found:
            return None
        found[term[2]] = Fraction(term[1]) * _UNITS[term[2]]
        at = term.end()
    return float(sum(found.values())) if found and at == len(text) else None


def _shown(value: object) -> str:
    if isinstance(value, int) and abs(value) > MAX_SIZE:
        return "a number of more than 18 digits"
    text = str(value)
    return f'"{text}"' if len(text) <= 40 else f'"{text[:40]}…"'


def show_size(size: int) -> str:
    """Bytes for people, in powers of 1000.

    >>> show_size(999), show_size(1_400_000_000)
    ('999 B', '1.4 GB')
    """
    if size < 1000:
        return f"{size} B"
    value = float(size)
    for prefix in "kMGTP":
        value /= 1000
        if value < 999.95:
            return f"{value:.1f} {prefix}B"
    return f"{value / 1000:.1f} EB"


def show_seconds(seconds: float) -> str:
    """A duration for people, in at most two units.

    >>> show_seconds(0.9), show_seconds(42), show_seconds(125), show_seconds(3720), show_seconds(180_000)
    ('0.9s', '42s', '2m05s', '1h02m', '2d02h')
    """
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    if seconds < 59.5:
        return f"{seconds:.0f}s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    minutes = round(seconds / 60)
    if minutes < 24 * 60:
        return f"{minutes // 60}h{minutes % 60:02d}m"
    hours = round(seconds / 3600)
    return f"{hours // 24}d{hours % 24:02d}h"
