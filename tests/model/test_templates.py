"""Parameters in the words of commands."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.model.errors import UsageError
from penstock.model.templates import fill, show


@pytest.mark.parametrize("value", [None, True, 1, 0.5, 1e16, "a b", "é", [1, None], {"a": 1}])
def test_a_place_holds_what_the_variable_does(value: Any) -> None:
    assert fill("x{i}", {"i": value}) == "x" + show(value)


@pytest.mark.parametrize(
    "how", ["999999999999999d", ".1001f", "01001", ">٩٩٩٩", "9" * 5000, "q", "5.x", "\N{SUPERSCRIPT TWO}d"]
)
def test_what_cannot_be_written_or_is_too_wide_is_refused(how: str) -> None:
    with pytest.raises(UsageError, match="cannot be written so"):
        fill(f"{{i:{how}}}", {"i": 1})
    assert len(fill("{i:1000}{i:.1000f}", {"i": 1})) == 2002
