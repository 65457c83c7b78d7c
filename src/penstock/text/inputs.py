"""The `input` of a step: which data its bindings hold."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NoReturn, cast

from penstock.model import times
from penstock.model.errors import BadSpec, UsageError
from penstock.model.spec import DEFAULT_BRANCH, Cron, InputSpec
from penstock.text import fields
from penstock.text.captured import Given, check_given, read_template
from penstock.text.cron import check_cron, is_zone
from penstock.text.nodes import Node
from penstock.text.triggers import read_trigger

_KINDS = ("cross", "union", "join", "group")
_FLAGS = ("outer", "lazy", "empty", "reference")
_LEAF = ("repo", "branch", "glob", "as", "on", "group", "params", "trigger", *_FLAGS)
_CRON = ("cron", "tz", "as", "overwrite", "catchup")
_LATER = frozenset({"files", "each"})
_EXPECTED = (
    'expected "repo:/glob", {repo, glob}, {cron}, {file}, {cross: [...]}, {union: [...]}, {join: [...]}, '
    "{group: [...]} or a list of these"
)
#: What a task finds beside its inputs.
_RESERVED = "out"
#: How many forms may stand inside each other.
_DEEPEST = 20
#: How many inputs a cross or a join may combine, those of forms inside it counted too.
_MOST = 200


def read_input(
    node: Node, what: str, step: str, params: Mapping[str, Node] = MappingProxyType({})
) -> tuple[InputSpec, tuple[str, ...]]:
    """The input of a step, `what` in messages, and the parameters that it gives; raise BadSpec. `params`: where other
    parameters of the step are named, by their variables. Whether its repos exist is not asked here.
    """
    spec = _Reader(step, params).node(node, what, 0)
    _check_names(spec, what, together=False)
    _check_keys(spec, what, frozenset())
    return spec, check_given(spec, what)


class _Reader:
    def __init__(self, step: str, params: Mapping[str, Node]) -> None:
        self._step = step
        self._given = Given(params)

    def node(self, node: Node, what: str, depth: int) -> InputSpec:
        if depth > _DEEPEST:
            node.fail(f"{what}: more than {_DEEPEST} inputs inside each other")
        if isinstance(node.value, str):
            return _short(node, what)
        if isinstance(node.value, list):
            return InputSpec("all", parts=self.parts(node, what, depth), where=node.where)
        if not isinstance(node.value, dict):
            node.fail(f"{what}: {_EXPECTED}, found {fields.found(node)}")
        if "file" in node.value:
            message = "a file that is read in place stands alone, or in the list of all inputs of its step"
            (node.keys or {})["file"].fail(f"{what}: {message}")
        values = fields.keys_of(node, what, dict.fromkeys((*_LEAF, *_CRON, *_KINDS)), _LATER)
        kind = next((kind for kind in _KINDS if kind in values and not _is_template(kind, values)), None)
        if kind is not None:
            _alone(node, what, kind, (kind,), "it belongs into one of its parts")
            fields.items(values[kind], f"{what}.{kind}", "inputs")
            parts = self.parts(values[kind], f"{what}.{kind}", depth)
            spec = InputSpec(cast(Any, kind), parts=parts, where=node.where)
            count = sum(1 for _ in spec.leaves())
            if kind in ("cross", "join") and count > _MOST:
                values[kind].fail(f"{what}.{kind}: {count} inputs, and at most {_MOST} can be combined")
            return spec
        if "cron" in values:
            _alone(node, what, "cron", _CRON, "its repo and its files are made by Penstock")
            return self.ticks(node, what)
        return _long(node, what, self._step, self._given)

    def parts(self, node: Node, what: str, depth: int) -> tuple[InputSpec, ...]:
        if not node.value:
            node.fail(f"{what}: expected at least one input in the list")
        return tuple(self.node(part, what, depth + 1) for part in node.value)

    def ticks(self, node: Node, what: str) -> InputSpec:
        """A repo that gets a file at each time of a clock."""
        values = node.value
        named = fields.name(values["as"], f"{what}.as") if "as" in values else "tick"
        repo = f"{self._step}-{named}"
        if not fields.is_name(repo):
            node.fail(f'{what}: its repo would be called "{repo}", which is too long; give it a shorter `as`')
        try:
            said = check_cron(fields.text(values["cron"], f"{what}.cron", "a cron expression"))
        except UsageError as error:
            values["cron"].fail(f"{what}: {error}")
        expression, own = times.zoned(said)
        if own is not None and "tz" in values:
            values["tz"].fail(f"{what}.tz: `cron` names a time zone already; leave one of them out")
        zone = fields.text(values["tz"], f"{what}.tz", "a time zone") if "tz" in values else own or "UTC"
        if not is_zone(zone):
            values["tz"].fail(f'{what}.tz: there is no time zone "{zone}" here; expected one such as Europe/Berlin')
        overwrite = "overwrite" in values and fields.boolean(values["overwrite"], f"{what}.overwrite")
        catchup = "latest"
        if "catchup" in values:
            catchup = fields.choice(values["catchup"], f"{what}.catchup", ("none", "latest", "all"))
        clock = Cron(expression, zone, overwrite, cast(Any, catchup))
        return InputSpec("glob", repo, DEFAULT_BRANCH, "/*", named, cron=clock, where=node.where)


def _is_template(kind: str, values: dict[str, Node]) -> bool:
    """Whether `group` is that of a glob, and not a node of its own."""
    return kind == "group" and ("repo" in values or isinstance(values[kind].value, str))


def _alone(node: Node, what: str, kind: str, allowed: tuple[str, ...], why: str) -> None:
    for key, place in (node.keys or {}).items():
        if key not in allowed:
            place.fail(f"{what}: `{key}` cannot stand beside `{kind}`; {why}")


def _long(node: Node, what: str, step: str, given: Given) -> InputSpec:
    values = node.value
    for key in ("repo", "glob"):
        if key not in values:
            node.fail(f"{what}: `{key}` is missing; {_EXPECTED}")
    for key in _CRON:
        if key in values and key not in _LEAF:
            (node.keys or {})[key].fail(f"{what}: `{key}` belongs beside `cron`")
    repo = fields.name(values["repo"], f"{what}.repo")
    flags = {key: key in values and fields.boolean(values[key], f"{what}.{key}") for key in _FLAGS}
    if flags["lazy"] and flags["empty"]:
        values["lazy"].fail(f"{what}: `lazy` and `empty` exclude each other: an empty file needs no link")
    if flags["outer"] and "on" not in values:
        values["outer"].fail(f"{what}: `outer` is about a join, so it needs `on`, the key of the join")
    glob = fields.pattern(values["glob"], f"{what}.glob", fields.text(values["glob"], f"{what}.glob", "a glob")).text
    trigger = read_trigger(values["trigger"], f"{what}.trigger") if "trigger" in values else None
    branch = DEFAULT_BRANCH if trigger is None else f"{step}-trigger"
    if "branch" in values:
        branch = fields.name(values["branch"], f"{what}.branch")
    if trigger is not None and branch in (trigger.branch, DEFAULT_BRANCH):
        values["trigger"].fail(f"{what}: the branch {branch!r} cannot follow itself or others; name another `branch`")
    return InputSpec(
        "glob",
        repo,
        branch,
        glob,
        fields.name(values["as"], f"{what}.as") if "as" in values else repo,
        on=read_template(values["on"], f"{what}.on", glob) if "on" in values else None,
        by=read_template(values["group"], f"{what}.group", glob) if "group" in values else None,
        params=given.read(values["params"], f"{what}.params", glob) if "params" in values else (),
        outer=flags["outer"],
        layout="link" if flags["lazy"] else "empty" if flags["empty"] else "copy",
        counts=not flags["reference"],
        trigger=trigger,
        where=node.where,
    )


def _short(node: Node, what: str) -> InputSpec:
    value = fields.text(node, what)
    source, _, glob = value.partition(":")
    repo, at, branch = source.partition("@")
    for part, kind in ((repo, "repo"), *(((branch, "branch"),) if at else ())):
        if not fields.is_name(part):
            node.fail(f'{what}: "{part}" is no name of a {kind} in "{value}"; {_EXPECTED}')
    if not glob:
        forms = f'"{source}:/*" gives one binding per entry, "{source}:/" one with everything'
        node.fail(f'{what}: "{value}" says which repo, but not which files; {forms}')
    pattern = fields.pattern(node, what, glob).text
    return InputSpec("glob", repo, branch or DEFAULT_BRANCH, pattern, repo, where=node.where)


def _check_names(spec: InputSpec, what: str, together: bool) -> dict[str, InputSpec]:
    """The inputs a binding may hold, by name. In one task two cannot share a name; parts of a union never meet there,
    unless they are gathered `together`: then one name is one branch of one repo.
    """
    if spec.kind == "glob":
        if spec.name == _RESERVED:
            message = f'{what}: an input cannot be named "{_RESERVED}", where tasks write; name it with `as`'
            raise BadSpec(message, spec.where)
        return {spec.name: spec}
    found: dict[str, InputSpec] = {}
    for part in spec.parts:
        for name, leaf in _check_names(part, what, together or spec.kind in ("all", "group")).items():
            other = found.setdefault(name, leaf)
            if other is leaf:
                continue
            same = (leaf.repo, leaf.branch) == (other.repo, other.branch)
            if spec.kind != "union" or (together and not same):
                message = f'{what}: two inputs are named "{name}", the other at {other.where}; name one with `as`'
                raise BadSpec(message, leaf.where)
    return found


def _check_keys(spec: InputSpec, what: str, around: frozenset[str]) -> None:
    """See that all parts of joins and groups have keys, and nothing else does."""
    if spec.kind == "glob":
        if spec.on is not None and "join" not in around:
            _fail(spec, f"{what}: `on` is the key in a join, and there is none around this input")
        if spec.by is not None and "group" not in around:
            _fail(spec, f"{what}: `group` is the key in a group, and there is none around this input")
    for part in spec.parts:
        if spec.kind == "join" and not part.says("on"):
            _fail(part, f"{what}: {_no_key(part)} in the join; give it `on`, such as glob: /(*).txt, on: $1")
        if spec.kind == "group" and not part.says("by"):
            _fail(part, f"{what}: {_no_key(part)} in the group; give it `group`, such as glob: /(*)-*, group: $1")
        _check_keys(part, what, around | {spec.kind})


def _no_key(part: InputSpec) -> str:
    if part.kind == "glob":
        return f'"{part.name}" has no key'
    return "every part of this union must have a key" if part.kind == "union" else "no input of this part has a key"


def _fail(spec: InputSpec, message: str) -> NoReturn:
    raise BadSpec(message, spec.where)
