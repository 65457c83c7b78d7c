"""What a pipeline file says, after reading: a pipeline of steps, each with its input, command and environment.

`where` fields (`file:line:column`) are for messages only and no part of a version.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from msgspec import Struct, field

#: The branch a reference means when it names none.
DEFAULT_BRANCH = "main"
#: The name of an environment that is the caller's: it does not count in a fingerprint.
INHERITED = "inherit"


class InputSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """A node of a step's input: a `glob` over one repo, or a combination (`cross`, `all`) of other nodes.

    `glob` gives one binding per match, `cross` every combination of its parts' bindings, `all` one binding that
    holds every match of every part.
    """

    kind: Literal["glob", "cross", "all"]
    repo: str = ""
    branch: str = DEFAULT_BRANCH
    glob: str = ""  #: starts with "/"
    name: str = ""  #: the entry below PENSTOCK_IN (`as`, default the repo's name)
    parts: tuple[InputSpec, ...] = ()
    where: str = ""

    def leaves(self) -> Iterator[InputSpec]:
        """The glob nodes, in the order of the file."""
        if self.kind == "glob":
            yield self
        for part in self.parts:
            yield from part.leaves()


class After(Struct, frozen=True, forbid_unknown_fields=True):
    """An edge from another step of the pipeline: `success` needs it to have succeeded, `end` only to be over."""

    step: str
    needs: Literal["success", "end"] = "success"


class Env(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a task's environment comes from. Inherited variables do not count in the fingerprint, `vars` do."""

    inherit: bool = True
    vars: dict[str, str] = field(default_factory=dict)


class Retry(Struct, frozen=True, forbid_unknown_fields=True):
    """How often a task is tried, and how many seconds one try may take."""

    tries: int = 1
    timeout: float | None = None


class Resources(Struct, frozen=True, forbid_unknown_fields=True):
    """What one task needs of the node it runs on."""

    cpus: int = 1


class Step(Struct, frozen=True, forbid_unknown_fields=True):
    """One node of a pipeline."""

    name: str
    run: tuple[str, ...]  #: the argv started for each task
    input: InputSpec | None = None
    after: tuple[After, ...] = ()
    on_upstream_failure: Literal["cancel", "continue"] = "cancel"
    params: dict[str, Any] = field(default_factory=dict)
    each: dict[str, Any] = field(default_factory=dict)  #: parameter -> list, or a range "1..100", "1..10..2"
    code: tuple[str, ...] | None = None  #: globs of the files that count; None: named in `run`, and what they import
    workdir: str | None = None  #: None: frozen code for publishing steps, else the live project directory
    env: Env = field(default_factory=Env)
    output: str | None = None  #: the repo it publishes to, None for a plain step
    resources: Resources = field(default_factory=Resources)
    retry: Retry = field(default_factory=Retry)
    reuse: bool = True
    where: str = ""

    @property
    def publishes(self) -> bool:
        return self.output is not None


class RepoSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """A repo a pipeline file declares; `path` links it to a directory below the project."""

    name: str
    path: str | None = None
    where: str = ""


class Pipeline(Struct, frozen=True, forbid_unknown_fields=True):
    """A named graph of steps, as one file gives it."""

    name: str
    steps: tuple[Step, ...]
    description: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    repos: tuple[RepoSpec, ...] = ()

    def step(self, name: str) -> Step:
        return next(step for step in self.steps if step.name == name)


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
