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
