"""The words people see: total over all combinations, and every word can be met."""

from __future__ import annotations

from itertools import product

import pytest

from penstock.model.moves import AttemptState, JobState, Outcome, Reason, RunState, TaskState
from penstock.model.words import (
    JOB_WORDS,
    OUTCOME_WORDS,
    RUN_WORDS,
    TASK_WORDS,
    ended_word,
    job_word,
    run_word,
    task_word,
)

ENDS = {"success", "failure", "killed", "unrunnable", "terminated"}

OUTCOMES = [None, *Outcome]
REASONS = [None, *Reason]
HOLDS = [None, "user", "site"]


def test_every_job_has_a_word_and_every_word_a_job() -> None:
    met = set()
    for state, outcome, reason, reached, hold, doubt in product(
        JobState, OUTCOMES, REASONS, [None, *AttemptState], HOLDS, (False, True)
    ):
        word = job_word(state, outcome, reason, reached, hold, doubt)
        met.add(word)
        assert (word in ENDS) == (state == JobState.DONE), "an end is told when it is there, and not before"
    assert met == set(JOB_WORDS)


def test_every_run_and_task_has_a_word() -> None:
    runs = {run_word(*row): row[0] for row in product(RunState, OUTCOMES, REASONS, HOLDS)}
    assert set(runs) == ENDS | {"created", "running", "paused"} == set(RUN_WORDS)
    tasks = {task_word(*row): row[0] for row in product(TaskState, OUTCOMES, REASONS)}
    assert set(tasks) == ENDS | {"created", "running"} == set(TASK_WORDS)


def test_every_outcome_has_a_word() -> None:
    assert set(OUTCOME_WORDS) == set(Outcome)
    assert all(ended_word(outcome, reason) in ENDS for outcome, reason in product(OUTCOMES, REASONS))


@pytest.mark.parametrize(
    ("word", "outcome", "reason"),
    [
        ("success", Outcome.SUCCEEDED, None),
        ("success", Outcome.RECOVERED, Reason.EXIT),
        ("failure", Outcome.FAILED, Reason.EXIT),
        ("failure", Outcome.FAILED, Reason.TASKS),
        ("killed", Outcome.CANCELLED, Reason.USER),
        ("killed", Outcome.CANCELLED, Reason.SUPERSEDED),
        ("killed", Outcome.FAILED, Reason.TIMEOUT),
        ("unrunnable", Outcome.CANCELLED, Reason.UPSTREAM),
        ("unrunnable", Outcome.FAILED, Reason.UNRUNNABLE),
        ("terminated", Outcome.TERMINATED, Reason.WALLTIME),
    ],
)
def test_how_it_ended(word: str, outcome: str, reason: str | None) -> None:
    assert ended_word(outcome, reason) == word
    assert job_word(JobState.DONE, outcome, reason, hold="user", doubt=True) == word
    assert run_word(RunState.DONE, outcome, reason, hold="user") == word
    assert task_word(TaskState.DONE, outcome, reason) == word


@pytest.mark.parametrize(
    ("word", "reached"),
    [
        ("starting", None),
        ("starting", AttemptState.STAGING),
        ("queued", AttemptState.QUEUED),
        ("running", AttemptState.RUNNING),
        ("running", AttemptState.COLLECTING),
        ("running", AttemptState.ENDED),
    ],
)
def test_an_open_job_shows_how_far_its_attempts_got(word: str, reached: str | None) -> None:
    assert job_word(JobState.OPEN, reached=reached) == word
    assert job_word(JobState.OPEN, reached=reached, hold="user") == "paused"
    assert job_word(JobState.OPEN, reached=reached, hold="site") == "held"
    assert job_word(JobState.OPEN, reached=reached, hold="site", doubt=True) == "unknown"


def test_the_other_states() -> None:
    words = {state: job_word(state) for state in JobState if state not in (JobState.OPEN, JobState.DONE)}
    assert words == {"waiting": "created", "expanding": "created", "exporting": "egress", "closing": "finishing"}
    assert [run_word(RunState.DRAFT), run_word(RunState.ACTIVE)] == ["created", "running"]
    assert [run_word(state, hold="user") for state in (RunState.DRAFT, RunState.ACTIVE)] == ["paused", "paused"]
    assert [task_word(TaskState.READY), task_word(TaskState.ACTIVE)] == ["created", "running"]
