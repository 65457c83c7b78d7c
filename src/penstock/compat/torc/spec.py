"""Torc's workflow definitions (one JSON5 object) as pipelines: every field is translated, or refused by name."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn

from penstock.compat.torc.units import parse_memory
from penstock.engine.graph import arrows, cycle
from penstock.model.errors import UsageError
from penstock.model.spec import After, Datum, InPlace, Pipeline, Resources, ResourceSet, Step
from penstock.service.userdata.bodies import check_name, write_body
from penstock.text.inplace import read_place
from penstock.text.marked import read_marked
from penstock.text.nodes import Node
from penstock.text.units import parse_seconds

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,127}", re.ASCII)
_TOP = ("name", "description", "jobs", "files", "user_data", "resource_requirements", "config")
_JOB = (
    *("name", "command", "blocked_by", "resource_requirements", "cancel_on_blocking_job_failure"),
    *("supports_termination", "input_user_data", "output_user_data", "invocation_script"),
    *("input_files", "output_files"),
)
#: When a file changed is looked up, so what the definition says of it does not count.
_FILE = ("name", "path", "st_mtime")
_RESOURCES = ("name", "num_cpus", "num_gpus", "num_nodes", "memory", "runtime")
_SORTS = ("gpus_runtime_memory", "gpus_memory_runtime", "none")
#: What a job asks for that says nothing. Torc's default of "1m" is no limit there, and would be one here.
_DEFAULT = Resources(cpus=1, time=60.0)


def read_workflow(source: bytes, file: str, default_name: str) -> Pipeline:
    """A definition as a pipeline. Raises BadSpec with file:line:column."""
    return _Reader(read_marked(source, file, json=True)).pipeline(default_name)


class _Reader:
    def __init__(self, root: Node) -> None:
        self.root = root
        self.top = _fields(root, "the workflow", _TOP)

    def pipeline(self, default_name: str) -> Pipeline:
        name = self._name(self.top.get("name"), "name") if "name" in self.top else default_name
        data = tuple(self._data())
        sets = {item.name: item.resources for item in self._sets()}
        self.files = {name: self._path(fields) for name, fields in self._named("files", "file", _FILE).items()}
        jobs = self._named("jobs", "job", _JOB)
        known, documents = set(jobs), {item.name for item in data}
        steps = [self._step(job, fields, known, documents, sets) for job, fields in jobs.items()]
        if not steps:
            self.root.fail("the workflow has no jobs")
        self._check_writers(steps)
        spec = Pipeline(
            name=name,
            steps=tuple(steps),
            description=_text(self.top, "description", ""),
            resource_sets=tuple(ResourceSet(key, value) for key, value in sets.items()),
            data=data,
            sort=self._sort(),
        )
        loop = cycle(_graph(spec))
        if loop:
            self.root.fail(f"jobs wait for each other: {' -> '.join(step for _, step in loop)}")
        return spec

    def _named(self, key: str, what: str, allowed: tuple[str, ...]) -> dict[str, dict[str, Node]]:
        """A list of objects by their names."""
        node, found = self.top.get(key), dict[str, dict[str, Node]]()
        if node is None or node.value is None:
            return found
        if not isinstance(node.value, list):
            node.fail(f"`{key}` is a list of objects")
        for place, item in enumerate(node.value, 1):
            fields = _fields(item, f"{what} {place}", allowed)
            name = self._name(fields["name"], "name") if "name" in fields else f"{what}-{place}"
            if name in found:
                item.fail(f"two of `{key}` are called {name!r}")
            found[name] = fields
        return found

    def _name(self, node: Node | None, what: str) -> str:
        assert node is not None
        if not isinstance(node.value, str) or not _NAME.fullmatch(node.value):
            node.fail(f"`{what}` is a letter or digit, then letters, digits, _ . and -, 128 at most")
        return str(node.value)

    def _data(self) -> Iterable[Datum]:
        for name, fields in self._named("user_data", "document", ("name", "data", "is_ephemeral")).items():
            value = fields["data"].plain() if "data" in fields else {}
            try:
                check_name(name)
                write_body(value, f"user data {name!r}")
            except UsageError as error:
                next(iter(fields.values())).fail(str(error))
            yield Datum(name, value or None, _flag(fields, "is_ephemeral", False))

    def _path(self, fields: Mapping[str, Node]) -> InPlace:
        if "path" not in fields:
            next(iter(fields.values()), self.root).fail("a file has a `path`")
        return read_place(fields["path"], "path")

    def _sets(self) -> Iterable[ResourceSet]:
        for name, fields in self._named("resource_requirements", "resources", _RESOURCES).items():
            if _count(fields, "num_nodes", 1, 1) != 1:
                fields["num_nodes"].fail("`num_nodes`: a job runs on one node here")
            resources = Resources(
                cpus=_count(fields, "num_cpus", 1, 1),
                gpus=_count(fields, "num_gpus", 0, 0),
                memory=_read(fields, "memory", parse_memory, _DEFAULT.memory),
                time=_read(fields, "runtime", parse_seconds, _DEFAULT.time),
            )
            yield ResourceSet(name, resources)

    def _step(
        self,
        name: str,
        fields: Mapping[str, Node],
        jobs: set[str],
        documents: set[str],
        sets: Mapping[str, Resources],
    ) -> Step:
        if "command" not in fields:
            next(iter(fields.values()), self.root).fail(f"job {name!r} has no `command`")
        words = [*_words(fields, "invocation_script"), *_words(fields, "command")]
        if not words:
            fields["command"].fail(f"job {name!r}: `command` is empty")
        named = _text(fields, "resource_requirements", "")
        if named and named not in sets:
            fields["resource_requirements"].fail(f"job {name!r}: no resource requirements are called {named!r}")
        cancel = _flag(fields, "cancel_on_blocking_job_failure", True)
        return Step(
            name=name,
            run=tuple(words),
            after=tuple(After(item) for item in _names(fields, "blocked_by", jobs, "job")),
            on_upstream_failure="cancel" if cancel else "continue",
            reuse=False,
            resources=sets[named] if named else _DEFAULT,
            reads=self._files(fields, "input_files"),
            outputs=self._files(fields, "output_files"),
            inputs_data=_names(fields, "input_user_data", documents, "user data"),
            outputs_data=_names(fields, "output_user_data", documents, "user data"),
            supports_termination=_flag(fields, "supports_termination", False),
        )

    def _files(self, fields: Mapping[str, Node], key: str) -> tuple[InPlace, ...]:
        return tuple(self.files[name] for name in _names(fields, key, set(self.files), "file"))

    def _check_writers(self, steps: list[Step]) -> None:
        writers: dict[str, str] = {}
        for step in steps:
            documents = (f"user data {name!r}" for name in step.outputs_data)
            for made in (*documents, *(f"file {file.path!r}" for file in step.outputs)):
                if made in writers:
                    self.root.fail(f"{made} is written by both job {writers[made]!r} and job {step.name!r}")
                writers[made] = step.name

    def _sort(self) -> Any:
        if "config" not in self.top:
            return "gpus_runtime_memory"
        fields = _fields(self.top["config"], "`config`", ("prepare_jobs_sort_method",))
        sort = _text(fields, "prepare_jobs_sort_method", "gpus_runtime_memory")
        if sort not in _SORTS:
            fields["prepare_jobs_sort_method"].fail(f"expected one of {', '.join(_SORTS)}")
        return sort


def _graph(spec: Pipeline) -> dict[tuple[str, str], list[tuple[str, str]]]:
    graph: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for arrow in arrows([spec]):
        graph.setdefault(arrow.node, []).append(arrow.upstream)
    return graph


def _fields(node: Node, what: str, allowed: tuple[str, ...]) -> dict[str, Node]:
    """The fields of an object, without those that are null. Raises BadSpec for one that has no counterpart."""
    if not isinstance(node.value, dict):
        node.fail(f"{what} is an object")
    for name, item in node.value.items():
        if name not in allowed and item.value not in (None, [], {}):
            item.fail(f"{what}: `{name}` has no counterpart here; take it out. Known are {', '.join(allowed)}")
    return {name: item for name, item in node.value.items() if item.value is not None}


def _text(fields: Mapping[str, Node], name: str, default: str) -> str:
    if name not in fields:
        return default
    if not isinstance(fields[name].value, str):
        fields[name].fail(f"`{name}` is text")
    return str(fields[name].value)


def _flag(fields: Mapping[str, Node], name: str, default: bool) -> bool:
    if name not in fields:
        return default
    if not isinstance(fields[name].value, bool):
        fields[name].fail(f"`{name}` is true or false")
    return bool(fields[name].value)


def _count(fields: Mapping[str, Node], name: str, default: int, least: int) -> int:
    if name not in fields:
        return default
    value = fields[name].value
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= 1_000_000:
        fields[name].fail(f"`{name}` is a whole number, {least} or more")
    return int(value)


def _read(fields: Mapping[str, Node], name: str, parse: Callable[[str], Any], default: Any) -> Any:
    if name not in fields:
        return default
    try:
        return parse(str(fields[name].value))
    except UsageError as error:
        fields[name].fail(str(error))


def _words(fields: Mapping[str, Node], name: str) -> list[str]:
    """A command split as a shell would; no shell runs it."""
    try:
        return shlex.split(_text(fields, name, ""))
    except ValueError as error:
        fields[name].fail(f"`{name}` cannot be split into words: {error}")


def _names(fields: Mapping[str, Node], name: str, known: set[str], what: str) -> tuple[str, ...]:
    node = fields.get(name)
    if node is None:
        return ()
    if not isinstance(node.value, list):
        node.fail(f"`{name}` is a list of names")
    for item in node.value:
        if not isinstance(item.value, str) or item.value not in known:
            _unknown(item, name, what)
    return tuple(dict.fromkeys(item.value for item in node.value))


def _unknown(node: Node, name: str, what: str) -> NoReturn:
    node.fail(f"`{name}`: there is no {what} {str(node.value)[:80]!r} in this file")
