"""Row ↔ noun: which columns hold JSON, which may change, and what a row must still be when it is replaced."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

import msgspec

from penstock.model import run as nouns
from penstock.store.base import TABLES

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_decode_inputs = msgspec.json.Decoder(tuple[nouns.JobInput, ...]).decode
_JSON_EMPTY = "{}"


def _dump(value: Any) -> str:
    return _encode(value).decode() if value else _JSON_EMPTY


_Codec = tuple[Callable[[Any], Any], Callable[[Any], Any]]
_JSON: _Codec = (_dump, lambda text: {} if text == _JSON_EMPTY else _decode(text))
_INPUTS: _Codec = (lambda inputs: _encode(inputs).decode(), _decode_inputs)
_ANY: _Codec = (lambda value: _encode(value).decode(), _decode)
_KEY: _Codec = ("\n".join, lambda text: tuple(text.split("\n")))
_FLAG: _Codec = (int, bool)

#: (noun, column) -> how it is written and read; all others are stored as they are.
CODECS: dict[tuple[type, str], _Codec] = {
    (nouns.Clock, "overwrite"): _FLAG,
    (nouns.Run, "params"): _JSON,
    (nouns.Job, "inputs"): _INPUTS,
    (nouns.Job, "parts"): _JSON,
    (nouns.Job, "expanded"): _FLAG,
    (nouns.Task, "key"): _KEY,
    (nouns.Task, "params"): _JSON,
    (nouns.Task, "reuse"): _FLAG,
    (nouns.Task, "reused"): _FLAG,
    (nouns.Event, "data"): _JSON,
    (nouns.Document, "ephemeral"): _FLAG,
    (nouns.Place, "good"): _FLAG,
    (nouns.Place, "state"): _ANY,
}

#: Columns that name a row; then what else must still be true when it is replaced.
IDENTITY: dict[type, tuple[tuple[str, ...], tuple[str, ...]]] = {
    nouns.Branch: (("repo", "name"), ("head",)),
    nouns.Commit: (("seq",), ("root", "finished")),
    nouns.Run: (("seq",), ("state",)),
    nouns.Job: (("seq",), ("state",)),
    nouns.Task: (("seq",), ("state",)),
    nouns.Attempt: (("task", "number"), ("state", "token")),
    nouns.Document: (("seq",), ("revision",)),
    nouns.Allocation: (("seq",), ("state",)),
}

#: Columns that never change after the row was made, or that only the verbs of people write (hold, stop).
FIXED: dict[type, frozenset[str]] = {
    nouns.Branch: frozenset({"created"}),
    nouns.Commit: frozenset({"id", "repo", "branch", "origin", "created"}),
    nouns.Run: frozenset(
        {"id", "project", "owner", "pipeline", "version", "params", "origin", "created", "stop", "hold", "number"}
    ),
    nouns.Job: frozenset({"run", "pipeline", "version", "step", "repo", "created", "stop", "hold", "kept"}),
    nouns.Task: frozenset(
        {"job", "id", "key", "fingerprint", "params", "inputs", "reuse", "created", "stop", "hold", "again"}
    ),
    nouns.Attempt: frozenset({"token", "worker", "created"}),
    nouns.Document: frozenset({"pipeline", "step", "name", "created"}),
    nouns.Allocation: frozenset({"site", "name", "element", "cpus", "memory", "gpus", "nodes", "seconds", "created"}),
}


def columns(noun: type[msgspec.Struct]) -> tuple[str, ...]:
    """The column names of a noun's table, in the order of its fields."""
    return noun.__struct_fields__


def decoder(noun: type[msgspec.Struct]) -> Callable[[tuple[Any, ...]], Any]:
    """A function from a database row (all columns, in order) to the noun."""
    codecs = [(place, CODECS[noun, name][1]) for place, name in enumerate(columns(noun)) if (noun, name) in CODECS]
    if not codecs:
        return lambda row: noun(*row)

    def decode(row: tuple[Any, ...]) -> Any:
        values = list(row)
        for place, read in codecs:
            values[place] = read(values[place])
        return noun(*values)

    return decode


def encoder(noun: type[msgspec.Struct], names: tuple[str, ...]) -> Callable[[Any], list[Any]]:
    """A function from a noun to the values of the named columns."""
    # One name gives a bare value, several a tuple.
    values_of = attrgetter(*names) if len(names) > 1 else lambda row: (getattr(row, names[0]),)
    codecs = [(place, CODECS[noun, name][0]) for place, name in enumerate(names) if (noun, name) in CODECS]

    def encode(row: Any) -> list[Any]:
        values = list(values_of(row))
        for place, write in codecs:
            values[place] = write(values[place])
        return values

    return encode


def table(noun: type) -> str:
    """The quoted table name of a noun."""
    return f'"{TABLES[noun]}"'


def insert_sql(noun: type, names: tuple[str, ...]) -> str:
    marks = ", ".join("?" * len(names))
    listed = ", ".join(f'"{name}"' for name in names)
    verb = "insert or ignore" if noun is nouns.Success else "insert"
    return f"{verb} into {table(noun)} ({listed}) values ({marks})"


def update_sql(noun: type[msgspec.Struct]) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """The one update statement of a noun, the columns it sets, and the columns of the old row it looks for."""
    identity, still = IDENTITY[noun]
    changing = tuple(name for name in columns(noun) if name not in FIXED[noun] and name not in identity)
    looked_for = identity + still
    setting = ", ".join(f'"{name}" = ?' for name in changing)
    finding = " and ".join(f'"{name}" is ?' for name in looked_for)
    return f"update {table(noun)} set {setting} where {finding}", changing, looked_for
