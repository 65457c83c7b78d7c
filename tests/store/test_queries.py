"""The file of named queries: each says what it is for, and somebody asks it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import penstock
from penstock.store.queries import SQL, queries

SOURCES = [
    path.read_text()
    for path in Path(penstock.__file__).parent.rglob("*.py")
    if "testing" not in path.parts and "examples" not in path.parts
]

#: The story is written from the first run on; those who show it come with the server.
UNREAD = {"events_of_run"}


def test_names_are_given_once() -> None:
    names = re.findall(r"^-- name: (.*)$", (SQL / "queries.sql").read_text(), re.M)
    assert len(names) == len(set(names)) == len(queries())
    assert all(re.fullmatch(r"[a-z_]+", name) for name in names)


@pytest.mark.parametrize("name", sorted(queries()))
def test_a_query_begins_with_a_sentence(name: str) -> None:
    first, _, statement = queries()[name].partition("\n")
    assert re.fullmatch(r"-- [A-Z].*\.", first)
    assert ";" not in re.sub(r"--.*", "", statement), "one statement"


@pytest.mark.parametrize("name", sorted(queries()))
def test_a_query_is_asked_somewhere(name: str) -> None:
    asked = any(f'"{name}"' in source for source in SOURCES)
    assert asked != (name in UNREAD), "nobody asks it: delete it"
