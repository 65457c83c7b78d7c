"""Serving many tasks in one process: what a step with `batch: true` starts."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

from penstock.task import surroundings

#: What a batched function is given: its inputs by name, the directory for results, its parameters.
Work = Callable[[surroundings.Inputs, Path, dict[str, Any]], object]

_ANSWERS = "PENSTOCK_BATCH"


def batch(work: Work) -> Callable[[], None]:
    """Make `work(inputs, out, params)` a program: called without arguments it does every task it is given.

    In a step with `batch: true` that is one after the other, until there are no more; in any other step just the one.
    What `work` raises fails the task it had, with the traceback in its log. Inside it all of `penstock.task` tells of
    the task it has.
    """

    def serve() -> None:
        if _ANSWERS not in os.environ:
            work(surroundings.inputs(), surroundings.READERS["out"](), surroundings.params())
            return
        tasks, answers = _take_over()
        for line in tasks:
            given = json.loads(line)
            _enter(given)
            answer = {"attempt": given["attempt"]}
            try:
                work(surroundings.inputs(), Path(given["out"]), surroundings.params())
            except Exception as error:
                import traceback

                traceback.print_exc()
                answer["failed"] = f"{type(error).__name__}: {error}"[:1000]
            # What it printed belongs to this task: out with it before the answer.
            sys.stdout.flush()
            sys.stderr.flush()
            os.write(answers, json.dumps(answer).encode() + b"\n")

    serve.__doc__, serve.__name__ = work.__doc__, getattr(work, "__name__", "serve")
    return serve


def _take_over() -> tuple[Iterator[str], int]:
    """The lines of tasks and where to answer, both kept from the programs that `work` may start."""
    tasks: TextIO = os.fdopen(os.dup(0), encoding="utf-8")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    answers = int(os.environ.pop(_ANSWERS))
    os.set_inheritable(answers, False)
    return iter(tasks.readline, ""), answers


def _enter(given: dict[str, str]) -> None:
    """Have the environment tell of a task."""
    for name in [name for name in os.environ if name.startswith("PENSTOCK_PARAM_")]:
        del os.environ[name]
    os.environ |= {
        "PENSTOCK_TASK": given["task"],
        "PENSTOCK_ATTEMPT": given["attempt"],
        "PENSTOCK_IN": given["in"],
        "PENSTOCK_OUT": given["out"],
        "PENSTOCK_PARAMS": given["params"],
    }
