"""Sizes and durations, read and shown."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model.errors import UsageError
from penstock.text.units import MAX_SECONDS, MAX_SIZE, parse_seconds, parse_size, show_seconds, show_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("80g", 80 * 10**9),
        ("80G", 80 * 10**9),
        ("80GB", 80 * 10**9),
        ("80 gb", 80 * 10**9),
        ("80GiB", 80 * 2**30),
        ("1.5k", 1500),
        ("0.5 KiB", 512),
        ("1e", 10**18),
        ("0.0009k", 0),
        ("17", 17),
        ("17B", 17),
        (" 17 b ", 17),
        (0, 0),
        (MAX_SIZE, MAX_SIZE),
    ],
)
def test_sizes(text: Any, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text",
    [
        "",
        "g",
        "-1",
        "1.g",
        ".5g",
        "1 g b",
        "1x",
        "1gi",
        "1bb",
        "1e5",
        "1_000",
        "٣",
        "9" * 200,
        "1" + "k" * 200,
        -1,
        True,
    ],
)
def test_no_sizes(text: Any) -> None:
    with pytest.raises(UsageError, match="80GiB"):
        parse_size(text)


@pytest.mark.parametrize("text", [MAX_SIZE + 1, "10E"])
def test_sizes_beyond_any_machine(text: Any) -> None:
    with pytest.raises(UsageError, match=r"is more than 9.2 EB"):
        parse_size(text)


def test_a_number_too_long_to_print_is_an_error_too() -> None:
    with pytest.raises(UsageError, match="is more than"):
        parse_size(10**5000)
    with pytest.raises(UsageError, match="is longer than"):
        parse_seconds(10**5000)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("P0DT12H", 43200.0),
        ("P1W", 604800.0),
        ("P1DT1M0.5S", 86460.5),
        ("12h", 43200.0),
        ("10m", 600.0),
        ("10min", 600.0),
        ("1h30m", 5400.0),
        ("2d 3h", 183600.0),
        ("1.5H", 5400.0),
        ("30m1h", 5400.0),
        ("300ms", 0.3),
        ("1m0.5s", 60.5),
        ("1s500ms250us", 1.50025),
        ("7µs", 7e-6),
        ("7μs", 7e-6),
        ("1500ns", 1.5e-6),
        (".5s", 0.5),
        ("2.s", 2.0),
        ("0.1s", 0.1),
        ("12:00:05", 43205.0),
        ("100:00:00", 360000.0),
        ("00:00:00.25", 0.25),
        ("90", 90.0),
        ("1.5", 1.5),
        (90, 90.0),
        (0.25, 0.25),
    ],
)
def test_durations(text: Any, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "P",
        "PT",
        "P1Y",
        "1y",
        "1h1h",
        "1m30",
        "5 ms s",
        "1:30",
        "1:60:00",
        "-1",
        "1h-1m",
        "h",
        "12 parsecs",
        "1" * 200,
        "1h" * 99,
    ]
    + [-1, -0.5, float("nan"), True],
)
def test_no_durations(text: Any) -> None:
    with pytest.raises(UsageError, match="PT12H"):
        parse_seconds(text)


@pytest.mark.parametrize("text", [float("inf"), 10**400, "9" * 90, "999999999d"])
def test_durations_beyond_any_clock(text: Any) -> None:
    with pytest.raises(UsageError, match="longer than 100000000000 seconds"):
        parse_seconds(text)


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_999, "1.0 MB"),
        (1_400_000_000, "1.4 GB"),
        (10**18, "1.0 EB"),
        (MAX_SIZE, "9.2 EB"),
    ],
)
def test_sizes_for_people(size: int, shown: str) -> None:
    assert show_size(size) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0.0s"),
        (0.94, "0.9s"),
        (9.96, "10s"),
        (59.4, "59s"),
        (59.6, "1m00s"),
        (125, "2m05s"),
        (3599.7, "1h00m"),
        (3720, "1h02m"),
        (86399, "1d00h"),
        (183600, "2d03h"),
    ],
)
def test_durations_for_people(seconds: float, shown: str) -> None:
    assert show_seconds(seconds) == shown


@given(st.integers(0, MAX_SIZE))
def test_a_shown_size_reads_as_about_itself(size: int) -> None:
    shown = show_size(size)
    assert len(shown) <= 8
    assert abs(parse_size(shown) - size) <= size * 0.051


@given(st.floats(0, MAX_SECONDS - 86400))
def test_a_shown_duration_reads_as_about_itself(seconds: float) -> None:
    assert abs(parse_seconds(show_seconds(seconds)) - seconds) <= max(0.0501, seconds * 0.051)


@given(st.floats(0, MAX_SECONDS - 86400), st.floats(0, MAX_SECONDS - 86400))
def test_longer_never_shows_as_shorter(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert parse_seconds(show_seconds(low)) <= parse_seconds(show_seconds(high))


@given(st.text(max_size=12) | st.text("0123456789.:hmsdPTWkgiB ", max_size=12))
def test_any_text_is_a_number_or_one_error(text: str) -> None:
    for parse in (parse_size, parse_seconds):
        with suppress(UsageError):
            assert parse(text) >= 0
