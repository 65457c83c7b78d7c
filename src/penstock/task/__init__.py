"""What a Python program that runs as a task uses: its inputs, its output directory, its parameters.

    from penstock import task

    for photo in task.files("images"):
        (task.out / photo.name).write_bytes(shrink(photo.read_bytes(), task.params["size"]))

Lives here: the small kit inside a task. May import: the standard library, nothing else.

Every name is read from the environment of the task (PENSTOCK_IN and its sisters) when it is asked for:

| name | is |
|---|---|
| `inputs` | mapping: name of an input -> directory with its files at their paths in the repo |
| `out` | directory to write results into |
| `params` | dict of the parameters |
| `cpus` | how many CPUs it may keep busy |
| `run`, `job`, `id`, `attempt` | what it is, as `penstock task show` names it |
| `files(name)` | every file of an input, sorted |
| `should_stop()` | whether it was asked to leave (SIGTERM) |
| `batch(work)` | decorator: `work(inputs, out, params)` as a program that serves many tasks |

Outside a task each of them raises RuntimeError, `batch` when the program it made is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.task.batching import batch
from penstock.task.stopping import should_stop
from penstock.task.surroundings import files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    inputs: Mapping[str, Path]
    out: Path
    params: dict[str, Any]
    cpus: int
    run: str
    job: str
    id: str
    attempt: str

__all__ = ["attempt", "batch", "cpus", "files", "id", "inputs", "job", "out", "params", "run", "should_stop"]


def __getattr__(name: str) -> Any:
    from penstock.task import surroundings

    read = surroundings.READERS.get(name)
    if read is None:
        raise AttributeError(f"module 'penstock.task' has no attribute {name!r}")
    return read()


def __dir__() -> list[str]:
    return __all__
