"""A mapping that spills: whatever is set is found, whether it is held or not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.store.spilling import Spilling

NAMES = st.text(max_size=3)


@given(st.lists(st.tuples(NAMES, NAMES)), st.integers(1, 5))
def test_it_is_a_mapping(pairs: list[tuple[str, str]], held: int) -> None:
    spilling, plain = Spilling(held), dict[str, str]()
    for key, value in pairs:
        assert spilling.get(key) == plain.get(key)
        spilling[key] = plain[key] = value
    assert dict(spilling) == plain
    assert len(spilling) == len(plain)


def test_what_is_not_there(held: int = 1) -> None:
    spilling = Spilling(held)
    spilling.update(a="1", b="2", c="3")
    assert "d" not in spilling and spilling.get("d", "x") == "x"
    with pytest.raises(KeyError):
        spilling["d"]
    with pytest.raises(TypeError):
        del spilling["a"]
