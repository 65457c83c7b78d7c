"""What each object of a definition may hold: what is translated, what is left out with a sentence, what is refused."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from penstock.text.fields import items, mapping, nearest
from penstock.text.nodes import Node, scalar

_THERE = "workers are there while there is work"
_MEASURED = "processors and memory are always measured; `penstock report` tells"
_MADE = "it is given here"
_DATASETS = "say what each job reads and makes there as `files`; a directory is one, too"
_ASKED = "a site is asked for nodes when jobs wait for them"


class Fields(Struct, frozen=True):
    """The fields of one kind of object; `what` names one that has no name. `left_out` and `refused`: field -> why;
    `renamed`: what a field was called by earlier Torcs -> what it is called today.
    """

    what: str
    taken: frozenset[str]
    left_out: Mapping[str, str] = {}
    refused: Mapping[str, str] = {}
    renamed: Mapping[str, str] = {}

    def read(self, node: Node, what: str, notes: list[str]) -> dict[str, Node]:
        """The fields that are translated; null is as if it was not there. What is left out becomes a note.

        Raises BadSpec for what is refused or unknown.
        """
        values, found = mapping(node, what), dict[str, Node]()
        for written, place in (node.keys or {}).items():
            name = self.renamed.get(written, written)
            value = values[written] if name == "data" else whole(values[written])
            if name not in self.taken and name not in self.left_out and name not in self.refused:
                known = {*self.taken, *self.left_out, *self.refused}
                place.fail(f'{what}: unknown field "{name}"{nearest(name, known)}')
            if value.value is None or (name not in self.taken and value.value in (False, "", [], {})):
                continue
            if name in self.refused:
                place.fail(f"{what}: `{name}` is refused: {self.refused[name]}")
            if name in self.left_out:
                notes.append(f"{place.where}: {what}: `{name}` is left out: {self.left_out[name]}")
            elif name in found:
                place.fail(f"{what}: `{written}` is `{name}`, which is there, too")
            else:
                found[name] = value
        return found


def whole(node: Node) -> Node:
    """A whole number that is written with a point, as the Torc in Python does, as one; in a list, too."""
    if isinstance(node.value, float) and node.value.is_integer() and abs(node.value) < 1e15:
        return scalar(int(node.value), node)
    if isinstance(node.value, list) and any(isinstance(item.value, float) for item in node.value):
        return Node([whole(item) for item in node.value], node.file, node.line, node.column)
    return node


_NODES = {
    "compute_node_wait_for_new_jobs_seconds": _THERE,
    "compute_node_ignore_workflow_completion": _THERE,
    "compute_node_wait_for_healthy_database_minutes": "there is no server to wait for",
    "compute_node_min_time_for_new_jobs_seconds": "a task is begun if there is as much time left as it asks for",
}
_TABLE = dict.fromkeys(
    ("parameters_file", "use_parameters_file"),
    "say its columns as lists below `parameters`, with `parameter_mode: zip`",
)
_SCRIPT = "a script around the whole workflow is a step that all others come after, or that comes after all of them"

TOP = Fields(
    "workflow",
    frozenset(
        {"name", "description", "parameters", "jobs", "files", "user_data", "resource_requirements", "config"}
        | {"failure_handlers", "jobs_sort_method", "compute_node_expiration_buffer_seconds"}
        | {"schedulers", "slurm_schedulers", "local_schedulers", "slurm_defaults", "env"}
    ),
    left_out={
        **dict.fromkeys(("project", "metadata"), "nothing here looks at it"),
        "access_groups": "who may read the project may read its pipelines",
        "enable_ro_crate": "which run made a file from what is always known",
        **dict.fromkeys(("key", "user", "is_archived"), _MADE),
        "resource_monitor": _MEASURED,
        **_NODES,
    },
    refused={
        **dict.fromkeys(("actions", "scheduling_rules"), "nothing but jobs is started here"),
        "datasets": _DATASETS,
        "dynamic_jobs": "the jobs of a run are known when it begins",
        "variables": "write the values where they are used, or as `parameters` of one value each",
        "execution_config": (
            "a job is started in one way wherever it runs, and the memory it asks for is a limit; when jobs are told to"
            " leave is said by `compute_node_expiration_buffer_seconds`"
        ),
        **_TABLE,
        "use_pending_failed": "a job that failed has failed; `penstock restart` tries it again",
    },
)
CONFIG = Fields(
    "config",
    frozenset({"prepare_jobs_sort_method", "compute_node_expiration_buffer_seconds"}),
    left_out={"compute_node_resource_stats": _MEASURED, **_NODES},
    refused={
        "workflow_startup_script": _SCRIPT,
        "workflow_completion_script": _SCRIPT,
        "worker_startup_script": "put it before the command of each job, as its `invocation_script`",
    },
)
JOB = Fields(
    "job",
    frozenset(
        {"name", "command", "invocation_script", "cancel_on_blocking_job_failure", "supports_termination"}
        | {"resource_requirements", "failure_handler", "scheduler"}
        | {f"{key}{tail}" for key in ("input_files", "output_files", "depends_on") for tail in ("", "_regexes")}
        | {f"{key}_user_data{tail}" for key in ("input", "output") for tail in ("", "_regexes")}
        | {"blocked_by", "input_file_regexes", "output_file_regexes", "env", "priority", "user_data"}
    ),
    left_out={
        "key": _MADE,
        "stdio": "the output of a job is in its log; `penstock logs` shows it",
        **dict.fromkeys(("needs_compute_node_schedule", "schedule_compute_nodes"), _ASKED),
    },
    refused={
        **_TABLE,
        "label": "say where a job runs by its `scheduler`",
        **dict.fromkeys(("input_datasets", "output_datasets"), _DATASETS),
    },
    renamed={
        "interruptible": "supports_termination",
        "consumes_user_data": "input_user_data",
        "stores_user_data": "output_user_data",
        "blocked_by_job_names": "blocked_by",
        "blocked_by_regexes": "depends_on_regexes",
        "blocked_by_job_name_regexes": "depends_on_regexes",
        "input_file_names": "input_files",
        "output_file_names": "output_files",
        "input_user_data_names": "input_user_data",
        "output_data_names": "output_user_data",
        "output_user_data_names": "output_user_data",
        "resource_requirements_name": "resource_requirements",
        "scheduler_name": "scheduler",
    },
)
SCHEDULERS = Fields(
    "schedulers",
    frozenset({"slurm_schedulers", "local_schedulers"}),
    left_out={"key": _MADE},
    refused={"aws_schedulers": "nothing is started in a cloud"},
)
SLURM = Fields(
    "scheduler",
    frozenset({"name", "account", "gres", "mem", "nodes", "partition", "qos", "tmp", "walltime", "extra"}),
    left_out={"key": _MADE, "ntasks_per_node": "each node has one worker, which packs jobs onto it"},
    refused={"serialize_allocations": "say `nodes: 1`; then there is one at a time"},
)
LOCAL = Fields(
    "local scheduler",
    frozenset({"name"}),
    left_out={"key": _MADE, **dict.fromkeys(("memory", "num_cpus"), "jobs have all of this machine")},
)
#: When a file changed is looked up, so what the definition says of it does not count.
FILE = Fields(
    "file",
    frozenset({"name", "path"}),
    left_out={
        "st_mtime": "it is looked up",
        "must_exist": "a file that no job makes has to be there when a job reads it",
        "identifier": "nothing here looks at it",
    },
    refused=_TABLE,
)
USER_DATA = Fields("data", frozenset({"name", "data", "is_ephemeral"}), left_out={"key": _MADE}, refused=_TABLE)
RESOURCES = Fields(
    "resources", frozenset({"name", "num_cpus", "num_gpus", "num_nodes", "memory", "runtime"}), left_out={"key": _MADE}
)
HANDLER = Fields("handler", frozenset({"name", "rules"}))
RULE = Fields("rule", frozenset({"exit_codes", "match_all_exit_codes", "recovery_script", "max_retries"}))

#: Fields of a workflow and its jobs that only today's Torc knows.
LATER_ONLY = frozenset(
    {"parameters", "parameter_mode", "use_parameters", "failure_handlers", "failure_handler", "slurm_schedulers"}
    | {"slurm_defaults", "resource_monitor", "actions", "use_pending_failed", "jobs_sort_method", "depends_on"}
    | {"depends_on_regexes", "input_files_regexes", "output_files_regexes", "input_user_data_regexes"}
    | {"input_file_regexes", "output_file_regexes", "env", "priority", "stdio", "parameters_file", "variables"}
    | {"dynamic_jobs", "execution_config", "project", "metadata", "access_groups", "enable_ro_crate"}
    | {"output_user_data_regexes", *_NODES, "compute_node_expiration_buffer_seconds", "scheduling_rules", "datasets"}
    | {"input_datasets", "output_datasets", "label", *JOB.renamed}
    - {"interruptible"}
    - {"consumes_user_data", "stores_user_data"}
)


def objects(node: Node, what: str) -> list[Node]:
    """A list of objects. Raises BadSpec."""
    return items(node, what, "objects")


def text(fields: Mapping[str, Node], name: str, default: str) -> str:
    """Text, or the default. Raises BadSpec."""
    if name not in fields:
        return default
    if not isinstance(fields[name].value, str):
        fields[name].fail(f"`{name}` is text")
    return str(fields[name].value)


def flag(fields: Mapping[str, Node], name: str, default: bool) -> bool:
    """True or false. Raises BadSpec."""
    if name not in fields:
        return default
    if not isinstance(fields[name].value, bool):
        fields[name].fail(f"`{name}` is true or false")
    return bool(fields[name].value)


def number(fields: Mapping[str, Node], name: str, default: int) -> int:
    """A whole number, not below 0. Raises BadSpec."""
    if name not in fields:
        return default
    value = fields[name].value
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 1_000_000:
        fields[name].fail(f"`{name}` is a whole number, 0 or more")
    return int(value)
