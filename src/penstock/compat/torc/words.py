"""Torc's words for a job: one pure, total function of core state."""

from __future__ import annotations

from penstock.model.moves import AttemptState, JobState, Outcome, Reason

#: The statuses of what is not over, in the order in which one goes through them, then the others.
STATUSES = (
    *("uninitialized", "blocked", "ready", "submitted_pending", "submitted"),
    *("done", "terminated", "canceled", "disabled"),
)
ENDS = frozenset({"done", "terminated", "canceled"})

_REACHED: dict[str | None, str] = {
    None: "ready",
    AttemptState.STAGING: "submitted_pending",
    AttemptState.PREPARING: "submitted_pending",
    AttemptState.SUBMITTING: "submitted_pending",
    AttemptState.QUEUED: "submitted_pending",
    AttemptState.RUNNING: "submitted",
    AttemptState.COLLECTING: "submitted",
    AttemptState.ENDED: "submitted",
}
_ENDS: dict[str, str] = {
    Outcome.SUCCEEDED: "done",
    Outcome.RECOVERED: "done",
    Outcome.FAILED: "done",
    Outcome.CANCELLED: "canceled",
    Outcome.TERMINATED: "terminated",
}


def job_status(
    state: str | None,
    outcome: str | None = None,
    reason: str | None = None,
    reached: str | None = None,
    waits: int = 0,
    disabled: bool = False,
) -> str:
    """The status of a step. `state` is that of its job in the run that is meant, None where it is in none yet; `waits`
    how many jobs it waits for. A disabled step shows as that unless its job is under way.
    """
    if disabled and state in (None, JobState.DONE):
        return "disabled"
    if state is None:
        return "uninitialized"
    if state == JobState.WAITING:
        return "blocked" if waits else "ready"
    if state == JobState.EXPANDING:
        return "ready"
    if state == JobState.OPEN:
        return _REACHED[reached]
    if state != JobState.DONE:
        return "submitted"
    if outcome == Outcome.FAILED and reason in (Reason.TIMEOUT, Reason.UNRUNNABLE):
        return "canceled"
    return _ENDS[outcome or Outcome.FAILED]


def return_code(outcome: str | None, reason: str | None, exit_code: int | None) -> int:
    """What a job that is done returned: 0 if it succeeded, and never if it did not. What its command returned stands
    there, if that says it; else 124 for one that took too long, and 1.

    >>> return_code("succeeded", None, 3), return_code("failed", "exit", 3), return_code("failed", "output", 0)
    (0, 3, 1)
    >>> return_code("failed", "timeout", None), return_code("cancelled", "user", -15)
    (124, -15)
    """
    if outcome in (Outcome.SUCCEEDED, Outcome.RECOVERED):
        return 0
    return exit_code or (124 if reason == Reason.TIMEOUT else 1)
