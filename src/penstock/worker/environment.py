"""The environment of a task: a base per batch, a few variables per attempt."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.model.templates import show, variable
from penstock.model.wire import Assignment, Recipe
from penstock.runner.command import DEFAULT_PATH

#: Characters above which a parameter is only in the parameters' file: the system refuses variables of 128 KiB.
LONGEST = 30_000
_PREFIX = "PENSTOCK_"
#: The parameter that is told as PENSTOCK_KEY, too.
KEY = "key"
#: Whose a process is; a worker was started with them.
MARKS = ("PENSTOCK_PROJECT", "PENSTOCK_WORKER")


def batch_environment(recipe: Recipe, own: Mapping[str, str]) -> dict[str, str]:
    """What all attempts of a batch get; `own` is the environment of the worker.

    Of ours only the marks by which leftovers are found are handed on: a token, or the attempt around a nested Penstock,
    is not the task's business.
    """
    if recipe.inherit:
        base = {name: value for name, value in own.items() if not name.startswith(_PREFIX)}
    else:
        base = {
            "PATH": own.get("PATH", DEFAULT_PATH),
            "HOME": own.get("HOME", "/"),
            "LANG": "C.UTF-8",
            "TMPDIR": own.get("TMPDIR", "/tmp"),
        }
    if recipe.container is None:
        base |= recipe.vars  # else the container gets them, and not the client that starts it
    base |= {
        **{name: own[name] for name in MARKS if name in own},
        **recipe.told,
        "PENSTOCK_RUN": recipe.run,
        "PENSTOCK_JOB": recipe.job,
        "PENSTOCK_CPUS": str(recipe.cpus),
    }
    if recipe.memory:
        base["PENSTOCK_MEMORY"] = str(recipe.memory)
    return base


def attempt_environment(base: Mapping[str, str], assignment: Assignment, place: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of one attempt; `place` holds the variables that name its directories."""
    env = {**base, **place}
    env["PENSTOCK_TASK"] = assignment.task
    env["PENSTOCK_ATTEMPT"] = assignment.attempt
    if assignment.memory:
        env["PENSTOCK_MEMORY"] = str(assignment.memory)
    for name, value in assignment.params.items():
        text = show(value)
        if len(text) <= LONGEST:
            env[variable(name)] = text
            if name == KEY:
                env["PENSTOCK_KEY"] = text
    return env
