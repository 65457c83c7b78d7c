"""An output as rows: all its files loaded into tables in one transaction.

Each row carries, in a column of its own, which export loaded it. So loading again replaces, or leaves, exactly the rows
that were loaded before, whoever else writes to the table.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from penstock.model.data import Entry
from penstock.model.errors import BadOutput, Refused
from penstock.model.spec import Export
from penstock.objects import tree
from penstock.objects.reader import Reader, Stream
from penstock.objects.store import Objects
from penstock.service.egress.databases import connect
from penstock.service.egress.order import Order

#: The column that says which export a row is from: `project/REPO@run`, the commit that it is a copy of.
TAG = "penstock"

Row = Sequence[Any]


def load(objects: Objects, order: Order) -> None:
    """Load an order's tree. Raises BadOutput for files that are no rows, Refused for a table that cannot take them,
    Unreachable.
    """
    export, sources = order.export, (order.source, *order.former)
    tags = [f"{source}@{order.run}" for source in sources]
    if export.mode == "append" and order.before[-1:] == (order.tree,):
        return  # a run that changed nothing
    tables = _tables(objects, order.tree, export)
    earlier = {name for before in order.before for name in _tables(objects, before, export)}
    with connect(export.to, Path(order.project)) as database:
        for table in sorted({*tables, *earlier} if export.mode == "replace" else tables):
            there = database.columns(table)
            if there is not None and TAG not in there:
                raise Refused(
                    f"table {table} has no column {TAG!r}, which tells the rows of an export from others; "
                    f"add it: ALTER TABLE {table} ADD COLUMN {TAG} text"
                )
            if there is not None and export.mode == "replace":
                for source in sources:
                    database.forget(table, TAG, f"{source}@")
            if there is not None and export.mode == "append" and any(database.has(table, TAG, tag) for tag in tags):
                continue
            for path, entry in tables.get(table, ()):
                columns, rows = read_rows(path, Reader(objects.blobs, entry), export)
                if not columns:
                    continue  # a file of no lines
                _check(path, table, columns, there)
                if there is None:
                    there = [*columns, TAG]
                    database.create(table, there)
                database.insert(table, [*columns, TAG], ((*row, tags[0]) for row in rows))


def _tables(objects: Objects, root: bytes, export: Export) -> dict[str, list[tuple[str, Entry]]]:
    """The files of a tree by the table they go into. Raises BadOutput."""
    found: dict[str, list[tuple[str, Entry]]] = {}
    for path, entry in tree.files(objects.pages, root):
        table, slash, _ = path.partition("/")
        if export.table is None and not slash:
            raise BadOutput(f"{path}: no table is named; say `table`, or let the step write TABLE/{path}")
        if entry.target is not None:
            raise BadOutput(f"{path} is a link; let the step write a file")
        found.setdefault(export.table or table, []).append((path, entry))
    return found


def _check(path: str, table: str, columns: Sequence[str], there: Sequence[str] | None) -> None:
    if TAG in columns:
        raise BadOutput(f"{path}: a column cannot be called {TAG!r}, which tells the rows of an export from others")
    missing = [name for name in columns if there is not None and name not in there]
    if missing:
        raise Refused(f"{path}: table {table} has no column {missing[0]!r}; it has {', '.join(there or ())}")


def read_rows(path: str, reader: Reader, export: Export) -> tuple[Sequence[str], Iterator[Row]]:
    """The columns of a file, and its rows, read as they are asked for. Raises BadOutput, then or while reading."""
    text = io.TextIOWrapper(io.BufferedReader(Stream(reader)), encoding="utf-8-sig", newline="")
    rows = _csv(path, text, export.columns) if export.format == "csv" else _json(path, text, export.columns)
    first = next(rows, ())
    return first, rows


def _csv(path: str, text: io.TextIOWrapper, columns: Sequence[str]) -> Iterator[Row]:
    """The columns first: `columns`, or what the first line says. An empty field is NULL."""
    reader = csv.reader(text, strict=True)
    try:
        names = columns or next(reader, ())
        if len(set(names)) < len(names) or not all(names):
            raise BadOutput(f"{path}: line 1 must name each column once, found {', '.join(names)[:200]!r}")
        yield names
        for row in reader:
            if row and len(row) != len(names):
                raise BadOutput(f"{path}: line {reader.line_num} has {len(row)} fields, expected {len(names)}")
            if row:
                yield [field or None for field in row]
    except (csv.Error, UnicodeDecodeError) as error:
        raise BadOutput(f"{path}: line {reader.line_num + 1} is no CSV: {error}") from None


def _json(path: str, text: io.TextIOWrapper, columns: Sequence[str]) -> Iterator[Row]:
    """The columns first: `columns`, or the keys of the first object. What an object does not have is NULL."""
    number, names = 0, tuple(columns)
    if names:
        yield names
    try:
        for number, line in enumerate(text, 1):
            if not line.strip():
                continue
            found = json.loads(line)
            if not isinstance(found, dict):
                raise BadOutput(f"{path}: line {number}: expected one JSON object per line")
            if not names:
                names = tuple(found)
                yield names
            unknown = [] if columns else [key for key in found if key not in names]
            if unknown:
                raise BadOutput(
                    f"{path}: line {number} has {unknown[0]!r}, which the first object lacks; say `columns`"
                )
            yield [_plain(found.get(name)) for name in names]
    except ValueError as error:  # no JSON, or no UTF-8
        raise BadOutput(f"{path}: line {number or 1} is no JSON: {error}") from None


def _plain(value: Any) -> Any:
    """What a column can take: objects and lists as JSON."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
