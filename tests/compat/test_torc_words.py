"""Torc's words: total over all combinations of core state, and each of them can be met."""

from __future__ import annotations

from itertools import product

import pytest

from penstock.compat.torc.words import ENDS, STATUSES, job_status
from penstock.model.moves import AttemptState, JobState, Outcome, Reason

STATES = [None, *JobState]
OUTCOMES = [None, *Outcome]
REASONS = [None, *Reason]
REACHED = [None, *AttemptState]


def test_every_job_has_a_status_and_every_status_a_job() -> None:
    met = set()
    for state, outcome, reason, reached, waits, off in product(
        STATES, OUTCOMES, REASONS, REACHED, (0, 1), (False, True)
    ):
        word = job_status(state, outcome, reason, reached, waits, off)
        met.add(word)
        shown_off = off and state in (None, JobState.DONE)
        assert (word == "disabled") == shown_off, "what is under way is not disabled"
        assert (word in ENDS) == (state == JobState.DONE and not off), "an end is told when it is there, and not before"
    assert met == set(STATUSES)


def test_a_job_goes_through_the_statuses_in_their_order() -> None:
    way = [job_status(None), job_status(JobState.WAITING, waits=2), job_status(JobState.WAITING)]
    way += [job_status(JobState.EXPANDING), *(job_status(JobState.OPEN, reached=reached) for reached in REACHED)]
    way += [job_status(JobState.EXPORTING), job_status(JobState.CLOSING), job_status(JobState.DONE, Outcome.SUCCEEDED)]
    places = [STATUSES.index(word) for word in way]
    assert places == sorted(places)
    assert set(way) == set(STATUSES[:6])


@pytest.mark.parametrize(
    ("word", "outcome", "reason"),
    [
        ("done", Outcome.SUCCEEDED, None),
        ("done", Outcome.RECOVERED, None),
        ("done", Outcome.FAILED, Reason.EXIT),
        ("done", Outcome.FAILED, Reason.MEMORY),
        ("canceled", Outcome.FAILED, Reason.TIMEOUT),
        ("canceled", Outcome.FAILED, Reason.UNRUNNABLE),
        ("canceled", Outcome.CANCELLED, Reason.USER),
        ("canceled", Outcome.CANCELLED, Reason.UPSTREAM),
        ("terminated", Outcome.TERMINATED, Reason.WALLTIME),
    ],
)
def test_how_it_ended(word: str, outcome: Outcome, reason: Reason | None) -> None:
    assert job_status(JobState.DONE, outcome, reason) == word
