"""When a trigger fires, by number and by clock."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.engine.clock import cron_after, cron_until
from penstock.engine.due import due_at
from penstock.model.errors import UsageError
from penstock.model.run import Trigger
from penstock.text.cron import SHORTHANDS, check_cron

HOUR = 3_600_000_000


def trigger(**values: Any) -> Trigger:
    return Trigger(
        **{
            "repo": "in",
            "branch": "late",
            "watches": "main",
            "size": None,
            "commits": None,
            "every": None,
            "cron": None,
            "needs": "any",
            "fired": 0,
            **values,
        }
    )


def micros(text: str) -> int:
    return int(datetime.datetime.fromisoformat(f"{text}+00:00").timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("values", "growth", "commits", "expected"),
    [
        ({"size": 10}, 9, 5, None),
        ({"size": 10}, 10, 1, 0),
        ({"size": 10}, -10, 1, None),
        ({"size": 0}, 0, 1, 0),
        ({"commits": 3}, 99, 2, None),
        ({"commits": 3}, 0, 3, 0),
        ({"every": HOUR, "fired": 5}, 0, 1, HOUR + 5),
        ({"cron": "30 * * * *", "fired": HOUR}, 0, 1, HOUR + HOUR // 2),
        ({"size": 10, "commits": 3}, 10, 1, 0),
        ({"size": 10, "commits": 3, "needs": "all"}, 10, 1, None),
        ({"size": 10, "commits": 3, "needs": "all"}, 10, 3, 0),
        ({"size": 10, "every": HOUR}, 9, 1, HOUR),
        ({"size": 10, "every": HOUR, "needs": "all"}, 9, 1, None),
        ({"size": 10, "every": HOUR, "needs": "all"}, 10, 1, HOUR),
        ({"every": HOUR, "cron": "30 0 * * *", "needs": "all"}, 0, 1, HOUR),
        ({"every": HOUR, "cron": "30 0 * * *"}, 0, 1, HOUR // 2),
        ({"every": HOUR, "size": 0, "commits": 1}, 100, 0, None),
    ],
)
def test_a_trigger_is_due(values: dict[str, Any], growth: int, commits: int, expected: int | None) -> None:
    assert due_at(trigger(**values), growth, commits) == expected


@given(
    st.fixed_dictionaries(
        {}, optional={"size": st.integers(0, 100), "commits": st.integers(1, 5), "every": st.integers(1, HOUR)}
    ).filter(bool),
    st.integers(-100, 100),
    st.integers(0, 5),
)
def test_all_is_never_sooner_than_any(when: dict[str, int], growth: int, commits: int) -> None:
    soonest, latest = (due_at(trigger(**when, needs=needs), growth, commits) for needs in ("any", "all"))
    if not commits:
        assert soonest is None and latest is None
    if latest is not None:
        assert soonest is not None and soonest <= latest
    if len(when) == 1:
        assert soonest == latest


@pytest.mark.parametrize(
    ("cron", "after", "expected"),
    [
        ("0 2 * * *", "2026-03-01T01:59:59", "2026-03-01T02:00:00"),
        ("0 2 * * *", "2026-03-01T02:00:00", "2026-03-02T02:00:00"),
        ("0 0 29 2 *", "2026-03-01T00:00:00", "2028-02-29T00:00:00"),
        ("0 9 * * MON-FRI", "2026-11-20T10:00:00", "2026-11-23T09:00:00"),
        ("*/15 * * * *", "2026-01-01T00:07:00", "2026-01-01T00:15:00"),
        ("0 0 1 1 *", "2026-01-01T00:00:00", "2027-01-01T00:00:00"),
        ("0 0 ? * MON", "2026-03-01T00:00:00", "2026-03-02T00:00:00"),
        ("?/15 * * * *", "2026-01-01T00:07:00", "2026-01-01T00:15:00"),
        ("TZ=Europe/Berlin 0 2 * * *", "2026-07-01T00:00:00", "2026-07-02T00:00:00"),
        ("CRON_TZ=Asia/Tokyo @daily", "2026-07-01T14:00:00", "2026-07-01T15:00:00"),
        ("@every 10m", "2026-01-01T00:07:30", "2026-01-01T00:17:30"),
        ("@every 1h30m", "2026-01-01T23:00:00", "2026-01-02T00:30:00"),
        ("TZ=Europe/Berlin @every 90s", "2026-01-01T00:00:00", "2026-01-01T00:01:30"),
    ],
)
def test_cron_names_times(cron: str, after: str, expected: str) -> None:
    assert cron_after(check_cron(cron), micros(after)) == micros(expected)


def test_shorthands_are_five_fields() -> None:
    for word, fields in SHORTHANDS.items():
        assert check_cron(word) == check_cron(word.upper()) == fields
        assert cron_after(fields, 0) is not None


@pytest.mark.parametrize(
    "text",
    ["", "1 2 3", "0 0 0 * * *", "61 * * * *", "0 0 31 2 *", "a b c d e", "5? * * * *", "@never 1", "@daily 1"]
    + ["@every", "@every soon", "@every 0s", "@every 300ms", "@every 1.5s", "@every -1m"]
    + ["TZ=Europe/Berlin", "TZ= 0 2 * * *", "TZ=Nowhere/City 0 2 * * *", "TZ=Local @daily"],
)
def test_what_is_no_cron(text: str) -> None:
    with pytest.raises(UsageError, match="cron"):
        check_cron(text)


def test_never_is_no_time() -> None:
    assert check_cron(" @NEVER ") == check_cron("TZ=Asia/Tokyo @never") == "@never"
    assert cron_after("@never", 0) is None and cron_until("@never", HOUR, 0) is None
    assert due_at(trigger(cron="@never"), 10, 10) is None
