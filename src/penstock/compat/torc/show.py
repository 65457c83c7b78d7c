"""How Torc writes log lines, documents and tables. Pure, but for `log`."""

from __future__ import annotations

import csv
import datetime
import hashlib
import io
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

#: Of each kind of message what stands for the module, the file and the line that logs it.
PLACES = {
    "jobs": "torc.cli.jobs jobs.py:103",
    "add": "torc.cli.user_data user_data.py:41",
    "delete": "torc.cli.user_data user_data.py:54",
    "workflows": "torc.cli.workflows workflows.py:103",
    "resources": "torc.cli.resource_requirements resource_requirements.py:60",
    "slurm": "torc.cli.slurm slurm.py:90",
}
_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def log_line(moment: datetime.datetime, place: str, message: str) -> str:
    """A line of its log.

    >>> log_line(datetime.datetime(2023, 3, 29, 8, 21, 33, 553000), "add", "Added user_data key=92398595")
    '2023-03-29 08:21:33,553 - INFO [torc.cli.user_data user_data.py:41] : Added user_data key=92398595'
    """
    stamp = f"{moment:%Y-%m-%d %H:%M:%S},{moment.microsecond // 1000:03d}"
    return f"{stamp} - INFO [{PLACES[place]}] : {message}"


def log(place: str, message: str) -> None:
    """One line on stderr, after all that went to stdout so far."""
    sys.stdout.flush()
    print(log_line(datetime.datetime.now(), place, message), file=sys.stderr, flush=True)


def revision(key: str, number: int) -> str:
    """What stands under `_rev`: another one for each revision of each document, always the same for one.

    >>> revision("7", 1), revision("7", 2)
    ('_PyMuuX----', '_ZsnRsO----')
    """
    value = int.from_bytes(hashlib.blake2b(f"{key}:{number}".encode(), digest_size=8).digest())
    text = ""
    for _ in range(6):
        value, digit = divmod(value, len(_DIGITS))
        text += _DIGITS[digit]
    return f"_{text}----"


def document(key: str, number: int, value: Any) -> dict[str, Any]:
    """User data as Torc shows it: an object's own fields beside its key and revision; anything else under `data`."""
    fields = value if isinstance(value, dict) else {} if value is None else {"data": value}
    own = {name: item for name, item in fields.items() if name not in ("_key", "_rev")}
    return {"_key": key, "_rev": revision(key, number), **own}


def mapping(value: Any, indent: int = 0) -> str:
    """A document in the style of Python.

    >>> print(mapping({"_key": "7", "more": [1, None]}))
    {
      '_key': '7',
      'more': [
        1,
        None
      ]
    }
    """
    if not value or not isinstance(value, (dict, list)):
        return repr(value)
    space = " " * (indent + 2)
    if isinstance(value, dict):
        lines = [f"{space}{name!r}: {mapping(item, indent + 2)}" for name, item in value.items()]
        return "{\n" + ",\n".join(lines) + "\n" + " " * indent + "}"
    lines = [f"{space}{mapping(item, indent + 2)}" for item in value]
    return "[\n" + ",\n".join(lines) + "\n" + " " * indent + "]"


def as_json(value: Any) -> str:
    """JSON as Torc prints it."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def rows(form: str, name: str, heads: Sequence[str], found: Sequence[Mapping[str, Any]]) -> str:
    """Rows as `text`, `csv` or `json`, as the root option says; of each row the cells that `heads` name.

    >>> print(rows("text", "jobs", ("name", "key"), [{"name": "work", "key": "7"}]))
    +------+-----+
    | name | key |
    +------+-----+
    | work | 7   |
    +------+-----+
    >>> print(rows("csv", "jobs", ("name", "key"), [{"name": "work", "key": "7"}]))
    name,key
    work,7
    """
    if form == "json":
        return as_json({name: [{head: row[head] for head in heads} for row in found]})
    lines = [list(heads), *([_cell(row[head]) for head in heads] for row in found)]
    if form == "csv":
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(lines)
        return text.getvalue().rstrip("\n")
    widths = [max(len(line[place]) for line in lines) for place in range(len(heads))]
    rule = "+" + "+".join("-" * (width + 2) for width in widths) + "+"
    shown = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    return "\n".join([rule, shown[0], rule, *shown[1:], *([rule] if len(shown) > 1 else [])])


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False) if value else ""
    return "" if value is None else str(value)
