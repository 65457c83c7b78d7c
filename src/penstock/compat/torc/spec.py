"""Torc's workflow definitions in the words of our pipeline file: JSON5 as the Python Torc reads it, and YAML, JSON and
JSON5 as today's does.

What comes out is a tree like that of a file of ours, in which every value stands at the place in the definition that it
was made of. So it is checked by the same reader, and can be written down as well as put in force.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

from msgspec import Struct, field

from penstock.compat.torc.fields import (
    CONFIG,
    FILE,
    HANDLER,
    JOB,
    LATER_ONLY,
    RESOURCES,
    RULE,
    TOP,
    USER_DATA,
    flag,
    number,
    objects,
    text,
)
from penstock.compat.torc.names import Known, called, callings
from penstock.compat.torc.parameters import expanded, unfilled, unused
from penstock.compat.torc.places import Places
from penstock.compat.torc.units import parse_memory
from penstock.model.errors import BadSpec, UsageError
from penstock.model.inplace import escaped
from penstock.model.spec import Pipeline
from penstock.text import fields
from penstock.text.marked import read_marked, read_marked_stream
from penstock.text.nodes import Node, made, scalar, sequence
from penstock.text.pipeline import pipeline_of
from penstock.text.units import parse_seconds

SORTS = ("gpus_runtime_memory", "gpus_memory_runtime", "none")
_LEAD = "compute_node_expiration_buffer_seconds"
_FILE = re.compile(r"\$\{files\.(input|output)\.([^}]*)\}")
_VARIABLE = re.compile(r"\$\{user_data\.(?:input|output)\.([^}]*)\}")


class Translated(Struct):
    """A definition in our words, and what there is to say of it."""

    tree: Node
    notes: list[str] = field(default_factory=list)


def read_definition(source: bytes, file: str, default_name: str, commands: str = "auto") -> Translated:
    """A definition: YAML if its name ends so or it does not begin as JSON does, else JSON5. `commands` are lines for a
    `shell`, `words`, or what `auto` finds out. Raises BadSpec with file:line:column.
    """
    suffix = PurePath(file).suffix.lower()
    if suffix == ".kdl":
        raise BadSpec("KDL is not read; say the same in YAML, JSON or JSON5", f"{file}:1:1")
    in_json = suffix not in (".yaml", ".yml") and source.lstrip()[:1] in (b"{", b"[", b"/")
    if in_json or suffix not in (".json", ".json5"):
        root = read_marked(source, file, json=in_json)
    else:
        root, *more = read_marked_stream(source, file)
        for other in more:
            other.fail("a definition is one document, and here begins another one")
    return translate(root, default_name, shell=commands == "shell" or (commands == "auto" and is_todays(root, in_json)))


def pipeline_in(found: Translated, default_name: str, root: str | None = None) -> Pipeline:
    """A definition as a pipeline of the project in the directory `root`. Raises BadSpec."""
    return pipeline_of(found.tree, known_repos=(), has_file=lambda _: True, default_name=default_name, root=root)


def is_todays(root: Node, json: bool) -> bool:
    """Whether a definition is of today's Torc, which runs commands by a shell: by its form, or the fields it has."""
    jobs = root.value.get("jobs") if isinstance(root.value, dict) else None
    said = set(root.value) if isinstance(root.value, dict) else set()
    for job in jobs.value if jobs is not None and isinstance(jobs.value, list) else ():
        said |= set(job.value) if isinstance(job.value, dict) else set()
    return not json or bool(said & LATER_ONLY)


def translate(root: Node, default_name: str, *, shell: bool) -> Translated:
    """A definition in our words; with `shell` its commands are lines for bash. Raises BadSpec."""
    return _Reader(root, shell).workflow(default_name)


class _Reader:
    def __init__(self, root: Node, shell: bool) -> None:
        self.root, self.shell = root, shell
        self.notes: list[str] = []
        self.top = TOP.read(root, "the workflow", self.notes)
        self.config = CONFIG.read(self.top["config"], "`config`", self.notes) if "config" in self.top else {}
        shared = self.top.get("parameters")
        self.env = fields.mapping(self.top["env"], "`env`") if "env" in self.top else {}
        self.shared: Mapping[str, Node] = fields.mapping(shared, "parameters") if shared is not None else {}

    def workflow(self, default_name: str) -> Translated:
        self.files = {name: said["path"] for name, said in self.items("files", FILE).items() if self.has(said, "path")}
        self.documents = {name: self.document(said) for name, said in self.items("user_data", USER_DATA).items()}
        sets = self.items("resource_requirements", RESOURCES)
        self.sets = dict(zip(sets, callings(sets), strict=True))
        self.nodes = {name: number(said, "num_nodes", 1) for name, said in sets.items()}
        self.rules = {name: self.rules_of(said) for name, said in self.items("failure_handlers", HANDLER).items()}
        self.places = Places(self.top, self.root, self.notes)
        jobs = self.items("jobs", JOB)
        if not jobs:
            self.root.fail("the workflow has no jobs")
        self.steps = dict(zip(jobs, callings(jobs), strict=True))
        at = {name: self.place(said) for name, said in jobs.items()}
        self.places.settle(place for place in at.values() if place[0])
        self.known = {
            "job": Known("job", jobs),
            "file": Known("file", self.files),
            "data": Known("user data", list(self.documents)),
        }
        name = text(self.top, "name", default_name) or default_name
        tree: dict[str, Node] = {"pipeline": scalar(called(name, 0), self.top.get("name", self.root))}
        self.tell(jobs, sets, name)
        steps = {self.steps[name]: self.step(said, self.steps[name], at[name]) for name, said in jobs.items()}
        if "description" in self.top:
            tree["description"] = self.top["description"]
        sort = self.top.get("jobs_sort_method") or self.config.get("prepare_jobs_sort_method")
        if sort is not None:
            tree["sort"] = scalar(fields.choice(sort, "the sort method", SORTS), sort)
        if sets:
            tree["resource_sets"] = made(
                {self.sets[name]: self.resources(said) for name, said in sets.items()}, self.root
            )
        if (sites := self.places.sites()) is not None:
            tree["sites"] = sites
        if self.documents:
            tree["data"] = made(self.documents, self.root)
        tree["steps"] = made(steps, self.top["jobs"])
        return Translated(made(tree, self.root), self.notes)

    def tell(self, jobs: Mapping[str, Mapping[str, Node]], sets: Iterable[str], name: str) -> None:
        """Note what is called otherwise here, and what is said and has no effect."""
        if called(name, 0) != name:
            self.notes.append(f"{self.top['name'].where}: the workflow is called {called(name, 0)!r}")
        for job, said in jobs.items():
            if self.steps[job] != job:
                self.notes.append(f"{said.get('name', self.root).where}: job {job!r} is called {self.steps[job]!r}")
        for one in sets:
            if self.sets[one] != one:
                self.notes.append(f"{self.root.file}: resource requirements {one!r} are called {self.sets[one]!r}")
        lead = self.lead()
        if lead is not None and not any(flag(said, "supports_termination", False) for said in jobs.values()):
            self.notes.append(f"{lead.where}: `{_LEAD}` is left out: no job supports termination")
        items = (item for key in ("jobs", "files", "user_data") if key in self.top for item in self.top[key].value)
        for one in unused(items, self.shared):
            where = self.shared[one].where
            self.notes.append(f"{where}: parameter {one!r} is left out: nothing names it in its `use_parameters`")

    def place(self, said: Mapping[str, Node]) -> tuple[str, int]:
        """The Slurm scheduler of a job ("": this machine), and its nodes. Raises BadSpec."""
        wanted, scheduler = text(said, "resource_requirements", ""), self.places.of(said)
        if wanted and wanted not in self.sets:
            said["resource_requirements"].fail(f"no resource requirements are called {wanted[:80]!r}")
        nodes = self.nodes[wanted] if wanted else 1
        if nodes > 1 and not scheduler:
            message = f"{wanted[:80]!r} are of {nodes} nodes, and the job runs on this machine alone"
            said["resource_requirements"].fail(f"{message}; name one of `slurm_schedulers` as its `scheduler`")
        return scheduler, nodes

    def items(self, key: str, message: Any) -> dict[str, dict[str, Node]]:
        """The objects of a list, by their names, with their parameters filled."""
        node, found = self.top.get(key), dict[str, dict[str, Node]]()
        if node is None:
            return found
        what = f"`{key}`"
        for place, item in enumerate(expanded(objects(node, what), self.shared, what, self.notes), 1):
            said = message.read(item, f"{what} {place}", self.notes)
            name = text(said, "name", "") or f"{message.what}-{place}"
            if name in found:
                item.fail(f"two of {what} are called {name!r}")
            found[name] = said
        return found

    def has(self, said: Mapping[str, Node], key: str) -> bool:
        if key not in said:
            next(iter(said.values()), self.root).fail(f"`{key}` is missing")
        return True

    def resources(self, said: Mapping[str, Node]) -> Node:
        """A set of resources."""
        found: dict[str, Node] = {}
        if number(said, "num_nodes", 1) != 1:
            found["nodes"] = said["num_nodes"]
        if "num_cpus" in said:
            found["cpus"] = said["num_cpus"]
        if number(said, "num_gpus", 0):
            found["gpus"] = said["num_gpus"]
        for ours, theirs, parse in (("memory", "memory", parse_memory), ("time", "runtime", parse_seconds)):
            if theirs in said:
                wanted = fields.word(said[theirs], f"`{theirs}`")
                try:
                    found[ours] = scalar(parse(wanted), said[theirs])
                except UsageError as error:
                    said[theirs].fail(f"`{theirs}`: {error}")
        return made(found, next(iter(said.values()), self.root))

    def document(self, said: Mapping[str, Node]) -> Node:
        found = {}
        if "data" in said and said["data"].value != {}:
            found["value"] = said["data"]
        if flag(said, "is_ephemeral", False):
            found["ephemeral"] = said["is_ephemeral"]
        return made(found, next(iter(said.values()), self.root))

    def rules_of(self, said: Mapping[str, Node]) -> list[Node]:
        """The rules of a failure handler as rules of retry."""
        self.has(said, "rules")
        found = []
        for place, item in enumerate(objects(said["rules"], "`rules`"), 1):
            rule = RULE.read(item, f"rule {place}", self.notes)
            made_of: dict[str, Node] = {"tries": scalar(number(rule, "max_retries", 3) + 1, item)}
            if not flag(rule, "match_all_exit_codes", False):
                self.has(rule, "exit_codes")
                made_of["on"] = rule["exit_codes"]
            if "recovery_script" in rule:
                made_of["between"] = self.argv(text(rule, "recovery_script", ""), rule["recovery_script"], shell=True)
            found.append(made(made_of, item))
        return found

    def argv(self, command: str, at: Node, shell: bool) -> Node:
        """A command as words: those of bash, or of the line split as a shell would, which no shell runs."""
        try:
            words = ["bash", "-c", command] if shell else shlex.split(command)
        except ValueError as error:
            at.fail(f"the command cannot be split into words: {error}")
        if not words or not command.strip():
            at.fail("the command is empty")
        return sequence([scalar(word, at) for word in words], at)

    def hung(self, said: Mapping[str, Node], step: str) -> list[str]:
        """The names of the documents that a job brings along, as it did in the Torc of 2023, where they hung on it."""
        names = []
        for place, item in enumerate(objects(said["user_data"], "`user_data`") if "user_data" in said else (), 1):
            name = f"data-{step}-{place}"
            if name in self.documents:
                item.fail(f"user data {name!r} is there already, and this document would be called so")
            self.documents[name] = made({"value": item}, item)
            self.notes.append(f"{item.where}: a document of job {step!r} is called {name!r}")
            names.append(name)
        return names

    def step(self, said: Mapping[str, Node], step: str, place: tuple[str, int]) -> Node:
        """One job, by its name here; `place` is its scheduler, and how many nodes it has."""
        self.has(said, "command")
        command, reads, makes = self.with_files(said)
        for left in dict.fromkeys(unfilled(command, self.shared)):
            where = said["command"].where
            self.notes.append(f"{where}: {left} stays as it is: the job does not name it in its `use_parameters`")
        if "invocation_script" in said:
            command = f"{text(said, 'invocation_script', '')} {command}"
        found = {"run": self.argv(command, said["command"], self.shell)}
        jobs = self.known["job"]
        waits = [*jobs.named(said, "blocked_by"), *jobs.named(said, "depends_on")]
        if waits:
            at = said.get("blocked_by") or said.get("depends_on") or said["command"]
            found["after"] = sequence([scalar(self.steps[job], at) for job in dict.fromkeys(waits)], at)
        if not flag(said, "cancel_on_blocking_job_failure", True):
            found["on_upstream_failure"] = scalar("continue", said["cancel_on_blocking_job_failure"])
        if reads:
            # Of what is read, a path may be a pattern here.
            paths = [
                scalar(escaped(node.value), node) if isinstance(node.value, str) else node for node in reads.values()
            ]
            found["input"] = made({"file": sequence(paths, said["command"])}, said["command"])
        if makes:
            found["outputs"] = sequence(list(makes.values()), said["command"])
        hung = self.hung(said, step)
        for ours, theirs, more in (("inputs_data", "input_user_data", hung), ("outputs_data", "output_user_data", [])):
            documents = [*self.known["data"].named(said, theirs), *more]
            if documents:
                at = next(said[key] for key in (theirs, f"{theirs}_regexes", "user_data") if key in said)
                found[ours] = sequence([scalar(item, at) for item in documents], at)
        if wanted := text(said, "resource_requirements", ""):
            found["resources"] = scalar(self.sets[wanted], said["resource_requirements"])
        if place[0]:
            found["site"] = scalar(self.places.site(*place), said["scheduler"])
        if flag(said, "supports_termination", False):
            found["supports_termination"] = said["supports_termination"]
            if lead := self.lead():
                found["grace"] = lead
        if "priority" in said:
            found["priority"] = said["priority"]
        if variables := {**self.env, **(fields.mapping(said["env"], "`env`") if "env" in said else {})}:
            found["env"] = made({"vars": made(variables, said.get("env", self.root))}, said.get("env", self.root))
        if "failure_handler" in said:
            handler = text(said, "failure_handler", "")
            if handler not in self.rules:
                said["failure_handler"].fail(f"there is no failure handler {handler[:80]!r}")
            found["retry"] = sequence(self.rules[handler], said["failure_handler"])
        return made(found, said["command"])

    def lead(self) -> Node | None:
        """How long before the end of their place jobs are told to leave."""
        return self.top.get(_LEAD) or self.config.get(_LEAD)

    def with_files(self, said: Mapping[str, Node]) -> tuple[str, dict[str, Node], dict[str, Node]]:
        """The command with the paths that it names, and the files that a job reads and makes: those that the command
        names, if it names any, else those of the lists.
        """
        command, at = text(said, "command", ""), said["command"]
        if _VARIABLE.search(command):
            at.fail("the command names user data, which is no text here; read $PENSTOCK_DATA/NAME.json instead")
        lists: dict[str, dict[str, Node]] = {"input": {}, "output": {}}
        for way, name in _FILE.findall(command):
            if name not in self.files:
                at.fail(f"there is no file {name[:80]!r} in this definition")
            lists[way][name] = self.files[name]
        if not lists["input"] and not lists["output"]:
            for way in lists:
                listed = self.known["file"].named(said, f"{way}_files")
                lists[way] = {name: self.files[name] for name in listed}
        command = _FILE.sub(lambda match: shlex.quote(str(self.files[match[2]].value)), command)
        return command, lists["input"], lists["output"]
