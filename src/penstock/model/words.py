"""The words people see for a job, a run and a task: pure, total functions of core state.

`created starting running egress finishing success failure killed unrunnable`, and `queued terminated held paused
unknown` beside them. The faces of other systems have tables like these of their own.
"""

from __future__ import annotations

from penstock.model.moves import AttemptState, JobState, Outcome, Reason, RunState, TaskState

#: Outcome of something that is over -> word.
OUTCOME_WORDS: dict[str, str] = {
    Outcome.SUCCEEDED: "success",
    Outcome.RECOVERED: "success",
    Outcome.FAILED: "failure",
    Outcome.CANCELLED: "killed",
    Outcome.TERMINATED: "terminated",
}

_OPEN_WORDS: dict[str | None, str] = {
    None: "starting",
    AttemptState.STAGING: "starting",
    AttemptState.PREPARING: "starting",
    AttemptState.SUBMITTING: "starting",
    AttemptState.QUEUED: "queued",
    AttemptState.RUNNING: "running",
    AttemptState.COLLECTING: "running",
    AttemptState.ENDED: "running",
}

_JOB_WORDS: dict[str, str] = {
    JobState.WAITING: "created",
    JobState.EXPANDING: "created",
    JobState.EXPORTING: "egress",
    JobState.CLOSING: "finishing",
}


_ENDED = ("success", "failure", "killed", "unrunnable", "terminated")
#: All words that a task, a job and a run can have.
TASK_WORDS = ("created", "running", *_ENDED)
JOB_WORDS = (*("created", "starting", "queued", "running", "egress", "finishing", "held", "paused", "unknown"), *_ENDED)
RUN_WORDS = ("created", "running", "paused", *_ENDED)


def ended_word(outcome: str | None, reason: str | None) -> str:
    """The word for an outcome; a failure upstream makes what never ran `unrunnable`, a timeout kills."""
    if outcome == Outcome.CANCELLED and reason == Reason.UPSTREAM or reason == Reason.UNRUNNABLE:
        return "unrunnable"
    if outcome == Outcome.FAILED and reason == Reason.TIMEOUT:
        return "killed"
    return OUTCOME_WORDS[outcome or Outcome.FAILED]


def job_word(
    state: str,
    outcome: str | None = None,
    reason: str | None = None,
    reached: str | None = None,
    hold: str | None = None,
    doubt: bool = False,
) -> str:
    """The word for a job. `hold` is who holds it: `user` or `site`."""
    if state == JobState.DONE:
        return ended_word(outcome, reason)
    if doubt:
        return "unknown"
    if hold is not None:
        return "paused" if hold == "user" else "held"
    return _OPEN_WORDS[reached] if state == JobState.OPEN else _JOB_WORDS[state]


def run_word(state: str, outcome: str | None = None, reason: str | None = None, hold: str | None = None) -> str:
    """The word for a run."""
    if state == RunState.DONE:
        return ended_word(outcome, reason)
    if hold is not None:
        return "paused"
    return "created" if state == RunState.DRAFT else "running"


def task_word(state: str, outcome: str | None = None, reason: str | None = None) -> str:
    """The word for a task."""
    if state == TaskState.DONE:
        return ended_word(outcome, reason)
    return "created" if state == TaskState.READY else "running"


def left_out_words(message: str) -> str:
    """What is said of a task that a job goes on without, which ended with `message`."""
    return f"left out by its err_run: {message}"
