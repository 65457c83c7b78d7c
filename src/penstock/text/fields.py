"""Taking a marked tree apart: the right type, the right key, or one error at the right place."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Any

from penstock.model import templates
from penstock.model.errors import BadPath, UsageError
from penstock.model.glob import Glob, compile_glob
from penstock.model.paths import check_path
from penstock.model.values import why_not
from penstock.text.nodes import Node
from penstock.text.units import parse_seconds

MAX_NAME = 64
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def found(node: Node) -> str:
    """The type of a value, in a plain word."""
    if isinstance(node.value, bool):
        return "true or false"
    words = {str: "text", int: "a number", float: "a number", list: "a list", dict: "a mapping"}
    return words.get(type(node.value), "nothing")


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean "x"?` for the known word most like `word`, else the known ones, as the end of a message."""
    import difflib

    known = sorted(known)
    close = difflib.get_close_matches(word, known, 1, 0.5)
    if close:
        return f'; did you mean "{close[0]}"?'
    if not known:
        return "; there are none"
    shown = ", ".join(f'"{name}"' for name in known[:12])
    return f"; known: {shown}" + (", …" if len(known) > 12 else "")


def mapping(node: Node, what: str) -> dict[str, Node]:
    if not isinstance(node.value, dict):
        node.fail(f"{what}: expected a mapping, found {found(node)}")
    return node.value


def keys_of(node: Node, what: str, known: Collection[str], later: Collection[str] = ()) -> dict[str, Node]:
    """A mapping with no other keys than `known`; those of `later` are named as what another version will know."""
    values = mapping(node, what)
    for key, place in (node.keys or {}).items():
        if key in later:
            place.fail(f"{what}: `{key}` is not supported by this version{_instead(known)}")
        if key not in known:
            ours = next((name for name in _ELSEWHERE.get(key, ()) if name in known), None)
            hint = f"; here it is `{ours}`" if ours else nearest(key, known)
            place.fail(f'{what}: unknown key "{key}"{hint}')
    return values


#: Keys of other tools, and what stands for them here; the first that a mapping knows is named.
_ELSEWHERE = {
    **dict.fromkeys(("cmd", "command", "exec", "script", "shell"), ("run",)),
    **dict.fromkeys(("stages", "jobs", "rules", "tasks"), ("steps",)),
    **dict.fromkeys(("deps", "inputs"), ("input",)),
    **dict.fromkeys(("depends_on", "needs", "requires"), ("after",)),
    **dict.fromkeys(("outs", "products"), ("outputs",)),
    **dict.fromkeys(("foreach", "matrix"), ("each",)),
    **dict.fromkeys(("parameters", "config"), ("params",)),
    **dict.fromkeys(("threads", "cores", "num_cpus"), ("cpus", "resources")),
    **dict.fromkeys(("mem", "mem_mb", "mem_gb", "memory"), ("memory", "resources")),
    **dict.fromkeys(("gpu", "gpus", "num_gpus"), ("gpus", "resources")),
    **dict.fromkeys(("runtime", "walltime"), ("time", "walltime", "resources")),
    **dict.fromkeys(("retries", "restart-times"), ("retry",)),
    **dict.fromkeys(("environment", "container", "image"), ("env",)),
}


def _instead(known: Collection[str]) -> str:
    return "; it knows " + ", ".join(f"`{key}`" for key in sorted(known)) if known else ""


def items(node: Node, what: str, of: str) -> list[Node]:
    if not isinstance(node.value, list):
        node.fail(f"{what}: expected a list of {of}, found {found(node)}")
    return node.value


def text(node: Node, what: str, expected: str = "text") -> str:
    """Text without NUL, which no command, file name or variable can hold."""
    if not isinstance(node.value, str):
        hint = f'; write "{node.text}" in quotes' if node.text else ""
        node.fail(f"{what}: expected {expected}, found {found(node)}{hint}")
    if "\0" in node.value:
        node.fail(f"{what}: a NUL character is not allowed")
    return node.value


def word(node: Node, what: str) -> str:
    """What a command receives: text, or a number just as it is written."""
    if isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
        return node.text
    return text(node, what)


def boolean(node: Node, what: str) -> bool:
    if not isinstance(node.value, bool):
        shown = f' "{node.value}"' if isinstance(node.value, str) else ""
        node.fail(f"{what}: expected true or false, found {found(node)}{shown}")
    return node.value


def whole(node: Node, what: str, least: int, most: int) -> int:
    if not isinstance(node.value, int) or isinstance(node.value, bool):
        node.fail(f"{what}: expected a whole number, found {found(node)}" + (f" {node.text}" if node.text else ""))
    if not least <= node.value <= most:
        node.fail(f"{what}: expected a number from {least} to {most}, found {node.text}")
    return node.value


def seconds(node: Node, what: str) -> float:
    if isinstance(node.value, bool) or not isinstance(node.value, (str, int, float)):
        node.fail(f"{what}: expected a duration such as 10m, found {found(node)}")
    try:
        value = parse_seconds(node.value)
    except UsageError as error:
        node.fail(f"{what}: {error}")
    if value <= 0:
        node.fail(f"{what}: expected a duration longer than nothing")
    return value


def choice(node: Node, what: str, among: tuple[str, ...]) -> str:
    if node.value not in among:
        expected = " or ".join(f'"{option}"' for option in among)
        shown = f'"{node.value}"' if isinstance(node.value, str) else found(node)
        node.fail(f"{what}: expected {expected}, found {shown}")
    return str(node.value)


def name(node: Node, what: str) -> str:
    """The name of a pipeline, step, repo, branch or input."""
    value = text(node, what, "a name")
    if not is_name(value):
        rule = f"letters, digits, _ and -, not beginning with _ or -, at most {MAX_NAME}"
        node.fail(f'{what}: "{value[:80]}" is no name; expected {rule}')
    return value


def is_name(value: str) -> bool:
    return len(value) <= MAX_NAME and _NAME.fullmatch(value) is not None


def variable(node: Node, what: str) -> str:
    """A name that an environment variable can have."""
    value = text(node, what, "a name")
    if not is_variable(value):
        rule = f"letters, digits and _, not beginning with a digit, at most {MAX_NAME}"
        node.fail(f'{what}: "{value[:80]}" cannot be the name of a variable; expected {rule}')
    return value


def is_variable(value: str) -> bool:
    return len(value) <= MAX_NAME and _VARIABLE.fullmatch(value) is not None


def data(node: Node, what: str) -> Any:
    """Any value that JSON can hold."""
    if isinstance(node.value, dict):
        return {key: data(value, what) for key, value in node.value.items()}
    if isinstance(node.value, list):
        return [data(value, what) for value in node.value]
    if isinstance(node.value, str):
        return text(node, what)
    if why := why_not(node.value):
        node.fail(f"{what}: {why}")
    return node.value


def params(node: Node, what: str) -> dict[str, Any]:
    values, seen = mapping(node, what), dict[str, Node]()
    for key in (node.keys or {}).values():
        param(key, what, seen)
    return {key: data(value, f"{what}.{key}") for key, value in values.items()}


def param(key: Node, what: str, seen: dict[str, Node]) -> None:
    """The name of a parameter, of which there may be none in `seen` (variable -> where) that tasks find in the same
    variable.
    """
    name = variable(key, what)
    first = seen.setdefault(templates.variable(name), key)
    if first.value == name and first is not key:
        key.fail(f'{what}: "{name}" was given before, at {first.line}:{first.column}')
    apart(key, what, first)


def apart(key: Node, what: str, other: Node | None) -> None:
    """Raise BadSpec if another parameter would be in the same variable under another name."""
    if other is not None and other.value != key.value:
        both = f'"{key.value}" and "{other.value}", at {other.where}, are both ${templates.variable(key.value)}'
        key.fail(f"{what}: {both}; give one of them another name")


def pattern(node: Node, what: str, value: str) -> Glob:
    """A glob that can be read."""
    try:
        return compile_glob(value)
    except UsageError as error:
        node.fail(f"{what}: {error}")


def directory(node: Node, what: str) -> str:
    """A path below the project, without `.` and outer slashes; "." is the project itself."""
    value = text(node, what, "a path")
    if value.startswith(("/", "~")):
        node.fail(f'{what}: "{value}": expected a path relative to the project')
    parts = [part for part in value.split("/") if part not in ("", ".")]
    if ".." in parts:
        node.fail(f'{what}: "{value}" leads out of the project')
    if parts[:1] == [".penstock"]:
        node.fail(f'{what}: "{value}" is where Penstock keeps its own data')
    if not parts:
        if value:
            return "."
        node.fail(f"{what}: expected a path, found nothing")
    try:
        return check_path("/".join(parts))
    except BadPath as error:
        node.fail(f"{what}: {error}")
