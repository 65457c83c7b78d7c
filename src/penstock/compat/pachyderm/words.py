"""Pachyderm's words for jobs, datums and pipelines: pure, total functions of core state."""

from __future__ import annotations

from penstock.model.moves import AttemptState, JobState, Outcome, Reason, TaskState

#: Every state of a job, in the order in which one goes through them.
JOB_STATES = (
    *("CREATED", "STARTING", "RUNNING", "EGRESS", "FINISHING"),
    *("SUCCESS", "FAILURE", "KILLED", "UNRUNNABLE"),
)
DATUM_STATES = ("UNKNOWN", "STARTING", "SUCCESS", "SKIPPED", "FAILED", "RECOVERED")

_JOBS: dict[str, str] = {
    JobState.WAITING: "CREATED",
    JobState.EXPANDING: "CREATED",
    JobState.EXPORTING: "EGRESS",
    JobState.CLOSING: "FINISHING",
}
_REACHED: dict[str | None, str] = {
    None: "STARTING",
    AttemptState.STAGING: "STARTING",
    AttemptState.PREPARING: "STARTING",
    AttemptState.SUBMITTING: "STARTING",
    AttemptState.QUEUED: "STARTING",
    AttemptState.RUNNING: "RUNNING",
    AttemptState.COLLECTING: "RUNNING",
    AttemptState.ENDED: "RUNNING",
}
_JOB_ENDS: dict[str, str] = {
    Outcome.SUCCEEDED: "SUCCESS",
    Outcome.RECOVERED: "SUCCESS",
    Outcome.FAILED: "FAILURE",
    Outcome.CANCELLED: "KILLED",
    Outcome.TERMINATED: "KILLED",
}
_DATUM_ENDS: dict[str, str] = {
    Outcome.SUCCEEDED: "SUCCESS",
    Outcome.RECOVERED: "RECOVERED",
    Outcome.FAILED: "FAILED",
    Outcome.CANCELLED: "UNKNOWN",
    Outcome.TERMINATED: "FAILED",
}


def job_state(state: str, outcome: str | None = None, reason: str | None = None, reached: str | None = None) -> str:
    """The state of a job, without its prefix `JOB_`. Who is held or in doubt stays in the state it was in."""
    if state == JobState.OPEN:
        return _REACHED[reached]
    if state != JobState.DONE:
        return _JOBS[state]
    if (outcome == Outcome.CANCELLED and reason == Reason.UPSTREAM) or reason == Reason.UNRUNNABLE:
        return "UNRUNNABLE"
    if outcome == Outcome.FAILED and reason == Reason.TIMEOUT:
        return "KILLED"
    return _JOB_ENDS[outcome or Outcome.FAILED]


def datum_state(state: str, outcome: str | None = None, reused: bool = False) -> str:
    """The state of a datum. One that was given up before it ran is `UNKNOWN`, as one that nobody has begun."""
    if state == TaskState.DONE:
        return "SKIPPED" if reused and outcome == Outcome.SUCCEEDED else _DATUM_ENDS[outcome or Outcome.FAILED]
    return "STARTING" if state == TaskState.ACTIVE else "UNKNOWN"


def pipeline_state(stopped: bool, active: bool) -> str:
    """The state of a pipeline: stopped by somebody, at work, or waiting for work without a process."""
    return "PAUSED" if stopped else "RUNNING" if active else "STANDBY"
