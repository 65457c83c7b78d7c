"""States and arrows: the only place where they are written. The docs' diagrams are drawn from these tables.

Two rules hold for all of them:

1. States run forward. The one step back is a task whose attempt was lost or may be retried: it is `ready` again.
2. `done` and `ended` say *that* something is over; how is its outcome, why is its reason. Hold, stop, doubt and
   disabled are columns beside the state, never states.

A local attempt goes through its first states inside its worker; what is stored of it leaps forward over them.
"""

from __future__ import annotations

from enum import StrEnum

from penstock.model.errors import PenstockError


class RunState(StrEnum):
    DRAFT = "draft"  #: written down, not started
    ACTIVE = "active"  #: some job is not done
    DONE = "done"  #: every job is done


class JobState(StrEnum):
    WAITING = "waiting"  #: for jobs upstream, or for its turn behind an earlier run
    EXPANDING = "expanding"  #: its inputs exist; its bindings are being found
    OPEN = "open"  #: it has tasks that are not done
    EXPORTING = "exporting"  #: its output is being copied to where the step asks
    CLOSING = "closing"  #: its ledger and its commit are being written
    DONE = "done"


class TaskState(StrEnum):
    READY = "ready"  #: may be placed on a worker
    ACTIVE = "active"  #: one attempt is under way
    DONE = "done"


class AttemptState(StrEnum):
    STAGING = "staging"  #: its inputs are being brought
    PREPARING = "preparing"  #: its directory and environment are being made
    SUBMITTING = "submitting"  #: the intent to hand it to a scheduler is stored
    QUEUED = "queued"  #: the scheduler has it, its native id is stored
    RUNNING = "running"  #: its command runs
    COLLECTING = "collecting"  #: its output is being hashed and stored
    ENDED = "ended"


class AllocationState(StrEnum):
    ASKED = "asked"  #: written down; whether the batch system has it is not known yet
    QUEUED = "queued"  #: the batch system has it, its native id is stored
    RUNNING = "running"  #: its worker was heard
    PARTING = "parting"  #: it is not wanted any more; the batch system has still to be told, or to be asked about it
    ENDED = "ended"  #: nothing of it runs, or ever will


class Outcome(StrEnum):
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"  #: never ran, or was stopped by someone
    TERMINATED = "terminated"  #: told to checkpoint before the walltime, and left
    RECOVERED = "recovered"  #: failed, and its recovery command said to go on without it


class Reason(StrEnum):
    USER = "user"  #: somebody stopped it
    UPSTREAM = "upstream"  #: something it needs did not succeed
    SUPERSEDED = "superseded"  #: a newer version took its place
    TIMEOUT = "timeout"  #: it took longer than allowed
    EXIT = "exit"  #: its command ended with an exit code that means failure
    SIGNAL = "signal"  #: its command was killed by a signal not ours
    COMMAND = "command"  #: its command could not be started
    OUTPUT = "output"  #: what it left cannot be kept
    INPUT = "input"  #: what it needs cannot be read
    COLLISION = "collision"  #: it wrote a path another task wrote
    TASKS = "tasks"  #: some of a job's tasks, or of a run's jobs, failed
    LOST = "lost"  #: its worker disappeared
    WALLTIME = "walltime"  #: its place was about to end
    MEMORY = "memory"  #: it needed more memory than it asked for
    UNRUNNABLE = "unrunnable"  #: it can never be placed
    EXPORT = "export"  #: its output could not be copied to where its step asks


#: noun -> (from, to) -> what moves it. A state missing on the left is the last one.
MOVES: dict[str, dict[tuple[str, str], str]] = {
    "run": {
        (RunState.DRAFT, RunState.ACTIVE): "started",
        (RunState.ACTIVE, RunState.DONE): "its last job is done",
    },
    "job": {
        (JobState.WAITING, JobState.EXPANDING): "what it needs is done, and it is its turn",
        (JobState.EXPANDING, JobState.OPEN): "its bindings are known",
        (JobState.OPEN, JobState.EXPORTING): "its last task is done",
        (JobState.EXPORTING, JobState.CLOSING): "its output is where the step asks, or cannot be brought there",
        (JobState.CLOSING, JobState.DONE): "its ledger and its commit are stored",
        (JobState.WAITING, JobState.DONE): "cancelled before it began",
        (JobState.EXPANDING, JobState.DONE): "cancelled, or its inputs cannot be read",
    },
    "task": {
        (TaskState.READY, TaskState.ACTIVE): "placed on a worker",
        (TaskState.ACTIVE, TaskState.DONE): "its attempt ended",
        (TaskState.ACTIVE, TaskState.READY): "its attempt was lost, given back, or may be retried",
        (TaskState.READY, TaskState.DONE): "cancelled, or the same work succeeded elsewhere",
    },
    "attempt": {
        (AttemptState.STAGING, AttemptState.PREPARING): "inputs are there",
        (AttemptState.PREPARING, AttemptState.SUBMITTING): "goes to a scheduler",
        (AttemptState.SUBMITTING, AttemptState.QUEUED): "the scheduler took it",
        (AttemptState.PREPARING, AttemptState.RUNNING): "started here",
        (AttemptState.QUEUED, AttemptState.RUNNING): "the scheduler started it",
        (AttemptState.RUNNING, AttemptState.COLLECTING): "its command ended",
        **{
            (state, AttemptState.ENDED): "reported, stopped or lost"
            for state in AttemptState
            if state != AttemptState.ENDED
        },
    },
    "allocation": {
        (AllocationState.ASKED, AllocationState.QUEUED): "the batch system took it",
        (AllocationState.ASKED, AllocationState.RUNNING): "its worker was heard, whatever the batch system says",
        (AllocationState.QUEUED, AllocationState.RUNNING): "its worker was heard",
        **{
            (state, AllocationState.PARTING): "it is given back, or nothing is known of it"
            for state in (AllocationState.ASKED, AllocationState.QUEUED, AllocationState.RUNNING)
        },
        (AllocationState.ASKED, AllocationState.ENDED): "refused, or never sent",
        (AllocationState.RUNNING, AllocationState.ENDED): "its worker has left",
        (AllocationState.PARTING, AllocationState.ENDED): "the batch system ended it, or does not know it",
    },
}

STATES: dict[str, type[StrEnum]] = {
    "run": RunState,
    "job": JobState,
    "task": TaskState,
    "attempt": AttemptState,
    "allocation": AllocationState,
}

#: The furthest of two attempt states is the later in this order: what people see never goes backwards.
ATTEMPT_ORDER = {state: place for place, state in enumerate(AttemptState)}


class IllegalMove(PenstockError):
    """An arrow that is not in the table: a defect in Penstock, never a user's."""


def check_move(noun: str, old: str, new: str) -> None:
    """Raise IllegalMove unless `old -> new` is in the table (or nothing changes)."""
    if old != new and (old, new) not in MOVES[noun]:
        raise IllegalMove(f"{noun}: there is no arrow {old} -> {new}")


def further(reached: str | None, state: str) -> str:
    """The later of two attempt states."""
    if reached is None or ATTEMPT_ORDER[AttemptState(state)] > ATTEMPT_ORDER[AttemptState(reached)]:
        return state
    return reached
