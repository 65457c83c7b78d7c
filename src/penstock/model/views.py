"""What answers look like: the shapes of `--json`, the same for every face. Times are RFC 3339 with `Z`."""

from __future__ import annotations

import datetime
from typing import Any, Literal

from msgspec import Struct, field


def show_time(micros: int | None) -> str | None:
    """UTC microseconds as RFC 3339.

    >>> show_time(1_700_000_000_123_456)
    '2023-11-14T22:13:20.123456Z'
    """
    if micros is None:
        return None
    moment = datetime.datetime.fromtimestamp(micros // 1_000_000, datetime.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{micros % 1_000_000:06d}Z"


class Counts(Struct, frozen=True):
    """`total` is the sum of the others."""

    total: int = 0
    processed: int = 0
    reused: int = 0
    recovered: int = 0
    failed: int = 0
    cancelled: int = 0
    left: int = 0


class JobStats(Struct, frozen=True):
    """Sums over all attempts; `peak_memory` is the most that one of them needed, in bytes."""

    download_bytes: int = 0
    upload_bytes: int = 0
    process_seconds: float = 0.0
    download_seconds: float = 0.0
    upload_seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_memory: int = 0


class JobView(Struct, frozen=True):
    job: str
    pipeline: str
    step: str
    state: str  #: Penstock's word
    reason: str | None
    message: str
    tasks: Counts
    output: str | None  #: `repo@commit`; None for steps that do not publish
    created: str | None
    started: str | None
    finished: str | None
    stats: JobStats
    restarts: int = 0  #: attempts whose worker was lost
    kept: str | None = None  #: the run that did its work, if a restart took it over


class RunView(Struct, frozen=True):
    run: str
    state: str
    reason: str | None
    pipeline: str | None
    version: int | None
    origin: str
    params: dict[str, Any]
    created: str | None
    started: str | None
    finished: str | None
    jobs: tuple[JobView, ...] = ()


class AttemptView(Struct, frozen=True):
    attempt: int
    state: str
    reason: str | None
    exit_code: int | None
    message: str
    worker: str
    started: str | None
    ended: str | None
    stats: dict[str, float]
    printed: int = 0  #: bytes in its log, once it has ended


class TaskView(Struct, frozen=True):
    task: str
    job: str
    binding: tuple[str, ...]
    state: str
    outcome: str | None
    reason: str | None
    message: str
    reused: bool
    inputs: tuple[dict[str, Any], ...]
    params: dict[str, Any]
    output: tuple[str, ...]  #: the paths it wrote
    attempts: tuple[AttemptView, ...]
    fingerprint: str
    stats: dict[str, float] = field(default_factory=dict)
    held: bool = False


class CommitView(Struct, frozen=True):
    commit: str
    repo: str
    branch: str
    parent: str | None
    run: str | None
    origin: str
    tree: str
    size: int
    files: int
    created: str | None
    message: str
    error: str | None
    finished: str | None  #: None while it is open
    forgotten: str | None  #: when its bytes were given up
    merged: str | None  #: the commit of another branch that was merged into it


class WaveView(RunView, frozen=True):
    """A run with all that has its id: also the commits that opened it and those it made, in every repo."""

    commits: tuple[CommitView, ...] = ()


class RepoView(Struct, frozen=True):
    repo: str
    path: str | None
    default_branch: str
    head: str | None
    files: int
    size: int
    created: str | None
    keeps: str  #: which commits keep their bytes, in words


class TriggerView(Struct, frozen=True):
    """When a branch moves to the head of the one it watches. Sizes in bytes, `every` in seconds, `cron` in UTC."""

    watches: str
    size: int | None
    commits: int | None
    every: float | None
    cron: str | None
    needs: str  #: any or all of these
    fired: str | None  #: when it moved last, or was set


class BranchView(Struct, frozen=True):
    branch: str
    repo: str
    head: str | None
    created: str | None
    trigger: TriggerView | None = None


class TouchView(Struct, frozen=True):
    """A commit and what it did to a path: added, modified or removed."""

    change: str
    commit: CommitView


class PipelineView(Struct, frozen=True):
    pipeline: str
    version: int
    file: str
    steps: tuple[str, ...]
    created: str | None
    updated: str | None
    last_run: str | None = None
    state: str | None = None


class PlannedStep(Struct, frozen=True):
    """What one step would do. `tasks` is None where it depends on what a step upstream will give."""

    pipeline: str
    step: str
    total: int | None
    tasks: int | None  #: would run
    reused: int | None
    why: tuple[str, ...]


class PlanView(Struct, frozen=True):
    """What `run` would do. `commits` are the linked repos that changed, with how many files each way."""

    pipeline: str
    version: int
    new_version: bool
    commits: tuple[dict[str, Any], ...]
    steps: tuple[PlannedStep, ...]
    warnings: tuple[str, ...] = ()


class CountedFile(Struct, frozen=True):
    """A file of the project that counts for a step. `why`: found in its command, named in its `code`, or read by a task
    of `job`.
    """

    path: str
    why: Literal["found", "named", "read"]
    job: str | None = None


class GraphNode(Struct, frozen=True):
    """A repo that no step publishes to, or a step, of a graph."""

    id: str  #: `repo:NAME`, or `PIPELINE.STEP`
    kind: Literal["repo", "step"]
    name: str
    pipeline: str | None = None  #: of a step
    tasks: int | None = None  #: how many combinations its `each` has
    output: str | None = None  #: the repo it publishes to


class GraphEdge(Struct, frozen=True):
    """`target` reads what `source` has, or waits for it. `label`: `repo:/glob`, a path, user data, or `after`."""

    source: str
    target: str
    label: str
    waits: Literal["success", "end"] | None = None  #: of an `after`, what of the source it waits for


class GraphView(Struct, frozen=True):
    """Repos and steps, and what goes from one to the other; nodes stand behind those they wait for."""

    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]


class StatusView(Struct, frozen=True):
    """The project at a glance. `engine` says who drives it, None when nobody does."""

    project: str
    engine: str | None
    pipelines: tuple[PipelineView, ...]
    repos: tuple[RepoView, ...]
    runs: tuple[RunView, ...]  #: those not done with their jobs, else the newest
    notes: tuple[str, ...] = ()


class UseView(Struct, frozen=True):
    """A file and who used it, or (with a `binding`) a job that read a file and what it wrote."""

    name: str  #: `repo@commit:/path` or `step@run`
    binding: tuple[str, ...] = ()
    used: tuple[UseView, ...] = ()


class CheckView(Struct, frozen=True):
    """A task that was run again aside: whether it gave the same bytes, else which files differ, or why it failed."""

    task: str
    binding: tuple[str, ...]
    same: bool
    differs: tuple[str, ...] = ()
    message: str = ""


class VerifyView(Struct, frozen=True):
    """What running some bindings of a job again gave. `skipped` cannot be: nothing tells any more how they were run."""

    job: str
    bindings: int
    checked: tuple[CheckView, ...]
    skipped: int = 0


class TraceView(Struct, frozen=True):
    """Where a file comes from: the task that wrote it, and everything that task was made of."""

    file: str
    commit: str
    origin: str
    run: str | None
    job: str | None = None
    task: str | None = None
    made_by: str | None = None  #: the job whose attempt really ran; another than `job` when the result was reused
    pipeline: str | None = None
    version: int | None = None
    command: tuple[str, ...] = ()
    params: dict[str, Any] = field(default_factory=dict)
    code: tuple[str, ...] = ()
    inputs: tuple[TraceView, ...] = ()
    files: tuple[str, ...] = ()  #: what it read in place, as its step declares that


class DocumentView(Struct, frozen=True):
    """User data. `run` is the number of the run that wrote it last, None if somebody did."""

    key: str
    pipeline: str
    step: str | None
    name: str  #: "" for one without a name
    value: Any  #: None: nothing yet
    ephemeral: bool
    revision: int  #: from 1, one more with each change
    run: int | None
    created: str | None
    updated: str | None


class AskedView(Struct, frozen=True):
    """What the tasks of a step asked for and what they used, over some runs. Bytes, seconds."""

    pipeline: str
    step: str
    tasks: int  #: that have ended
    tries: int  #: attempts, all of them
    cpus: int  #: asked for
    cpus_used: float | None  #: processor time over running time; None: nothing ran
    cpus_enough: int | None
    memory: int  #: asked for; 0: not said
    memory_used: int  #: the most that one attempt needed
    memory_enough: int | None  #: None: nothing was used, or what was used was too little
    time: float | None  #: asked for; None: not said
    time_used: float  #: the longest that one attempt took
    time_enough: float | None
    over: tuple[str, ...] = ()  #: of cpus, memory and time, what was used beyond what was asked for
    under: tuple[str, ...] = ()  #: what was asked for and was less than half used
    cpu_seconds: float = 0.0  #: processor time of all attempts
    process_seconds: float = 0.0  #: their running time


class AllocationView(Struct, frozen=True):
    """What was asked of a batch system for one worker. Sizes in bytes, per node; 0: as the batch system thinks fit."""

    name: str
    id: str | None  #: the batch system's
    state: str  #: asked, queued, running, parting, ended
    cpus: int
    memory: int
    gpus: int
    nodes: int
    walltime: int  #: seconds
    message: str  #: what the batch system said last
    created: str | None
    started: str | None
    ended: str | None


class SiteView(Struct, frozen=True):
    """A named place that runs work, as pipelines in force say it, and how many nodes it has lent."""

    site: str
    pipeline: str
    kind: str
    partition: str | None
    walltime: int  #: seconds
    min_nodes: int
    max_nodes: int
    running: int  #: nodes
    queued: int  #: nodes asked for that have not come
    trouble: str = ""  #: why it gives nothing for now
