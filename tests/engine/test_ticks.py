"""When a repo of ticks gets its files: at a distance that is kept, whatever was missed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from penstock.engine.ticks import MOST, due, next_tick
from penstock.model.run import Clock
from penstock.model.times import every

HOUR = 3_600_000_000


def clock(cron: str, ticked: int, catchup: str = "latest") -> Clock:
    return Clock("step-tick", "p", cron, "UTC", False, catchup, ticked)


@given(
    st.integers(1, 5000),
    st.integers(0, 10**12),
    st.lists(st.integers(0, 10**11), max_size=20),
    st.sampled_from(["latest", "all"]),
)
def test_a_distance_is_kept_however_often_one_looks(period: int, start: int, pauses: list[int], catchup: str) -> None:
    expression, now, ticked, ticks = every(period), start, start, list[int]()
    for pause in pauses:
        now += pause
        found, ticked = due(clock(expression, ticked, catchup), now)
        ticks += found
        assert all(start < tick <= now for tick in found)
        if catchup == "latest" or len(found) < MOST:
            following = next_tick(clock(expression, ticked))
            assert following is not None and now < following <= now + period * 1_000_000
    whole = start - start % 1_000_000
    assert ticks == sorted(set(ticks)) and all((tick - whole) % (period * 1_000_000) == 0 for tick in ticks)
    if catchup == "all":
        assert ticks == [whole + number * period * 1_000_000 for number in range(1, len(ticks) + 1)]


def test_missed_ticks_of_a_distance() -> None:
    late = 10 * HOUR + 5 * 60_000_000
    assert due(clock("@every 3600s", 0), late) == ([10 * HOUR], 10 * HOUR)
    assert due(clock("@every 3600s", 0, "none"), late) == ([], 10 * HOUR)
    assert len(due(clock("@every 3600s", 0, "all"), late)[0]) == 10
    assert due(clock("@never", 0, "all"), late) == ([], 0) and next_tick(clock("@never", 0)) is None
