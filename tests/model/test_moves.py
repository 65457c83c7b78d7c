"""The tables of states: complete, connected, and running forward."""

from __future__ import annotations

from itertools import pairwise, product

import pytest

from penstock.model.moves import (
    ATTEMPT_ORDER,
    MOVES,
    STATES,
    AttemptState,
    IllegalMove,
    Outcome,
    Reason,
    check_move,
    further,
)

NOUNS = sorted(MOVES)


def from_first(noun: str, arrows: set[tuple[str, str]]) -> set[str]:
    """The states that arrows lead to from the first one."""
    seen: set[str] = {next(iter(STATES[noun]))}
    while more := {end for start, end in arrows if start in seen} - seen:
        seen |= more
    return seen


def test_every_noun_has_both_tables() -> None:
    assert set(MOVES) == set(STATES)
    assert set(ATTEMPT_ORDER) == set(AttemptState)


@pytest.mark.parametrize("noun", NOUNS)
def test_arrows_join_states_of_their_noun_and_say_what_moves_them(noun: str) -> None:
    states = set(STATES[noun])
    for (old, new), what in MOVES[noun].items():
        assert {old, new} <= states
        assert old != new
        assert what


@pytest.mark.parametrize("noun", NOUNS)
def test_every_state_is_reached_and_reaches_the_last(noun: str) -> None:
    states = list(STATES[noun])
    last = states[-1]
    assert from_first(noun, set(MOVES[noun])) == set(states)
    for state in states[:-1]:
        seen = {state}
        while more := {end for start, end in MOVES[noun] if start in seen} - seen:
            seen |= more
        assert last in seen
    assert not [start for start, _ in MOVES[noun] if start == last], "what is over stays over"


@pytest.mark.parametrize("noun", NOUNS)
def test_only_a_task_goes_back(noun: str) -> None:
    order = {state: place for place, state in enumerate(STATES[noun])}
    backwards = {(old, new) for old, new in MOVES[noun] if order[new] < order[old]}
    assert backwards == ({("active", "ready")} if noun == "task" else set())


@pytest.mark.parametrize("noun", NOUNS)
def test_what_is_not_in_the_table_is_refused(noun: str) -> None:
    for old, new in product(STATES[noun], repeat=2):
        if old == new or (old, new) in MOVES[noun]:
            check_move(noun, old, new)
        else:
            with pytest.raises(IllegalMove, match=f"{noun}: there is no arrow {old} -> {new}"):
                check_move(noun, old, new)


def test_the_furthest_never_goes_back() -> None:
    states = list(AttemptState)
    for one, other in product(states, repeat=2):
        assert further(one, other) == max(one, other, key=states.index)
    for state in states:
        assert further(None, state) == state
    assert all(further(later, earlier) == later for earlier, later in pairwise(states))


def test_values_are_words_of_their_own() -> None:
    for words in ([*Outcome], [*Reason]):
        assert all(word.isalpha() and word.islower() for word in words)
    assert not set(Outcome) & set(Reason)
