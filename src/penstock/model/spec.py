"""What a pipeline file says, after reading: a pipeline of steps, each with its input, command and environment.

`where` fields (`file:line:column`) are for messages only and no part of a version.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import product
from math import prod
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

#: The branch a reference means when it names none.
DEFAULT_BRANCH = "main"
#: The site that is there without being said: this machine.
LOCAL = "local"
#: The name of an environment that is the caller's: it does not count in a fingerprint.
INHERITED = "inherit"


class Cron(Struct, frozen=True, forbid_unknown_fields=True):
    """When a repo of ticks gets its next file."""

    expression: str  #: in one of the forms of `model.times`
    tz: str = "UTC"
    overwrite: bool = False  #: each tick replaces the one before, instead of standing beside it
    catchup: Literal["none", "latest", "all"] = "latest"  #: which of the ticks missed while no engine lived are made


class Watch(Struct, frozen=True, forbid_unknown_fields=True):
    """When the branch that an input reads moves to the head of another one of its repo."""

    branch: str = DEFAULT_BRANCH  #: the one that is watched
    size: int | None = None  #: bytes that it has grown by
    commits: int | None = None  #: commits made there since
    every: float | None = None  #: seconds
    cron: str | None = None  #: in one of the forms of `model.times`, UTC if no zone is named
    needs: Literal["any", "all"] = "any"  #: of these


class InputSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """A node of a step's input: a `glob` over one repo, or a combination of other nodes.

    `glob` gives one binding per match, `cross` every combination of its parts' bindings, `union` the bindings of each
    part, `join` the combinations of those that have the same key, `group` one binding per key with everything that has
    it, `all` one binding that holds every match of every part.
    """

    kind: Literal["glob", "cross", "all", "union", "join", "group"]
    repo: str = ""
    branch: str = DEFAULT_BRANCH
    glob: str = ""  #: starts with "/"
    name: str = ""  #: the entry below PENSTOCK_IN (`as`, default the repo's name)
    parts: tuple[InputSpec, ...] = ()
    on: str | None = None  #: template of the key in a join, over what the glob captures
    by: str | None = None  #: template of the key in a group (`group` in the file)
    params: tuple[tuple[str, str], ...] = ()  #: parameter -> template, over the same and the path
    outer: bool = False  #: stands in its join even where another part has nothing with its key
    layout: Literal["copy", "link", "empty"] = "copy"  #: `lazy` links, `empty` gives files of no bytes
    counts: bool = True  #: whether its contents are a reason to run again; a `reference` does not count
    cron: Cron | None = None  #: its repo is one of ticks, made and filled by Penstock
    trigger: Watch | None = None  #: its branch is moved by Penstock
    where: str = ""

    def leaves(self) -> Iterator[InputSpec]:
        """The glob nodes, in the order of the file."""
        if self.kind == "glob":
            yield self
        for part in self.parts:
            yield from part.leaves()

    def says(self, template: Literal["on", "by"]) -> bool:
        """Whether each of its bindings can have a key: of a combination, that of those of its inputs that name one."""
        if self.kind == "glob":
            return getattr(self, template) is not None
        quantifier = all if self.kind == "union" else any
        return quantifier(part.says(template) for part in self.parts)


class After(Struct, frozen=True, forbid_unknown_fields=True):
    """An edge from another step of the pipeline: `success` needs it to have succeeded, `end` only to be over."""

    step: str
    needs: Literal["success", "end"] = "success"


class Env(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a task's environment comes from. Inherited variables do not count in the fingerprint, the rest does.

    `image_id` is what the name of the image stood for when the pipeline was applied; "" runs on the bare machine.
    """

    inherit: bool = True
    vars: dict[str, str] = field(default_factory=dict)
    image: str | None = None
    image_id: str = ""


class Rule(Struct, frozen=True, forbid_unknown_fields=True):
    """After which ends of a try there is another one, and what the next one gets."""

    on: tuple[int | str, ...] = ()  #: exit codes, and of the reasons exit signal timeout memory lost output; none: any
    tries: int = 2  #: how many a task has in all
    memory: float = 1.0  #: the next try asks for so many times the memory, if this one lacked it
    time: float = 1.0  #: the same for `resources.time` and the timeout
    between: tuple[str, ...] = ()  #: an argv, started where the try failed before there is another one


class Retry(Struct, frozen=True, forbid_unknown_fields=True):
    """How often a task is tried, and how many seconds one try may take.

    With `rules` the first one that is about the end of a try says whether there is another one; else any failure has
    one, up to `tries`. Tries that a lost worker ended do not count, but `crashes` of them end the task.
    """

    tries: int = 1
    timeout: float | None = None
    rules: tuple[Rule, ...] = ()
    crashes: int = 3


class Resources(Struct, frozen=True, forbid_unknown_fields=True):
    """What one task needs of the node it runs on."""

    cpus: int = 1
    memory: int = 0  #: bytes; 0: not said, and not limited
    gpus: int = 0
    time: float | None = None  #: seconds it takes at most; None: not said
    nodes: int = 1  #: all else is of each; its command runs on the first, and starts what it wants on the others


class ResourceSet(Struct, frozen=True, forbid_unknown_fields=True):
    """Resources under a name that steps share."""

    name: str
    resources: Resources = field(default_factory=Resources)


class Site(Struct, frozen=True, forbid_unknown_fields=True):
    """A named place that runs work, beside `local`: nodes that a batch system lends, of `dask` its workers."""

    name: str
    kind: Literal["slurm", "dask"]
    partition: str | None = None  #: several may be named, with commas
    walltime: float = 3600.0  #: seconds a node is asked for
    nodes: int = 1  #: at most so many at once
    min_nodes: int = 0  #: so many are kept although they have nothing to do
    #: Of each node, None: what the partition's nodes have; with `per: task` the least that is asked for.
    cpus: int | None = None
    memory: int | None = None  #: bytes
    gpus: int | None = None
    per: Literal["node", "task"] = "node"  #: a worker packs tasks onto a node, or each task is asked for by itself
    idle: float = 60.0  #: seconds without work after which a node is given back
    lead: float = 120.0  #: seconds before the walltime at which the batch system is to say that it comes
    options: tuple[tuple[str, str], ...] = ()  #: further ones of the batch system, such as account and qos
    address: str | None = None  #: of Dask's scheduler

    @property
    def text(self) -> str:
        """All of it as JSON: what was asked for is kept under that."""
        return msgspec.json.encode(self).decode()


class Datum(Struct, frozen=True, forbid_unknown_fields=True):
    """User data that a pipeline declares: a named JSON document."""

    name: str
    value: Any = None  #: what it holds to begin with; None: nothing yet
    ephemeral: bool = False  #: emptied at each start
    where: str = ""


class InPlace(Struct, frozen=True, forbid_unknown_fields=True):
    """A file that stays where it is: a path below the project or an absolute one; of an input it may be a glob."""

    path: str
    hash: bool = False  #: whether its contents tell if it is another one, however large it is
    persist: bool = False  #: of an output: whether one that is there may stay as it is
    alias: str | None = None  #: the path by which it is known who makes it, if links lead there by this one
    where: str = ""

    @property
    def name(self) -> str:
        """The path by which it is known who makes it."""
        return self.alias or self.path


class Batch(Struct, frozen=True, forbid_unknown_fields=True):
    """One process serves many tasks: at most `size` of them, and ends when it was `idle` for so many seconds."""

    size: int | None = None
    idle: float = 60.0


class Export(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a step's output is copied to before its commit is made, and how."""

    to: str  #: a directory (below the project, or absolute), s3://…, postgresql://… or sqlite:///…
    mirror: bool = False  #: whether files that earlier exports left there and that are no more are removed
    table: str | None = None  #: None: the first part of a file's path names its table
    format: Literal["csv", "json"] = "csv"
    columns: tuple[str, ...] = ()  #: of CSV files that do not name them; the keys to take from JSON objects
    mode: Literal["replace", "append"] = "replace"
    tries: int = 5
    wait: float = 1.0  #: seconds between the first two tries; twice as long after each
    where: str = ""

    @property
    def kind(self) -> str:
        """directory, s3, postgresql or sqlite."""
        scheme, colon, _ = self.to.partition("://")
        return scheme if colon else "directory"


class Placing(Struct, frozen=True):
    """All that a step says of where, when and on how much of a node its tasks begin. Only these fields are asked when
    tasks are placed: steps that are equal in them are placed together.
    """

    site: str
    priority: int
    resources: Resources
    grace: float | None  #: seconds its tasks need to checkpoint and leave, None: they are not told to


class Step(Struct, frozen=True, forbid_unknown_fields=True):
    """One node of a pipeline."""

    name: str
    run: tuple[str, ...]  #: the argv started for each task
    input: InputSpec | None = None
    after: tuple[After, ...] = ()
    on_upstream_failure: Literal["cancel", "continue"] = "cancel"
    params: dict[str, Any] = field(default_factory=dict)
    #: parameter -> list, or a range "1..100", "1..10..2"; below `zip`, those that go together, value by value
    each: dict[str, Any] = field(default_factory=dict)
    code: tuple[str, ...] | None = None  #: globs of the files that count; None: named in `run`, and what they import
    also: tuple[str, ...] = ()  #: globs of files that count beside those that are found
    workdir: str | None = None  #: None: frozen code for publishing steps, else the live project directory
    env: Env = field(default_factory=Env)
    output: str | None = None  #: the repo it publishes to, None for a plain step
    resources: Resources = field(default_factory=Resources)
    retry: Retry = field(default_factory=Retry)
    reuse: bool = True
    accept_exit: tuple[int, ...] = ()  #: exit codes that mean success, beside 0
    stdin: str | None = None  #: what each task reads from its standard input
    err_run: tuple[str, ...] = ()  #: the argv that decides, after the last failed try, whether to go on without it
    timeout: float | None = None  #: seconds the whole job may take
    fail: Literal["finish", "fast"] = "finish"  #: what the first failed task means for the others
    user: str | None = None  #: as whom tasks run; None: as whoever runs Penstock
    batch: Batch | None = None  #: None: a process per task
    pfs: bool = False  #: whether inputs and output are at /pfs, too
    export: Export | None = None
    reads: tuple[InPlace, ...] = ()  #: files it reads where they are (`file` in its input)
    takes: tuple[InPlace, ...] = ()  #: the same as written, with places for what each task reads alone; () `reads`
    outputs: tuple[InPlace, ...] = ()  #: files it makes where they are
    makes: tuple[str, ...] = ()  #: paths with places for parameters, of which each task makes its own; () all of these
    inputs_data: tuple[str, ...] = ()  #: names of user data it reads
    outputs_data: tuple[str, ...] = ()  #: names of user data it writes
    priority: int = 0  #: higher ones go first
    supports_termination: bool = False  #: whether SIGTERM makes it checkpoint and leave
    grace: float = 120.0  #: seconds that needs, after SIGTERM, if it does
    site: str = LOCAL
    fills: tuple[str, ...] = ()  #: parameters, beside those of `each`, that have places in the words of `run`
    where: str = ""

    @property
    def lone(self) -> bool:
        """Whether its jobs are one task each that depends on nothing stored and runs every time: a plain command."""
        return self.input is None and not self.reuse and not self.each and self.output is None

    @property
    def publishes(self) -> bool:
        return self.output is not None

    @property
    def placing(self) -> Placing:
        """Where, when and on how much of a node its tasks begin."""
        return Placing(self.site, self.priority, self.resources, self.grace if self.supports_termination else None)


class Keep(Struct, frozen=True, forbid_unknown_fields=True):
    """Which commits of a repo keep their bytes: the newest of each branch, and all younger ones. None: not limited."""

    commits: int | None = None
    seconds: float | None = None


class RepoSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """A repo a pipeline file declares; `path` links it to a directory, relative to the project or absolute."""

    name: str
    path: str | None = None
    keep: Keep | None = None
    branch: str = DEFAULT_BRANCH  #: its default branch, to which a step publishes
    follow: bool = False  #: whether links in the directory count as what they lead to
    where: str = ""


class Pipeline(Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """A named graph of steps, as one file gives it."""

    name: str
    steps: tuple[Step, ...]
    description: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    repos: tuple[RepoSpec, ...] = ()
    backlog: Literal["each", "latest"] = "each"  #: whether commits that wait are worked on one by one
    resource_sets: tuple[ResourceSet, ...] = ()
    data: tuple[Datum, ...] = ()
    sites: tuple[Site, ...] = ()
    sort: Literal["gpus_runtime_memory", "gpus_memory_runtime", "none"] = "gpus_runtime_memory"  #: which go first

    def step(self, name: str) -> Step:
        return self._by_name[name]

    def place(self, name: str) -> int:
        """The how-manieth step of the file has this name, from 0."""
        return self._places[name]

    @cached_property
    def made(self) -> list[str]:
        """What its steps make in place, sorted."""
        return sorted(file.name for step in self.steps for file in step.outputs)

    def site(self, name: str) -> Site | None:
        """The site of this name; None for `local`."""
        return next((site for site in self.sites if site.name == name), None)

    @cached_property
    def _by_name(self) -> dict[str, Step]:
        return {step.name: step for step in self.steps}

    @cached_property
    def _places(self) -> dict[str, int]:
        return {step.name: place for place, step in enumerate(self.steps)}


#: What stands for parameters that go together, if it holds a mapping.
ZIP = "zip"


def axis_names(each: Mapping[str, Any]) -> list[str]:
    """The parameters of `each`, sorted.

    >>> axis_names({"seed": "1..3", "zip": {"b": [1], "a": [2]}})
    ['a', 'b', 'seed']
    """
    return sorted(name for key, values in each.items() for name in (values if _zips(key, values) else (key,)))


def combinations(each: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every combination, its parameters sorted; the last of them changes fastest.

    >>> list(combinations({"b": [1, 2], "zip": {"a": "1..2", "c": ["x", "y"]}}))
    [{'a': 1, 'b': 1, 'c': 'x'}, {'a': 2, 'b': 1, 'c': 'y'}, {'a': 1, 'b': 2, 'c': 'x'}, {'a': 2, 'b': 2, 'c': 'y'}]
    """
    names = axis_names(each)
    for rows in product(*(_rows(key, each[key]) for key in sorted(each))):
        found = {name: value for row in rows for name, value in row.items()}
        yield {name: found[name] for name in names}


def combinations_count(each: Mapping[str, Any]) -> int:
    """How many combinations there are, without making them.

    >>> combinations_count({"b": "1..5000", "zip": {"a": "1..2", "c": ["x", "y"]}}), combinations_count({})
    (10000, 1)
    """
    columns = (next(iter(values.values())) if _zips(key, values) else values for key, values in each.items())
    return prod(len(axis(column)) for column in columns)


def _rows(key: str, values: Any) -> list[dict[str, Any]]:
    if not _zips(key, values):
        return [{key: value} for value in axis(values)]
    columns = [[(name, value) for value in axis(values[name])] for name in values]
    return [dict(row) for row in zip(*columns, strict=True)]


def _zips(key: str, values: Any) -> bool:
    return key == ZIP and isinstance(values, dict)


def axis(values: Any) -> Sequence[Any]:
    """The values of one `each` parameter: a list as it stands, `a..b` and `a..b..step` as inclusive ranges.

    >>> list(axis("1..10..3")), axis(["x", "y"])
    ([1, 4, 7, 10], ['x', 'y'])
    """
    if isinstance(values, str):
        start, stop, *step = (int(part) for part in values.split(".."))
        stride = step[0] if step else 1
        return range(start, stop + (1 if stride > 0 else -1), stride)
    return list(values)
