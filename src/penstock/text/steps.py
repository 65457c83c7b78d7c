"""One step of a pipeline file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar, cast

from penstock.model import templates
from penstock.model.spec import LOCAL, ZIP, After, Batch, Env, Resources, Retry, Step, axis
from penstock.text import fields
from penstock.text.exports import read_export
from penstock.text.filling import check_no_places, check_places
from penstock.text.inplace import NOTHING_MADE, NOTHING_TAKEN, read_outputs, split_input
from penstock.text.inputs import read_input
from penstock.text.nodes import Node
from penstock.text.resources import read_resources
from penstock.text.retries import read_retry
from penstock.text.userdata import read_data_names

T = TypeVar("T")

MAX_BINDINGS = 10_000_000
MAX_BATCH = 1_000_000
MAX_PRIORITY = 1_000_000
#: Seconds that a step that supports termination gets for it.
DEFAULT_GRACE = 120.0

_KEYS = (
    *("run", "input", "after", "on_upstream_failure", "params", "each", "code", "workdir"),
    *("env", "output", "resources", "retry", "reuse"),
    *("accept_exit", "stdin", "err_run", "timeout", "fail", "user", "batch", "pfs", "export"),
    *("priority", "supports_termination", "grace", "inputs_data", "outputs_data", "outputs", "site"),
)
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,500}")
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?|[0-9]{1,9}")
#: Suffix of a project file -> what runs it.
_INTERPRETERS = {".py": "python3", ".sh": "sh"}
#: What runs a script that is its first argument, and a script of the project.
_INTERPRETER = re.compile(r"python[0-9.]*|(?:ba|da|z|k)?sh|perl|ruby|Rscript|julia|node")
_SCRIPT = re.compile(r"(?![-/])[\w./-]+\.\w+")
_LATER_SUFFIXES = (".ipynb", ".R", ".r", ".jl", ".js")
_RANGE = re.compile(r"-?[0-9]{1,18}\.\.-?[0-9]{1,18}(?:\.\.-?[0-9]{1,18})?")
#: Variables of this prefix tell a task where it is.
_OWN_VARIABLES = "PENSTOCK_"


def read_step(
    key: Node,
    node: Node,
    shared: Mapping[str, Node],
    has_file: Callable[[str], bool],
    fail: str = "finish",
    sets: Mapping[str, Resources] = MappingProxyType({}),
    defaults: Mapping[str, Any] = MappingProxyType({}),
) -> Step:
    """The step named by `key`; raise BadSpec. `shared` are the pipeline's own parameters, by name, at their places,
    `fail` is what it says for all its steps, `sets` are its sets of resources, `defaults` the values of its parameters.

    Which other steps and repos there are is not asked here.
    """
    name = fields.name(key, "steps")
    what = f'step "{name}"'
    values = fields.keys_of(node, what, _KEYS)
    if "run" not in values:
        key.fail(f"{what}: `run` is missing; expected a command, such as run: [python3, work.py]")

    def read(field: str, reader: Callable[[Node, str], T], default: T) -> T:
        return reader(values[field], f"{what}: {field}") if field in values else default

    params = read("params", fields.params, dict[str, Any]())
    each = read("each", _each, dict[str, Any]())
    others = {templates.variable(name): place for name, place in shared.items()}
    for place in (values["params"].keys or {}).values() if params else ():
        fields.apart(place, f"{what}: params", others.get(templates.variable(place.value)))
        others[templates.variable(place.value)] = place
    for place in each_places(values["each"]).values() if each else ():
        other = others.get(templates.variable(place.value))
        if other is not None and other.value == place.value:
            place.fail(f'{what}: each: "{place.value}" is a parameter already, at {other.where}; give it another name')
        fields.apart(place, f"{what}: each", other)
    others |= {templates.variable(place.value): place for place in each_places(values["each"]).values()} if each else {}
    rest, (reads, takes) = (
        split_input(values["input"], f"{what}: input", each) if "input" in values else (None, NOTHING_TAKEN)
    )
    outputs, makes = read("outputs", lambda node, what: read_outputs(node, what, each), NOTHING_MADE)
    source, given = read_input(rest, f"{what}: input", name, others) if rest is not None else (None, ())
    output = read("output", fields.name, name if source else None)
    batch = read("batch", _batch, None)
    if batch is not None and "stdin" in values:
        values["stdin"].fail(f"{what}: stdin: with `batch`, the process reads its tasks there; leave one of them out")
    resources = read("resources", lambda node, what: read_resources(node, what, sets), Resources())

    def command(node: Node, label: str) -> tuple[str, ...]:
        argv = read_run(node, label, has_file)
        check_no_places(node, label, argv)
        return argv

    retry = read("retry", lambda node, what: read_retry(node, what, command), Retry())
    if batch is not None and resources.gpus:
        values["batch"].fail(f"{what}: batch: its process outlives the tasks that GPUs are given to; leave one out")
    if any(rule.memory != 1.0 for rule in retry.rules) and not resources.memory:
        values["retry"].fail(f"{what}: retry: more memory than what? Say `resources: {{memory: …}}`, too")
    if any(rule.time != 1.0 for rule in retry.rules) and resources.time is None and retry.timeout is None:
        values["retry"].fail(f"{what}: retry: more time than what? Say `resources: {{time: …}}` or a `timeout`, too")
    for barred in ("inputs_data", "outputs_data") if batch is not None else ():
        if barred in values:
            values[barred].fail(f"{what}: {barred}: a process that serves many tasks has none; leave out `batch`")
    env = read("env", _env, Env())
    if env.image is not None and resources.gpus:
        values["resources"].fail(f"{what}: resources: a container (`env.image`) gets no GPUs; leave one of them out")
    for barred in ("batch", "user") if env.image is not None else ():
        if barred in values:
            values[barred].fail(f"{what}: {barred}: not possible in a container (`env.image`); leave one of them out")
    code, also = read("code", _code, _FOUND)
    argv = read_run(values["run"], f"{what}: run", has_file)
    if output is not None and env.image is None and "workdir" not in values:
        _check_script(values["run"], f"{what}: run", argv, has_file)
    fixed = {**defaults, **params, **dict.fromkeys(given, "")}  # what an input gives is any text
    varied, fills = check_places(values["run"], f"{what}: run", argv, each, fixed)
    if (varied or fills) and batch is not None:
        values["batch"].fail(f"{what}: batch: its process serves tasks of all parameters, and `run` names one")
    return Step(
        name=name,
        run=argv,
        input=source,
        after=read("after", _after, ()),
        on_upstream_failure=cast(Any, read("on_upstream_failure", _on_upstream_failure, "cancel")),
        params=params,
        fills=fills,
        each=each,
        code=code,
        also=also,
        workdir=read("workdir", fields.directory, None),
        env=env,
        output=output,
        resources=resources,
        retry=retry,
        reads=reads,
        takes=takes,
        outputs=outputs,
        makes=makes,
        inputs_data=read("inputs_data", read_data_names, ()),
        outputs_data=read("outputs_data", read_data_names, ()),
        priority=read("priority", _priority, 0),
        supports_termination=read("supports_termination", fields.boolean, False),
        grace=read("grace", fields.seconds, DEFAULT_GRACE),
        site=read("site", fields.name, LOCAL),
        reuse=read("reuse", _reuse, output is not None),
        accept_exit=read("accept_exit", _accept_exit, ()),
        stdin=read("stdin", _stdin, None),
        err_run=read("err_run", command, ()),
        timeout=read("timeout", fields.seconds, None),
        fail=cast(Any, read("fail", read_fail, fail)),
        user=read("user", _user, None),
        batch=batch,
        pfs=read("pfs", fields.boolean, False),
        export=read("export", read_export, None),
        where=key.where,
    )


def read_run(node: Node, what: str, has_file: Callable[[str], bool]) -> tuple[str, ...]:
    """The argv of a command; `has_file` says which project files there are. Raises BadSpec."""
    if isinstance(node.value, list):
        argv = tuple(fields.word(part, what) for part in node.value)
        if not argv or not argv[0]:
            node.fail(f"{what}: expected the name of a command first")
        return argv
    if not isinstance(node.value, str):
        node.fail(f"{what}: expected a list of words or text, found {fields.found(node)}")
    command = fields.text(node, what).strip()
    if not command:
        node.fail(f"{what}: expected a command, found nothing")
    if len(command.split()) == 1:
        if command.endswith(_LATER_SUFFIXES):
            message = "notebooks and interpreters other than python3 and sh come with a later version; name its command"
            node.fail(f'{what}: "{command}": {message}, such as run: [Rscript, work.R]')
        for suffix, interpreter in _INTERPRETERS.items():
            if command.endswith(suffix):
                file = command.removeprefix("./")
                if file.startswith("/") or ".." in file.split("/") or not has_file(file):
                    node.fail(f'{what}: there is no file "{file}" in the project; write a list to run something else')
                return interpreter, file
    return "sh", "-c", command


def _check_script(node: Node, what: str, argv: Sequence[str], has_file: Callable[[str], bool]) -> None:
    """Raise BadSpec if an interpreter is given a script that the frozen project will not hold."""
    script = argv[1] if len(argv) > 1 and isinstance(node.value, list) else ""
    if _INTERPRETER.fullmatch(argv[0]) and _SCRIPT.fullmatch(script) and not has_file(script):
        node.fail(f'{what}: there is no file "{script}" in the project')


def after_places(node: Node) -> dict[str, Node]:
    """The steps that a read `after` names, and where it does."""
    if isinstance(node.value, list):
        return {item.value: item for item in node.value}
    return dict(node.keys or {})


def _after(node: Node, what: str) -> tuple[After, ...]:
    if isinstance(node.value, dict):
        for key in (node.keys or {}).values():
            fields.name(key, what)
        needs = ("success", "end")
        return tuple(
            After(step, cast(Any, fields.choice(value, f"{what}.{step}", needs))) for step, value in node.value.items()
        )
    if not isinstance(node.value, list):
        node.fail(f"{what}: expected a list of steps, or a mapping such as {{step: end}}, found {fields.found(node)}")
    seen: dict[str, Node] = {}
    for item in node.value:
        step = fields.name(item, what)
        if step in seen:
            item.fail(f'{what}: "{step}" stands there twice')
        seen[step] = item
    return tuple(After(step) for step in seen)


def _on_upstream_failure(node: Node, what: str) -> str:
    return fields.choice(node, what, ("cancel", "continue"))


def _each(node: Node, what: str) -> dict[str, Any]:
    values = fields.mapping(node, what)
    bindings, places = 1, dict[str, Node]()
    for key in (node.keys or {}).values():
        value = values[key.value]
        if key.value == ZIP and isinstance(value.value, dict):
            count = _zipped(value, f"{what}.{ZIP}", places)
        else:
            fields.param(key, what, places)
            count = _count(value, f"{what}.{key.value}")
        bindings *= count
        if bindings > MAX_BINDINGS:
            value.fail(f"{what}: more than {MAX_BINDINGS:,} combinations")
    return {key: fields.data(value, f"{what}.{key}") for key, value in values.items()}


def _zipped(node: Node, what: str, places: dict[str, Node]) -> int:
    """Parameters that go together; how many values each of them has."""
    counts: dict[str, int] = {}
    for key in (node.keys or {}).values():
        fields.param(key, what, places)
        counts[key.value] = _count(node.value[key.value], f"{what}.{key.value}")
    if len(set(counts.values())) != 1:
        shown = ", ".join(f"{name} has {count}" for name, count in counts.items()) or "there are none"
        node.fail(f"{what}: expected parameters with as many values each; {shown}")
    return next(iter(counts.values()))


def each_places(node: Node) -> dict[str, Node]:
    """The parameters that a read `each` names, and where it does."""
    found = dict(node.keys or {})
    if ZIP in found and isinstance(node.value[ZIP].value, dict):
        del found[ZIP]
        found |= node.value[ZIP].keys or {}
    return found


def _count(node: Node, what: str) -> int:
    """How many values one axis has; at least one."""
    expected = 'expected a list of values, or a range such as "1..100" or "0..100..5", or {lines: FILE}'
    if isinstance(node.value, str):
        if not _RANGE.fullmatch(node.value):
            node.fail(f'{what}: {expected}, found "{node.value[:80]}"')
        if node.value.count("..") == 2 and int(node.value.rpartition("..")[2]) == 0:
            node.fail(f'{what}: the range "{node.value}" has a stride of 0')
    elif not isinstance(node.value, list):
        node.fail(f"{what}: {expected}, found {fields.found(node)}")
    else:
        _distinct(node.value, what)
    values = axis(node.value)
    if not values:
        node.fail(f"{what}: no value in it; {expected}")
    # A range may hold more than len() can say.
    return values.index(values[-1]) + 1 if isinstance(values, range) else len(values)


def _distinct(values: list[Node], what: str) -> None:
    """A value that comes twice would make two tasks of one name."""
    seen: dict[str, Node] = {}
    for value in values:
        first = seen.setdefault(json.dumps(value.plain(), sort_keys=True), value)
        if first is not value:
            value.fail(f"{what}: the same value was given before, at {first.line}:{first.column}")


#: What counts as code if nothing is said.
_FOUND: tuple[tuple[str, ...] | None, tuple[str, ...]] = None, ()


def _code(node: Node, what: str) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """The globs of the code that counts, and of what counts beside what is found."""
    if not isinstance(node.value, dict):
        return _globs(node, what), ()
    values = fields.keys_of(node, what, ("also",))
    if "also" not in values:
        node.fail(f"{what}: expected globs, or {{also: globs}} for what counts beside what is found")
    return None, _globs(values["also"], f"{what}.also")


def _globs(node: Node, what: str) -> tuple[str, ...]:
    globs = node.value if isinstance(node.value, list) else [node]
    expected = "a glob or a list of globs"
    return tuple(fields.pattern(item, what, fields.text(item, what, expected)).text for item in globs)


def _env(node: Node, what: str) -> Env:
    values = fields.keys_of(node, what, ("inherit", "vars", "image"), ("python", "conda"))
    image = _image(values["image"], f"{what}.image") if "image" in values else None
    inherit = fields.boolean(values["inherit"], f"{what}.inherit") if "inherit" in values else image is None
    if inherit and image is not None:
        values["inherit"].fail(f"{what}: inherit: a container has variables of its own; name what it needs in `vars`")
    return Env(inherit, _vars(values["vars"], f"{what}.vars") if "vars" in values else {}, image)


def _image(node: Node, what: str) -> str:
    name = fields.text(node, what, "the name of an image")
    if not _IMAGE.fullmatch(name):
        node.fail(f'{what}: "{name[:80]}" is no name of an image; expected one such as python:3.12')
    return name


def _vars(node: Node, what: str) -> dict[str, str]:
    values = fields.mapping(node, what)
    for key in (node.keys or {}).values():
        if fields.variable(key, what).startswith(_OWN_VARIABLES):
            key.fail(f'{what}: "{key.value}": variables beginning with {_OWN_VARIABLES} are set by Penstock')
    return {key: fields.word(value, f"{what}.{key}") for key, value in values.items()}


def _priority(node: Node, what: str) -> int:
    return fields.whole(node, what, -MAX_PRIORITY, MAX_PRIORITY)


def _accept_exit(node: Node, what: str) -> tuple[int, ...]:
    codes = [fields.whole(item, what, 0, 255) for item in fields.items(node, what, "exit codes")]
    return tuple(sorted({*codes} - {0}))


def _stdin(node: Node, what: str) -> str:
    """Text as it stands, or lines, each of which then ends in a newline."""
    if isinstance(node.value, list):
        return "".join(f"{fields.word(line, what)}\n" for line in node.value)
    return fields.word(node, what)


def read_fail(node: Node, what: str) -> str:
    """What the first failed task of a step means for the others. Raises BadSpec."""
    return fields.choice(node, what, ("finish", "fast"))


def _user(node: Node, what: str) -> str:
    name = fields.word(node, what)
    if not _USER.fullmatch(name):
        node.fail(f'{what}: "{name[:80]}" is no name or number of a user')
    return name


def _batch(node: Node, what: str) -> Batch | None:
    """`true`, or how many tasks a process serves at most and how long it waits for the next."""
    if not isinstance(node.value, dict):
        return Batch() if fields.boolean(node, what) else None
    values = fields.keys_of(node, what, ("size", "idle"))
    return Batch(
        fields.whole(values["size"], f"{what}.size", 1, MAX_BATCH) if "size" in values else None,
        fields.seconds(values["idle"], f"{what}.idle") if "idle" in values else Batch().idle,
    )


def _reuse(node: Node, what: str) -> bool:
    if isinstance(node.value, dict):
        fields.keys_of(node, what, (), ("code",))
    return fields.boolean(node, what)
