"""The rows of execution: Run ⊃ Job ⊃ Task ⊃ Attempt, and those of data: Repo, Branch, Commit.

Frozen: a change is a new row made with `msgspec.structs.replace`. Times are UTC microseconds. `seq` is given by the
store, 0 before that; it orders rows of one kind by age.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from penstock.model.data import EMPTY
from penstock.model.moves import AllocationState, AttemptState, JobState, RunState, TaskState


class Repo(Struct, frozen=True):
    seq: int
    project: str
    owner: str
    name: str
    path: str | None  #: linked directory, relative to the project
    default_branch: str
    created: int
    keep_commits: int | None = None  #: how many commits of a branch keep their bytes
    keep_for: int | None = None  #: for how long they do, in microseconds


class Branch(Struct, frozen=True):
    repo: str
    name: str
    head: str | None  #: commit id
    created: int


class Commit(Struct, frozen=True):
    """One immutable tree of one repo. `error` says why it must not be used; such a commit is never a head.

    Until it is `finished` it is open: several puts go into it, no branch points to it and nothing is computed from it.
    """

    seq: int
    id: str
    repo: str
    branch: str
    parent: str | None
    run: str | None  #: the run it opened or was made by
    origin: str  #: put, link, job or copy
    root: bytes
    files: int
    size: int
    created: int
    message: str = ""
    error: str | None = None
    finished: int | None = None  #: None while it is open
    forgotten: int | None = None  #: when its bytes were given up
    merged: str | None = None  #: the commit of another branch that was merged into it


class Trigger(Struct, frozen=True):
    """`branch` moves to the head of the branch it `watches` when any of the conditions (or all) are met."""

    repo: str
    branch: str
    watches: str
    size: int | None  #: bytes that the watched tree has grown by
    commits: int | None  #: commits made there since
    every: int | None  #: microseconds since it fired last
    cron: str | None  #: times at which it may fire, UTC if it names no zone
    needs: str  #: any or all
    fired: int  #: when it fired last, or was made
    pipeline: str | None = None  #: whose input asked for it; None: somebody did


class Clock(Struct, frozen=True):
    """A repo that gets a file at each time of a `cron` input."""

    repo: str
    pipeline: str
    cron: str  #: in one of the forms of `model.times`
    tz: str
    overwrite: bool  #: each tick replaces the one before
    catchup: str  #: none, latest or all: which missed ticks are made
    ticked: int  #: up to when all ticks are made


class Version(Struct, frozen=True):
    """A pipeline as it was applied: the canonical spec, the project's code and the environment, frozen."""

    pipeline: str
    number: int
    spec: str  #: canonical JSON
    code: bytes  #: root of the code tree
    environment: str
    salt: str
    file: str  #: the pipeline file, relative to the project
    created: int


class Run(Struct, frozen=True):
    seq: int
    id: str
    project: str
    owner: str
    pipeline: str | None  #: None when a commit opened it
    version: int | None
    params: dict[str, Any]
    origin: str  #: run, put or retry
    created: int
    state: str = RunState.ACTIVE
    outcome: str | None = None
    reason: str | None = None
    stop: str | None = None  #: the reason somebody asked it to end for
    hold: str | None = None
    left: int = 0  #: jobs not done
    started: int | None = None
    finished: int | None = None
    number: int | None = None  #: the how-manieth run of its pipeline, from 1


class JobInput(Struct, frozen=True):
    """Which commit one glob of a step's input reads. `commit` None: the branch is empty, or still to be decided."""

    repo: str
    branch: str
    commit: str | None
    open: bool = False  #: an earlier run is still publishing there: the head is taken when the job begins


class Job(Struct, frozen=True):
    seq: int
    run: str
    pipeline: str
    version: int
    step: str
    repo: str | None  #: where it publishes
    created: int
    state: str = JobState.WAITING
    outcome: str | None = None
    reason: str | None = None
    message: str = ""
    hold: str | None = None
    stop: str | None = None
    waits: int = 0  #: edges not satisfied yet
    failed_upstream: str | None = None  #: the job whose end cancels this one
    reached: str | None = None
    inputs: tuple[JobInput, ...] = ()
    base: int | None = None  #: the job whose ledger this one started from
    recipe: bytes = b""
    parts: dict[str, Any] = field(default_factory=dict)  #: what the recipe was made of, for `explain`
    ledger: bytes = EMPTY
    owners: bytes = EMPTY
    tree: bytes = EMPTY
    expanded: bool = False
    total: int = 0
    processed: int = 0
    reused: int = 0
    recovered: int = 0
    failed: int = 0
    cancelled: int = 0
    left: int = 0
    files: int = 0
    size: int = 0
    download_bytes: int = 0
    upload_bytes: int = 0
    process_seconds: float = 0.0
    started: int | None = None
    finished: int | None = None
    restarts: int = 0  #: attempts whose worker was lost
    download_seconds: float = 0.0
    upload_seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_memory: int = 0  #: the most that one attempt needed
    keys: bytes = EMPTY  #: which parts of its bindings have which join and group keys
    unexported: str | None = None  #: why its output is not where its step asks
    exit_code: int | None = None  #: of the last attempt of a lone job
    terminated: int = 0  #: of the tasks that failed, those that were told to leave before the walltime
    kept: str | None = None  #: the run that did its work, if a restart took it over
    reading: bytes = EMPTY  #: root of a tree of the frozen code its results depend on, beside that of its recipe
    layout: bytes = EMPTY  #: root of the code its tasks find, if that is not all of its version's
    rest_of: int | None = None  #: the job whose good tasks this one takes over

    @property
    def id(self) -> str:
        return f"{self.step}@{self.run}"


class Edge(Struct, frozen=True):
    """`job` waits for `upstream`: for its success, or only for its end."""

    job: int
    upstream: int
    needs: str  #: success or end


class Task(Struct, frozen=True):
    seq: int
    job: int
    id: str
    key: tuple[str, ...]  #: the binding
    fingerprint: bytes
    params: dict[str, Any]
    inputs: bytes  #: encoded `wire.Input`s
    reuse: bool
    created: int
    state: str = TaskState.READY
    outcome: str | None = None
    reason: str | None = None
    message: str = ""
    reused: bool = False
    tries: int = 0  #: attempts that count against `retry.tries`
    attempts: int = 0  #: all of them, lost ones too
    output: bytes = EMPTY
    files: int = 0
    finished: int | None = None
    hold: str | None = None
    stop: str | None = None  #: the reason somebody asked it to end for
    again: int | None = None  #: the number of the attempt that is to end so that there is another one
    memory: int = 0  #: bytes to ask for by now; 0: what its step says
    seconds: float | None = None  #: the time to ask for by now; None: what its step says
    crashes: int = 0  #: workers that were lost while they had it
    reading: bytes = EMPTY  #: root of a tree of the frozen code it opened, beside that of its job's recipe


class Attempt(Struct, frozen=True):
    task: int
    number: int  #: from 1
    token: int  #: fences: only a report that carries it counts
    worker: str
    state: str = AttemptState.STAGING
    outcome: str | None = None
    reason: str | None = None
    exit_code: int | None = None
    message: str = ""
    created: int = 0
    started: int | None = None
    ended: int | None = None
    log_file: str | None = None
    log_offset: int = 0
    log_length: int = 0
    download_bytes: int = 0
    upload_bytes: int = 0
    download_seconds: float = 0.0
    process_seconds: float = 0.0
    upload_seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_memory: int = 0


class Allocation(Struct, frozen=True):
    """A node asked of a batch system, for one worker."""

    seq: int  #: 0: not stored yet
    site: str  #: the site as its pipeline said it, as JSON
    name: str  #: of the request, by which the batch system knows it
    element: int  #: of that request
    cpus: int
    memory: int  #: bytes; 0: as the batch system thinks fit
    gpus: int
    nodes: int  #: of which all else is said of each, and the worker is on the first
    seconds: int  #: walltime
    created: int
    state: str = AllocationState.ASKED
    native: str | None = None  #: the batch system's id
    started: int | None = None  #: when its worker was heard first
    ended: int | None = None
    message: str = ""  #: what the batch system said of its end

    @property
    def worker(self) -> str:
        """The name of its worker."""
        return f"{self.name}-{self.element}"


class Document(Struct, frozen=True):
    """User data: a JSON document of a pipeline or of one of its steps."""

    seq: int  #: its key
    pipeline: str
    step: str | None  #: None: of the pipeline
    name: str  #: "" for one without a name
    ephemeral: bool
    body: str  #: JSON; "" for nothing yet
    revision: int  #: from 1, one more with each change
    run: int | None  #: the number of the run that wrote it last; None: somebody did
    said: int  #: the revision at which somebody, not a run, wrote it last
    created: int
    updated: int


class Success(Struct, frozen=True):
    """The memory of reuse: this fingerprint gave what that task left, where it read this."""

    fingerprint: bytes
    reading: bytes  #: as its task has it
    task: int
    created: int


class Trouble(Struct, frozen=True):
    """What stands in the way for now, as long as it does."""

    subject: str  #: `site NAME` or `repo NAME`
    message: str
    since: int  #: when it was first said so


class Place(Struct, frozen=True):
    """A file that a step makes where it is, as the newest try that is known left it. `mark` is the fingerprint and the
    reading of whose try that was, in hex; of what tasks share, what stands for all of them.
    """

    pipeline: str
    step: str
    path: str
    mark: str
    good: bool  #: whether it succeeded
    state: Any  #: `model.inplace.State`; None: what a try left that nobody heard the end of


class Event(Struct, frozen=True):
    """A fact, written in the transaction that made it true."""

    at: int
    kind: str
    run: str | None
    subject: str
    data: dict[str, Any]
    seq: int = 0
