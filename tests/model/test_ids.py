"""Sortable ids, names that may be given, and references as people type them."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model.errors import BadPath, BadReference
from penstock.model.ids import ID, NAME, Reference, check_name, parse_reference, split_ancestry, uuid7

TIMES = st.integers(0, (1 << 48) * 1000 - 1)
NOISE = st.binary(min_size=8, max_size=12)
NAMES = st.from_regex(NAME, fullmatch=True)
REFS = st.none() | st.from_regex(r"[A-Za-z0-9_./^~-]+", fullmatch=True)
PATHS = st.none() | st.lists(st.text("ab c:@^é*[", min_size=1, max_size=3), max_size=3).map("/".join)


@given(TIMES, NOISE)
def test_an_id_is_a_uuid_of_version_7(now: int, noise: bytes) -> None:
    made = uuid7(now, noise)
    assert ID.fullmatch(made)
    read = uuid.UUID(made)
    assert (read.version, read.variant) == (7, uuid.RFC_4122)
    assert read.int >> 80 == now // 1000, "RFC 9562: milliseconds first"
    assert read.int & ((1 << 62) - 1) == int.from_bytes(noise[:8], "big") & ((1 << 62) - 1)


@given(TIMES, TIMES, NOISE, NOISE)
def test_ids_sort_by_time(one: int, other: int, noise: bytes, more: bytes) -> None:
    if one < other:
        assert uuid7(one, noise) < uuid7(other, more)


@given(TIMES.filter(lambda now: now + 1 < (1 << 48) * 1000), NOISE, NOISE)
def test_ids_of_neighbouring_microseconds_sort(now: int, noise: bytes, more: bytes) -> None:
    assert uuid7(now, noise) < uuid7(now + 1, more)


@pytest.mark.parametrize("name", ["a", "A9", "0", "edges-2_x", "x" * 64, "0123456789abcdef0123456789abcdeg"])
def test_names_that_may_be_given(name: str) -> None:
    assert check_name(name, "repo") == name


@pytest.mark.parametrize(
    "name", ["", "-a", "_a", "a b", "a/b", "a@b", "a:b", "a.b", "é", "a\n", "x" * 65, "0123456789abcdef" * 2]
)
def test_names_that_may_not(name: str) -> None:
    with pytest.raises(BadReference, match="repo"):
        check_name(name, "repo")


@given(NAMES, REFS, PATHS)
def test_a_reference_is_read_as_it_is_written(repo: str, ref: str | None, path: str | None) -> None:
    reference = Reference(repo, ref, path, path == "")
    assert parse_reference(str(reference)) == reference
    if path:
        assert parse_reference(f"{reference}/") == Reference(repo, ref, path, True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("images", Reference("images")),
        ("images@main", Reference("images", "main")),
        ("images:/", Reference("images", None, "", True)),
        ("images:a/b", Reference("images", None, "a/b")),
        ("images@main:/a/b/", Reference("images", "main", "a/b", True)),
        ("images:/a@b:c", Reference("images", None, "a@b:c")),
        ("images@a^2~:/x", Reference("images", "a^2~", "x")),
    ],
)
def test_references(text: str, expected: Reference) -> None:
    assert parse_reference(text) == expected


@pytest.mark.parametrize("text", ["", "@main", ":/a", "a b", "images@", "images@:/a", "-x", "a/b", "images@main@x:y\0"])
def test_references_that_cannot_be_read(text: str) -> None:
    with pytest.raises((BadReference, BadPath)):
        parse_reference(text)


@pytest.mark.parametrize("path", ["../x", "a/../b", "a//b", "a\nb"])
def test_paths_that_no_tree_holds(path: str) -> None:
    with pytest.raises(BadPath):
        parse_reference(f"images:/{path}")


@pytest.mark.parametrize(
    ("ref", "expected"),
    [
        ("main", ("main", 0, None)),
        ("main^", ("main", 1, None)),
        ("main^^^", ("main", 3, None)),
        ("main~3", ("main", 3, None)),
        ("main^0", ("main", 0, None)),
        ("main^2^2", ("main", 4, None)),
        ("main.1", ("main", 0, 1)),
        ("main.20", ("main", 0, 20)),
        ("main^" + "9" * 5000, ("main", 1 << 60, None)),
        ("main.9" + "9" * 5000, ("main", 0, 1 << 60)),
    ],
)
def test_ancestry(ref: str, expected: tuple[str, int, int | None]) -> None:
    assert split_ancestry(ref) == expected


@pytest.mark.parametrize("ref", ["", "^", "~2", ".1", "main^x", "main~-1", "main^2x", "main.", "main.x"])
def test_ancestry_that_cannot_be_read(ref: str) -> None:
    with pytest.raises(BadReference):
        split_ancestry(ref)


@pytest.mark.parametrize("ref", ["main^~", "main~2^2", "main.2^", "main^2.1", "main.1.2"])
def test_forms_of_ancestry_are_not_mixed(ref: str) -> None:
    with pytest.raises(BadReference, match="nothing or one of"):
        split_ancestry(ref)


def test_the_first_commit_is_number_one() -> None:
    with pytest.raises(BadReference, match="the first commit is main.1"):
        split_ancestry("main.0")
