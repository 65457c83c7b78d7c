"""What travels between the engine and a worker: a batch of attempts out, reports of how they ended back.

Plain frozen data; the transports (pipe, shared directory, array element) only move them.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from penstock.model.inplace import State
from penstock.model.spec import Batch as Batching
from penstock.model.spec import Retry


class Source(Struct, frozen=True):
    """What a task that finds its inputs at `/pfs` may want to know of one of them."""

    glob: str
    commit: str | None  #: which one it reads
    on: str | None = None  #: template of the key in a join
    by: str | None = None  #: template of the key in a group


class Recipe(Struct, frozen=True):
    """What all attempts of a batch share."""

    run: str
    job: str  #: `step@run`
    pipeline: str
    step: str
    argv: tuple[str, ...]
    code: bytes  #: root of the frozen code to lay out, EMPTY for none
    workdir: str | None  #: live directory to run in instead of the frozen code
    vars: dict[str, str]  #: `env.vars`
    inherit: bool  #: whether the worker's own environment is passed on
    cpus: int
    timeout: float | None  #: seconds one try may take
    grace: float  #: seconds between SIGTERM and SIGKILL
    accept_exit: tuple[int, ...] = ()  #: exit codes that mean success, beside 0
    stdin: str | None = None  #: what each attempt reads from its standard input
    err_argv: tuple[str, ...] = ()  #: started when the last try failed: its success makes the task a recovered one
    user: str | None = None  #: as whom commands run; None: as the worker
    batch: Batching | None = None  #: one process serves many attempts
    pfs: bool = False  #: whether inputs and output are at /pfs, too
    container: tuple[str, str] | None = None  #: the program of the engine, and the id of the image
    memory: int = 0  #: bytes each may use, 0: not limited
    gpus: int = 0  #: devices each gets, by their indices
    time: float | None = None  #: seconds each says it takes at most
    terminates: bool = False  #: whether SIGTERM, `grace` before the walltime, makes it checkpoint and leave
    retry: Retry = Retry()  #: after which ends there is another try
    sources: dict[str, tuple[Source, ...]] = field(default_factory=dict)  #: of inputs at /pfs, by name and `nth`
    priority: int = 0
    fills: tuple[str, ...] = ()  #: parameters that have places in `argv` or `leaves`
    root: str = ""  #: the project's directory
    leaves: tuple[Leaf, ...] = ()  #: files it makes where they are
    stands: tuple[str, ...] = ()  #: files it reads where they are, if it does not run there
    apart: tuple[str, ...] = ()  #: what other steps make below these
    looks: tuple[Looked, ...] = ()  #: files in place that all of its tasks read, if their results are to be known again
    without: tuple[str, ...] = ()  #: what does not count in these and those of its assignments
    contents: str = ""  #: a file that says what contents files had, "" for none
    data: bool = False  #: whether its step names user data to read or to write
    told: dict[str, str] = field(default_factory=dict)  #: further variables, which tell a task where it is
    counted: frozenset[str] = frozenset()  #: files of the code that the fingerprints of its tasks cover


class Looked(Struct, frozen=True):
    """Files in place that attempts read, and what there was of them when their fingerprint was taken."""

    path: str  #: below the project or absolute; it may be a glob
    hash: bool
    mark: bytes  #: `model.inplace.mark`


class Leaf(Struct, frozen=True):
    """A file that attempts make where it is; its path may have places for their parameters."""

    path: str  #: below the project or absolute
    hash: bool = False
    persist: bool = False  #: whether an old one may stay as it is


class Input(Struct, frozen=True):
    """One thing laid out below `PENSTOCK_IN/<name>/`."""

    name: str
    path: str  #: path in the repo, "" for its root
    content: bytes  #: the encoded entry of a file, or the root of a directory's key range
    directory: bool
    root: bytes  #: root of the whole tree it comes from
    layout: str = "copy"  #: copy; link: large files are the store's own; empty: files have no bytes
    counts: bool = True  #: whether `content` is part of the fingerprint
    nth: int = 0  #: of which of its step's globs of that name it is, in the order of the file


class Assignment(Struct, frozen=True, omit_defaults=True):
    """One attempt to execute. `token` fences: a report with another token than the row's is ignored."""

    task: str
    attempt: str
    token: int
    params: dict[str, Any]
    inputs: tuple[Input, ...] = ()
    tries: int = 0  #: how many tries before this one count
    memory: int = 0  #: bytes, if not as the recipe says
    seconds: float | None = None  #: the time it says it takes, and its timeout, if not as the recipe says
    data: dict[str, Any] = field(default_factory=dict)  #: user data by name
    looks: tuple[Looked, ...] = ()  #: files in place that it alone reads
    stale: dict[str, State | None] = field(default_factory=dict)  #: what a failed try left, to be removed
    after: str | None = None  #: an attempt that the same worker has: without its success this one is given back


class Batch(Struct, frozen=True):
    """Attempts of one job, handed over together. Those not yet started can be recalled."""

    id: int
    recipe: Recipe
    assignments: tuple[Assignment, ...]


class Stats(Struct, frozen=True):
    """What one attempt cost. Times in seconds, sizes in bytes."""

    download_bytes: int = 0
    upload_bytes: int = 0
    download_seconds: float = 0.0
    process_seconds: float = 0.0
    upload_seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_memory: int = 0


class LogSpan(Struct, frozen=True):
    """Where an attempt's output lies: bytes [offset, offset+length) of a file below `.penstock/logs`."""

    file: str
    offset: int
    length: int


class Result(Struct, frozen=True):
    """How one attempt ended. `outcome` and `reason` are values of `model.moves`."""

    task: str
    attempt: str
    token: int
    outcome: str
    reason: str | None
    exit_code: int | None  #: negative: killed by that signal
    message: str  #: one line for people, "" on success
    output: bytes  #: root of what it wrote, EMPTY for nothing
    files: int  #: how many files that root holds
    started: int  #: UTC microseconds
    ended: int
    log: LogSpan | None
    stats: Stats = field(default_factory=Stats)
    data: dict[str, Any] = field(default_factory=dict)  #: user data it wrote, by name
    reading: bytes = b""  #: root of a tree of the code that it opened beside what is counted; EMPTY for none
    moved: tuple[str, ...] = ()  #: files in place that were not what its fingerprint says
    left: dict[str, tuple[State, bool]] = field(default_factory=dict)  #: files it makes in place; whether it wrote them


class Started(Struct, frozen=True):
    """An attempt that has been running for a while: since when, and where what it prints can be read meanwhile."""

    attempt: str
    token: int
    started: int  #: UTC microseconds
    log_file: str
    log_offset: int


class Report(Struct, frozen=True):
    """Some results of one batch. Everything they name is durable before the report is sent."""

    batch: int
    results: tuple[Result, ...]
    packs: tuple[str, ...] = ()  #: packs written since the last report, for the blob index
    recalled: tuple[str, ...] = ()  #: attempts given back unstarted
    running: tuple[Started, ...] = ()  #: attempts that are taking their time


class Recall(Struct, frozen=True):
    """Engine to worker: give back what has not started of a batch. A report answers, even if it is empty."""

    batch: int


class Stop(Struct, frozen=True):
    """Engine to worker: end these attempts, running or not, as cancelled by the user; None means all there are."""

    kill: bool  #: SIGKILL at once; else SIGTERM, and SIGKILL after the recipe's grace
    attempts: tuple[str, ...] | None = None


class Hello(Struct, frozen=True, omit_defaults=True):
    """Worker to engine, first: it can take batches. One elsewhere tells what it has, and again if that is less now."""

    name: str
    pid: int
    slots: int
    memory: int = 0  #: bytes; 0: not known
    gpus: int = 0
    seconds: float | None = None  #: until its place ends; None: it does not
