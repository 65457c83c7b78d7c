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

from penstock.model import datum
from penstock.model.wire import Assignment, Recipe

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
    inputs = datum.by_name(assignment.inputs)
    for name, items in inputs.items():
        path = items[0].path if len(items) == 1 else ""
        found[name] = f"/pfs/{name}/{path}" if path else f"/pfs/{name}"
        found[f"{name}_COMMIT"] = recipe.sources[name][items[0].nth].commit or ""
    return found | datum.keys(inputs, recipe.sources)
