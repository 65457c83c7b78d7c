"""What a task that finds its inputs at `/pfs` is told of itself, in Pachyderm's words.

| variable | is |
|---|---|
| `<input>` | `/pfs/<input>/<path>`; of an input with several files or directories `/pfs/<input>` |
| `<input>_COMMIT` | the commit it reads |
| `PACH_DATUM_<input>_JOIN_ON`, `PACH_DATUM_<input>_GROUP_BY` | its key in a join, in a group |
| `PACH_DATUM_ID`, `PACH_JOB_ID`, `PACH_OUTPUT_COMMIT_ID` | the task, the run, and the run as the id of its commits |
| `PPS_PIPELINE_NAME`, `PPS_PROJECT_NAME` | the step, and `default` |
"""

from __future__ import annotations

from collections.abc import Iterator

from penstock.model import captures
from penstock.model.glob import compile_glob
from penstock.model.wire import Assignment, Input, Recipe, Source

PROJECT = "default"


def variables(recipe: Recipe, assignment: Assignment) -> dict[str, str]:
    """The variables of one attempt."""
    found = {
        "PACH_DATUM_ID": assignment.task,
        "PACH_JOB_ID": recipe.run,
        "PACH_OUTPUT_COMMIT_ID": recipe.run,
        "PPS_PIPELINE_NAME": recipe.step,
        "PPS_PROJECT_NAME": PROJECT,
    }
    by_name: dict[str, list[Input]] = {}
    for item in assignment.inputs:
        by_name.setdefault(item.name, []).append(item)
    for name, items in by_name.items():
        path = items[0].path if len(items) == 1 else ""
        found[name] = f"/pfs/{name}/{path}" if path else f"/pfs/{name}"
        source = recipe.sources.get(name)
        if source is not None:
            found[f"{name}_COMMIT"] = source.commit or ""
            found.update(_keys(name, source, items[0].path))
    return found


def _keys(name: str, source: Source, path: str) -> Iterator[tuple[str, str]]:
    """The keys by which an input was brought together with others; all files of one binding have the same."""
    pattern = compile_glob(source.glob)
    captured = pattern.captures(path) or ()
    for template, what in ((source.on, "JOIN_ON"), (source.by, "GROUP_BY")):
        if template is not None:
            yield f"PACH_DATUM_{name}_{what}", captures.fill(captures.parse(template, pattern.groups), captured)
