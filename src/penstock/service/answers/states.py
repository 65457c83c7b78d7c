"""Lists of what is in some states only: the words people give, and pages of what has them."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

from penstock.model.errors import UsageError
from penstock.model.moves import JobState, Outcome, TaskState
from penstock.model.run import Job, Run, Task
from penstock.model.words import JOB_WORDS, RUN_WORDS, TASK_WORDS
from penstock.service.resolve import suggestion

Row = TypeVar("Row", Job, Run, Task)

#: The words that a task, a job and a run can have.
WORDS: dict[str, tuple[str, ...]] = {"task": TASK_WORDS, "job": JOB_WORDS, "run": RUN_WORDS}
#: What others say -> our word.
_SAME = {"failed": "failure", "succeeded": "success", "cancelled": "killed", "canceled": "killed", "stopped": "killed"}
#: Word of something that is over -> the outcomes it may stand for.
_OUTCOMES = {
    "success": {Outcome.SUCCEEDED, Outcome.RECOVERED},
    "failure": {Outcome.FAILED},
    "killed": {Outcome.FAILED, Outcome.CANCELLED},
    "unrunnable": {Outcome.FAILED, Outcome.CANCELLED},
    "terminated": {Outcome.TERMINATED},
}
_OPEN = {state.value for states in (JobState, TaskState) for state in states if state.value != "done"}
#: How many rows are looked through at once.
_PAGE = 1000


def read_states(given: Sequence[str], kind: str) -> frozenset[str]:
    """The words of some states of a `task`, a `job` or a `run`; none: all. Raises UsageError."""
    found = {_SAME.get(word.lower(), word.lower()) for word in given}
    for word in sorted(found.difference(WORDS[kind])):
        raise UsageError(f"--state {word}: no {kind} is in such a state{suggestion(word, WORDS[kind])}")
    return frozenset(found)


def among(states: Collection[str]) -> str:
    """Of rows that may have one of some words the outcome, or the state where there is none yet, as JSON for a query:
    what the words tell apart beyond that is looked at row by row.
    """
    return json.dumps(sorted({one for word in states for one in _OUTCOMES.get(word, _OPEN)}))


def picked(
    load: Callable[[int, int], Sequence[Row]],
    start: int,
    limit: int,
    word: Callable[[Row], str],
    states: Collection[str],
) -> list[Row]:
    """Up to `limit` rows that have one of some words. `load(after, count)` gives rows behind a `seq`."""
    found: list[Row] = []
    while len(found) < limit:
        rows = load(start, _PAGE)
        found += [row for row in rows if word(row) in states]
        if len(rows) < _PAGE:
            break
        start = rows[-1].seq
    return found[:limit]
