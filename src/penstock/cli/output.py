"""What people and programs see: data on stdout, talk on stderr; tables on a terminal, plain columns in a pipe."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

from msgspec import Struct

#: How many hex digits of an id are shown: the millisecond it was made in.
SHORT = 12
_STYLES = {
    "success": "green",
    "failure": "red",
    "killed": "yellow",
    "terminated": "yellow",
    "unrunnable": "yellow",
    "held": "magenta",
    "paused": "magenta",
    "unknown": "magenta",
    "running": "cyan",
    "starting": "cyan",
    "finishing": "cyan",
    "added": "green",
    "removed": "red",
    "modified": "yellow",
}


def short(text: str | None) -> str:
    """An id, or a reference with one, as tables show it.

    >>> short("018bcfe5687b774b8000000000000000"), short("edges@018bcfe5687b774b8000000000000000"), short(None)
    ('018bcfe5687b', 'edges@018bcfe5687b', '')
    """
    before, at, last = (text or "").rpartition("@")
    return before + at + (last[:SHORT] if len(last) == 32 else last)


def number(count: int, thing: str) -> str:
    """How many of a thing.

    >>> number(1, "file"), number(0, "file")
    ('1 file', '0 files')
    """
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def when(moment: str | None) -> str:
    """An RFC 3339 time in the local zone, to the second."""
    if moment is None:
        return ""
    import datetime

    return f"{datetime.datetime.fromisoformat(moment).astimezone():%Y-%m-%d %H:%M:%S}"


def plain(value: Any) -> Any:
    """A view as JSON has it: keys as declared."""
    if isinstance(value, Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def show_json(value: Any) -> None:
    """One document on stdout, indented for people."""
    indent = 2 if sys.stdout.isatty() else None
    print(json.dumps(plain(value), indent=indent, ensure_ascii=False))


def talk(text: str) -> None:
    """One line on stderr, after all that went to stdout so far."""
    sys.stdout.flush()
    print(text, file=sys.stderr, flush=True)


def show_table(heads: Sequence[str], rows: Iterable[Sequence[object]], right: Iterable[str] = ()) -> None:
    """A table on stdout; the columns named in `right` are aligned to the right."""
    write_table(sys.stdout, heads, [["" if cell is None else str(cell) for cell in row] for row in rows], set(right))


def write_table(stream: TextIO, heads: Sequence[str], rows: Sequence[Sequence[str]], right: set[str]) -> None:
    if stream.isatty():
        _rich_table(stream, heads, rows, right)
        return
    widths = [max(len(row[place]) for row in [heads, *rows]) for place in range(len(heads))]
    for row in [heads, *rows]:
        cells = [
            cell.rjust(width) if head in right else cell.ljust(width)
            for head, cell, width in zip(heads, row, widths, strict=True)
        ]
        print("  ".join(cells).rstrip(), file=stream)


def _rich_table(stream: TextIO, heads: Sequence[str], rows: Sequence[Sequence[str]], right: set[str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for head in heads:
        table.add_column(head, justify="right" if head in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
    Console(file=stream, highlight=False).print(table)


def show_fields(pairs: Iterable[tuple[str, object]]) -> None:
    """One thing, a line per field; what is empty is left out."""
    shown = [(name, str(value)) for name, value in pairs if value not in (None, "", (), {}, [])]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        print(f"{name.ljust(width)}  {value}")
