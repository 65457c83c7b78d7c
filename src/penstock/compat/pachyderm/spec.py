"""Pachyderm's pipeline specs: JSON or YAML, one or several in a file, translated to the words of our pipeline file.

What comes out is a tree like that of a file of ours, in which every value stands at the place in the spec it was made
of. So it is checked by the same reader, with the same messages, and can be written down as well as put in force.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Sequence
from fractions import Fraction

from msgspec import Struct

from penstock.compat.pachyderm.fields import Message, number, says
from penstock.compat.pachyderm.inputs import MASTER, Inputs, check_project
from penstock.model.errors import BadSpec
from penstock.model.spec import DEFAULT_BRANCH, Pipeline
from penstock.text import fields
from penstock.text.marked import read_marked_stream
from penstock.text.nodes import Node, made, scalar, sequence
from penstock.text.pipeline import pipeline_of
from penstock.text.units import MAX_SIZE, show_size

#: What a pipeline runs in that names no image, and how often it tries a datum.
IMAGE = "ubuntu:20.04"
TRIES = 3
_QUANTITY = re.compile(r"\+?([0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})(?:[eE]([+-]?[0-9]{1,2})|([a-zA-Z]*))")
_SCALES = {
    "": Fraction(1),
    **{letter: Fraction(1, 1000**power) for power, letter in enumerate("mun", 1)},
    "K": Fraction(1000),
    **{letter: Fraction(1000**power) for power, letter in enumerate("kMGTPE", 1)},
    **{f"{letter}i": Fraction(1024**power) for power, letter in enumerate("KMGTPE", 1)},
}

_ENDLESS = "it never ends, and only work that ends can be run so far"
_CLUSTER = "it tells Kubernetes where and how to keep workers, and changes no result"
_FLAG = "it belongs to the command, not to the pipeline"
_ROOM = "disks are not counted; a task may use what the machine has"
_ASKED = "a request limits nothing there, and would here; `resource_limits` are translated"

_SPEC = Message(
    frozenset(
        {"pipeline", "description", "transform", "input", "resource_requests", "resource_limits", "datum_timeout"}
        | {"datum_tries", "job_timeout", "reprocess_spec", "output_branch", "egress"}
    ),
    left_out={
        "parallelism_spec": "as many tasks run at once as this machine has processors for",
        "autoscaling": "workers are there while there is work, in any case",
        "standby": "workers are there while there is work, in any case",
        "datum_set_spec": "tasks are handed to workers in batches that fit how long they take",
        "chunk_spec": "tasks are handed to workers in batches that fit how long they take",
        "salt": "`update pipeline --reprocess` makes a new one",
        "cache_size": "results are kept, and found by what they were made of",
        "enable_stats": "statistics are always kept",
        "maximum_expected_uptime": "there are no workers that stay up without work",
        "scale_down_threshold": "workers are there while there is work, in any case",
        "hashtree_spec": "outputs are brought together by who runs the job",
        **dict.fromkeys(
            (
                *("sidecar_resource_requests", "sidecar_resource_limits", "scheduling_spec", "scheduling"),
                *("tolerations", "metadata", "pod_patch", "pod_spec", "max_queue_size"),
            ),
            _CLUSTER,
        ),
        **dict.fromkeys(("update", "dry_run", "reprocess", "spec_commit"), _FLAG),
    },
    refused={
        "spout": f"a spout feeds a repo by itself; {_ENDLESS}",
        "service": f"a service answers requests; {_ENDLESS}",
        "s3_out": "there is no S3 gateway in front of a repo; write files to /pfs/out",
        "tf_job": "it needs an operator in Kubernetes",
        "determined": "it needs an account on a Determined server",
        "inputs": "it is called `input` since Pachyderm 1.4, and says with `pfs` and `cross` what these list",
        "incremental": "a datum finds all files of its input, not those alone that the job before had not seen",
        "no_skip": "it is called `reprocess_spec: every_job` today",
    },
    marks=frozenset({"spout", "service", "tf_job", "determined"}),
)
_TRANSFORM = Message(
    frozenset({"image", "cmd", "stdin", "err_cmd", "err_stdin", "accept_return_code", "env", "user", "working_dir"}),
    left_out={
        "image_pull_secrets": "images are pulled with what the container engine knows of you",
        "dockerfile": "it is a hint for building the image",
        "memory_volume": "inputs are laid out on disk",
        "debug": "what commands print is always kept",
    },
    refused={
        "secrets": "secrets are not kept so far; set the variable for the command that drives the work",
        "datum_batching": "such a program asks `pachctl next datum` for its work; see `penstock.task.batch`, "
        "which does the same with `batch: true` in a pipeline file",
        "build": "images are built before they are named",
        "python_build": "images are built before they are named",
    },
)
_NAMED = Message(frozenset({"name", "project"}))
_REQUESTS = Message(frozenset({"cpu"}), left_out={"disk": _ROOM, **dict.fromkeys(("memory", "gpu"), _ASKED)})
_LIMITS = Message(frozenset({"cpu", "memory", "gpu"}), left_out={"disk": _ROOM})
_GPU = Message(frozenset({"number"}), left_out={"type": "there is one kind of GPUs on a machine"})
_EGRESS = Message(frozenset({"url", "object_storage", "sql_database"}))
_OBJECTS = Message(frozenset({"url"}))
_TABLES = Message(
    frozenset({"url", "file_format"}),
    refused={"secret": "secrets are not kept so far; set PGPASSWORD, or use ~/.pgpass"},
)
_FORMAT = Message(frozenset({"type", "columns"}))


class Spec(Struct, frozen=True):
    """One Pachyderm pipeline in our words: a step, the repos it names with their branches, and its description."""

    name: str
    key: Node
    step: Node
    branches: dict[str, Node]
    reads: frozenset[str]
    description: Node | None


class Read(Struct, frozen=True):
    """All pipelines of some files, and a sentence for everything that was left out."""

    specs: tuple[Spec, ...]
    notes: tuple[str, ...]

    def tree(self, specs: Sequence[Spec], name: str) -> Node:
        """Some of the pipelines as the steps of one file of ours, called `name`."""
        first = specs[0].key
        steps = made({spec.name: spec.step for spec in specs}, first)
        steps.keys = {spec.name: spec.key for spec in specs}
        branches = {repo: at for spec in specs for repo, at in spec.branches.items()}
        # Who publishes to a repo says what its branch is called, whatever others read of it.
        branches |= {spec.name: spec.branches[spec.name] for spec in specs if spec.name in spec.branches}
        repos = {repo: made({"branch": at}, at) for repo, at in branches.items()}
        said = {
            "pipeline": scalar(name, first),
            "description": _described(specs),
            "repos": made(repos, first) if repos else None,
            "steps": steps,
        }
        return made({key: value for key, value in said.items() if value is not None}, first)

    def pipelines(self, known_repos: Collection[str], has_file: Callable[[str], bool]) -> list[Pipeline]:
        """Each as a pipeline of its own with one step. Raises BadSpec where it reads a repo that is nowhere."""
        known = {*known_repos, *(spec.name for spec in self.specs)}
        pipelines = []
        for spec in self.specs:
            tree = self.tree([spec], spec.name)
            pipeline = pipeline_of(tree, known_repos=known, has_file=has_file, default_name=spec.name)
            for leaf in (leaf for step in pipeline.steps if step.input for leaf in step.input.leaves()):
                if leaf.cron is None and leaf.repo not in known:
                    message = f'pipeline "{spec.name}": input: there is no repo "{leaf.repo}"'
                    raise BadSpec(f"{message}{fields.nearest(leaf.repo, known)}", leaf.where)
            pipelines.append(pipeline)
        return pipelines


def read_specs(files: Sequence[tuple[bytes, str]], *, bare: bool = False) -> Read:
    """Read (content, name of the file); `bare` leaves images out, so that commands run on this machine as it is.

    Raises BadSpec at file:line:column for whatever cannot be meant here.
    """
    notes: list[str] = []
    found: dict[str, Spec] = {}
    for content, file in files:
        if file.endswith(".jsonnet"):
            raise BadSpec("a template of Jsonnet is not evaluated here; give what `jsonnet FILE` prints", f"{file}:1:1")
        for node in read_marked_stream(content, file):
            for item in node.value if isinstance(node.value, list) else [node]:
                spec = _Reader(notes, bare).pipeline(item)
                other = found.setdefault(spec.name, spec)
                if other is not spec:
                    spec.key.fail(f'pipeline "{spec.name}" was given before, at {other.key.where}')
    if not found:
        raise BadSpec("there is no pipeline spec in it", f"{files[-1][1]}:1:1")
    return Read(tuple(found.values()), tuple(notes))


class _Reader:
    def __init__(self, notes: list[str], bare: bool) -> None:
        self.notes, self.bare = notes, bare

    def pipeline(self, node: Node) -> Spec:
        values = _SPEC.read(node, "the pipeline spec", self.notes)
        if "pipeline" not in values:
            node.fail("the pipeline spec: `pipeline` is missing; expected {name: ...}")
        named = _NAMED.read(values["pipeline"], "pipeline", self.notes)
        if "name" not in named:
            values["pipeline"].fail("pipeline: `name` is missing")
        name = fields.name(named["name"], "pipeline.name")
        what = f'pipeline "{name}"'
        check_project(named, what)
        if "transform" not in values:
            named["name"].fail(f"{what}: `transform` is missing")
        inputs = Inputs(name, self.notes)
        said = {
            "input": inputs.read(values["input"], f"{what}: input") if "input" in values else None,
            **self._transform(values["transform"], f"{what}: transform"),
            "retry": self._retry(values, named["name"], what),
            "timeout": values.get("job_timeout"),
            "resources": self._resources(values, what),
            "reuse": self._reuse(values, what),
            "output": named["name"] if "input" not in values else None,
            "export": self._egress(values["egress"], f"{what}: egress") if "egress" in values else None,
            "pfs": scalar(True, named["name"]),
        }
        output = values.get("output_branch", scalar(MASTER, named["name"]))
        branches = dict(inputs.branches)
        if fields.name(output, f"{what}: output_branch") != DEFAULT_BRANCH:
            branches[name] = output
        step = made({key: value for key, value in said.items() if value is not None}, named["name"])
        return Spec(name, named["name"], step, branches, frozenset(inputs.repos), values.get("description"))

    def _transform(self, node: Node, what: str) -> dict[str, Node | None]:
        values = _TRANSFORM.read(node, what, self.notes)
        if "cmd" not in values:
            node.fail(f"{what}: `cmd` is missing: no command specified")
        fields.items(values["cmd"], f"{what}.cmd", "words")
        return {
            "run": values["cmd"],
            "stdin": values.get("stdin"),
            "err_run": self._recovery(values, what),
            "accept_exit": self._codes(values),
            "env": self._env(values, node),
            "user": values.get("user"),
            "workdir": values.get("working_dir"),
        }

    def _codes(self, values: dict[str, Node]) -> Node | None:
        node = values.get("accept_return_code")
        if node is None or not isinstance(node.value, list):
            return node
        return sequence([number(code) for code in node.value], node)

    def _env(self, values: dict[str, Node], at: Node) -> Node | None:
        said: dict[str, Node] = {}
        if not self.bare:
            said["image"] = values.get("image", scalar(IMAGE, at))
        if "env" in values:
            said["vars"] = values["env"]
        return made(said, values.get("image", at)) if said else None

    def _recovery(self, values: dict[str, Node], what: str) -> Node | None:
        """The command that decides after the last failed try; a shell feeds it what it shall read."""
        if "err_cmd" not in values:
            if "err_stdin" in values:
                values["err_stdin"].fail(f"{what}: `err_stdin` is what `err_cmd` reads, and there is none")
            return None
        command = fields.items(values["err_cmd"], f"{what}.err_cmd", "words")
        if "err_stdin" not in values:
            return values["err_cmd"]
        at = values["err_stdin"]
        lines = [fields.word(line, f"{what}.err_stdin") for line in fields.items(at, f"{what}.err_stdin", "lines")]
        feed = ["sh", "-c", 'said=$1; shift; printf "%s\\n" "$said" | "$@"', "sh", "\n".join(lines)]
        return sequence([*(scalar(word, at) for word in feed), *command], values["err_cmd"])

    def _retry(self, values: dict[str, Node], at: Node, what: str) -> Node:
        tries = number(values.get("datum_tries", scalar(TRIES, at)))
        said = {"tries": tries if says(tries) else scalar(TRIES, at)}
        if "datum_timeout" in values:
            said["timeout"] = values["datum_timeout"]
        return made(said, at)

    def _resources(self, values: dict[str, Node], what: str) -> Node | None:
        """Processors: as many as requested, else as many as it may have; parts of one are rounded up. Memory and GPUs:
        as many as it may have.
        """
        said: dict[str, Node] = {}
        cpu: Node | None = None
        if "resource_limits" in values:
            found = _LIMITS.read(values["resource_limits"], f"{what}: resource_limits", self.notes)
            cpu = found.get("cpu")
            if "memory" in found:
                said["memory"] = self._memory(found["memory"], f"{what}: memory")
            if "gpu" in found:
                gpus = _GPU.read(found["gpu"], f"{what}: gpu", self.notes)
                if "number" in gpus:
                    said["gpus"] = number(gpus["number"])
        if "resource_requests" in values:
            asked = _REQUESTS.read(values["resource_requests"], f"{what}: resource_requests", self.notes)
            cpu = asked.get("cpu", cpu)
        if cpu is not None:
            said = {"cpus": scalar(math.ceil(_quantity(cpu, f"{what}: cpu", "such as 2, 0.5 or 500m")), cpu), **said}
        said = {key: node for key, node in said.items() if says(node)}
        return made(said, next(iter(said.values()))) if said else None

    def _memory(self, node: Node, what: str) -> Node:
        """Parts of a byte are rounded up."""
        size = _quantity(node, what, "such as 512Mi or 2G")
        if size > MAX_SIZE:
            node.fail(f"{what}: is more than {show_size(MAX_SIZE)}")
        return scalar(math.ceil(size), node)

    def _reuse(self, values: dict[str, Node], what: str) -> Node | None:
        if "reprocess_spec" not in values:
            return None
        node = values["reprocess_spec"]
        rule = fields.choice(node, f"{what}: reprocess_spec", ("until_success", "every_job"))
        return scalar(False, node) if rule == "every_job" else None

    def _egress(self, node: Node, what: str) -> Node:
        """Where the output is copied to: a place for files, or the tables of a database."""
        values = _EGRESS.read(node, what, self.notes)
        if len(values) != 1:
            node.fail(f"{what}: expected exactly one of URL, object_storage, sql_database")
        if "sql_database" in values:
            return self._tables(values["sql_database"], f"{what}.sql_database")
        if "object_storage" in values:
            values = _OBJECTS.read(values["object_storage"], f"{what}.object_storage", self.notes)
        if "url" not in values:
            node.fail(f"{what}: `url` is missing")
        return values["url"]

    def _tables(self, node: Node, what: str) -> Node:
        values = _TABLES.read(node, what, self.notes)
        if "url" not in values:
            node.fail(f"{what}: `url` is missing")
        said = {"to": values["url"]}
        if "file_format" in values:
            form = _FORMAT.read(values["file_format"], f"{what}.file_format", self.notes)
            if "type" in form:
                said["format"] = scalar(fields.text(form["type"], f"{what}.file_format.type").lower(), form["type"])
            if "columns" in form:
                said["columns"] = form["columns"]
        return made(said, node)


def _quantity(node: Node, what: str, such: str) -> Fraction:
    """A number as Kubernetes takes it, as a number or as text: G is 1000 to the third, Gi 1024 to the third, m a
    thousandth.
    """
    text = node.text or str(node.value) if isinstance(node.value, str | int | float) else ""
    match = _QUANTITY.fullmatch(text.strip())
    scale = Fraction(10) ** int(match[2]) if match and match[2] else _SCALES.get(match[3]) if match else None
    if match is None or scale is None or isinstance(node.value, bool):
        found = "" if isinstance(node.value, str) else f", found {fields.found(node)}"
        node.fail(f"{what}: expected a quantity {such}{found}")
    return Fraction(match[1]) * scale


def _described(specs: Sequence[Spec]) -> Node | None:
    """The description of the only pipeline, or a line for each that has one."""
    said = [(spec.name, spec.description) for spec in specs if spec.description is not None]
    if not said:
        return None
    if len(specs) == 1:
        return said[0][1]
    lines = [f"{name}: {fields.text(node, 'description')}" for name, node in said]
    return scalar("\n".join(lines), said[0][1])
