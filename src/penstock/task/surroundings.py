"""What a task was given, read from its environment."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any


def _variable(name: str) -> str:
    try:
        return os.environ[name]
    except KeyError:
        raise RuntimeError(
            f"{name} is not set: penstock.task only works inside a task; start this with `penstock run`"
        ) from None


class Inputs(Mapping[str, Path]):
    """Names of inputs and their directories."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __getitem__(self, name: str) -> Path:
        if name not in list(self):
            raise KeyError(f"no input {name!r}; this task has {', '.join(self) or 'none'}")
        return self._folder / name

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(os.listdir(self._folder)))

    def __len__(self) -> int:
        return len(os.listdir(self._folder))

    def __repr__(self) -> str:
        return f"Inputs({dict(self)!r})"


def inputs() -> Inputs:
    """The inputs of this task.

    >>> import tempfile
    >>> os.environ["PENSTOCK_IN"] = tempfile.mkdtemp()
    >>> Path(os.environ["PENSTOCK_IN"], "images").mkdir()
    >>> list(inputs()), inputs()["images"].name
    (['images'], 'images')
    >>> _ = os.environ.pop("PENSTOCK_IN")
    """
    return Inputs(Path(_variable("PENSTOCK_IN")))


def files(name: str) -> list[Path]:
    """Every file of the input `name`, at any depth, sorted by path. Raises KeyError naming the inputs there are."""
    return sorted(path for path in inputs()[name].rglob("*") if not path.is_dir())


def params() -> dict[str, Any]:
    """The parameters of this task, from its file of parameters."""
    with open(_variable("PENSTOCK_PARAMS"), encoding="utf-8") as file:
        found: dict[str, Any] = json.load(file)
    return found


#: What `penstock.task` offers as if they were variables.
READERS: dict[str, Callable[[], Any]] = {
    "inputs": inputs,
    "out": lambda: Path(_variable("PENSTOCK_OUT")),
    "params": params,
    "cpus": lambda: int(_variable("PENSTOCK_CPUS")),
    "run": lambda: _variable("PENSTOCK_RUN"),
    "job": lambda: _variable("PENSTOCK_JOB"),
    "id": lambda: _variable("PENSTOCK_TASK"),
    "attempt": lambda: _variable("PENSTOCK_ATTEMPT"),
}
