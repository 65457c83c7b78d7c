"""How Pachyderm writes times, sizes, durations and tables. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from penstock.model.views import show_time

#: What stands where nothing is known yet.
NOTHING = "-"
_SIZES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_SECOND = 1_000_000


def human_duration(micros: int) -> str:
    """A duration in its largest unit.

    >>> [human_duration(int(seconds * 1e6)) for seconds in (0.9, 1.2, 5, 60, 600)]
    ['Less than a second', '1 second', '5 seconds', 'About a minute', '10 minutes']
    >>> [human_duration(int(hours * 3.6e9)) for hours in (1, 20, 50, 400, 1500, 20_000)]
    ['About an hour', '20 hours', '2 days', '2 weeks', '2 months', '2 years']
    """
    seconds = micros // _SECOND
    if seconds < 1:
        return "Less than a second"
    if seconds == 1:
        return "1 second"
    if seconds < 60:
        return f"{seconds} seconds"
    minutes = seconds // 60
    if minutes == 1:
        return "About a minute"
    if minutes < 60:
        return f"{minutes} minutes"
    hours = (seconds + 1800) // 3600
    if hours == 1:
        return "About an hour"
    if hours < 48:
        return f"{hours} hours"
    for unit, length, most in (("days", 24, 24 * 14), ("weeks", 24 * 7, 24 * 60), ("months", 24 * 30, 24 * 730)):
        if hours < most:
            return f"{hours // length} {unit}"
    return f"{hours // (24 * 365)} years"


def ago(moment: int | None, now: int, full: bool = False) -> str:
    """When something was, in words, or with `full` as RFC 3339; times in UTC microseconds."""
    if moment is None:
        return NOTHING
    return str(show_time(moment)) if full else f"{human_duration(max(now - moment, 0))} ago"


def bytes_size(size: int) -> str:
    """A size in powers of 1024, four digits.

    >>> bytes_size(185424), bytes_size(58644), bytes_size(0)
    ('181.1KiB', '57.27KiB', '0B')
    """
    value, place = float(size), 0
    while value >= 1024 and place < len(_SIZES) - 1:
        value /= 1024
        place += 1
    return f"{value:.4g}{_SIZES[place]}"


def seconds_text(seconds: float) -> str:
    """A duration as its JSON has it: 0, 3, 6 or 9 digits of a second's fraction.

    >>> seconds_text(0.113263653), seconds_text(2.0), seconds_text(1.5)
    ('0.113263653s', '2s', '1.500s')
    """
    nanos = round(seconds * 1e9)
    whole, rest = divmod(nanos, 10**9)
    digits = f"{rest:09d}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f"{whole}.{digits}s" if digits else f"{whole}s"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, one space apart.

    >>> print(table(("ID", "STATE"), [("123", "ok")]), end="")
    ID  STATE
    123 ok
    """
    lines = [heads, *rows]
    widths = [max(len(line[place]) for line in lines) for place in range(len(heads) - 1)]
    cells = ([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[-1]] for line in lines)
    return "".join(" ".join(line).rstrip() + "\n" for line in cells)


def bar(done: int, failed: int, left: int) -> str:
    """Eight cells: what is done, what failed, what is left; a failure always shows.

    >>> bar(4, 0, 4), bar(7, 1, 0), bar(0, 0, 0)
    ('▇▇▇▇----', '▇▇▇▇▇▇▇!', '▇▇▇▇▇▇▇▇')
    """
    total = done + failed + left
    if not total:
        return "▇" * 8
    bad = max(8 * failed // total, 1) if failed else 0
    good = min(8 * done // total, 8 - bad)
    open_cells = 8 - bad - good if left else 0
    return "▇" * (8 - bad - open_cells) + "-" * open_cells + "!" * bad
