"""Pachyderm's words: total over all combinations of core state, and each of them can be met."""

from __future__ import annotations

from itertools import product

import pytest

from penstock.compat.pachyderm.words import DATUM_STATES, JOB_STATES, datum_state, job_state, pipeline_state
from penstock.model.moves import AttemptState, JobState, Outcome, Reason, TaskState

OUTCOMES = [None, *Outcome]
REASONS = [None, *Reason]
REACHED = [None, *AttemptState]
ENDS = {"SUCCESS", "FAILURE", "KILLED", "UNRUNNABLE"}


def test_every_job_has_a_state_and_every_state_a_job() -> None:
    met = set()
    for state, outcome, reason, reached in product(JobState, OUTCOMES, REASONS, REACHED):
        word = job_state(state, outcome, reason, reached)
        met.add(word)
        assert (word in ENDS) == (state == JobState.DONE), "an end is told when it is there, and not before"
    assert met == set(JOB_STATES)


def test_every_datum_has_a_state_and_every_state_a_datum() -> None:
    met = {datum_state(*row) for row in product(TaskState, OUTCOMES, (False, True))}
    assert met == set(DATUM_STATES)


def test_a_job_goes_through_the_states_in_their_order() -> None:
    way = [job_state(JobState.WAITING), job_state(JobState.EXPANDING)]
    way += [job_state(JobState.OPEN, reached=reached) for reached in REACHED]
    way += [job_state(JobState.EXPORTING), job_state(JobState.CLOSING), job_state(JobState.DONE, Outcome.SUCCEEDED)]
    places = [JOB_STATES.index(word) for word in way]
    assert places == sorted(places)
    assert set(way) == set(JOB_STATES[:6])


@pytest.mark.parametrize(
    ("word", "outcome", "reason"),
    [
        ("SUCCESS", Outcome.SUCCEEDED, None),
        ("SUCCESS", Outcome.RECOVERED, None),
        ("FAILURE", Outcome.FAILED, Reason.TASKS),
        ("FAILURE", Outcome.FAILED, Reason.COLLISION),
        ("KILLED", Outcome.FAILED, Reason.TIMEOUT),
        ("KILLED", Outcome.CANCELLED, Reason.USER),
        ("KILLED", Outcome.CANCELLED, Reason.SUPERSEDED),
        ("KILLED", Outcome.TERMINATED, Reason.WALLTIME),
        ("UNRUNNABLE", Outcome.CANCELLED, Reason.UPSTREAM),
    ],
)
def test_how_it_ended(word: str, outcome: Outcome, reason: Reason | None) -> None:
    assert job_state(JobState.DONE, outcome, reason) == word


def test_pipelines() -> None:
    rows = list(product((False, True), repeat=2))
    assert [pipeline_state(*row) for row in rows] == ["STANDBY", "RUNNING", "PAUSED", "PAUSED"]
