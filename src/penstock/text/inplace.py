"""Files that stay where they are: what a step reads of them (`{file: …}` in its input) and makes (`outputs`).

A place for an `each` parameter in a path stands for as many paths as that has values.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from penstock.model import templates
from penstock.model.errors import BadPath, BadSpec, UsageError
from penstock.model.inplace import escaped, is_pattern, normal
from penstock.model.paths import check_path
from penstock.model.spec import InPlace, Step, axis_names, combinations
from penstock.text import fields
from penstock.text.nodes import Node

#: The files that a step makes, and what each of its tasks makes of them.
Made = tuple[tuple[InPlace, ...], tuple[str, ...]]
NOTHING_MADE: Made = ((), ())
_KEYS = ("file", "hash")
_MADE_KEYS = ("file", "hash", "persist")
#: The files that a step reads, and what each of its tasks reads of them: paths, some with places, if any has one.
Taken = tuple[tuple[InPlace, ...], tuple[InPlace, ...]]
NOTHING_TAKEN: Taken = ((), ())
#: How many paths one with places may stand for.
MOST = 1_000_000


def split_input(node: Node, what: str, each: Mapping[str, Any]) -> tuple[Node | None, Taken]:
    """The input of a step without the files that it reads in place (None: it reads nothing else), and these files.

    Raises BadSpec.
    """
    if _is_file(node):
        return None, _taken([node], what, each)
    if not isinstance(node.value, list):
        return node, NOTHING_TAKEN
    files = [part for part in node.value if _is_file(part)]
    rest = [part for part in node.value if not _is_file(part)]
    if not files:
        return node, NOTHING_TAKEN
    return (replace(node, value=rest) if rest else None), _taken(files, what, each)


def read_outputs(node: Node, what: str, each: Mapping[str, Any]) -> Made:
    """The files that a step makes, and what each of its tasks makes of them: paths with places, if there are any.

    Raises BadSpec.
    """
    found: dict[str, InPlace] = {}
    makes: list[str] = []
    for item in fields.items(node, what, "files, each a path or {file: PATH}"):
        said, paths = _read_file(item, what, _MADE_KEYS) if isinstance(item.value, dict) else ({}, [item])
        for path in paths:
            makes.append(normal(fields.text(path, what, "a path")))
            for file in _paths(path, what, each, glob=False):
                if file.path in found:
                    item.fail(f'{what}: "{file.path}" stands there twice')
                found[file.path] = replace(file, **said)
    return tuple(found.values()), tuple(makes) if templates.named(makes, axis_names(each)) else ()


def read_place(node: Node, what: str) -> InPlace:
    """A path, without anything that makes it a glob. Raises BadSpec."""
    return _path(node, what, fields.text(node, what, "a path"), glob=False)


def below(step: Step, root: str) -> Step:
    """A step whose absolute paths below the project's directory are relative to it: one file has one name.

    Raises BadSpec.
    """
    if not any(file.path.startswith("/") for file in (*step.reads, *step.outputs)):
        return step
    top = root.rstrip("/") + "/"

    def below(path: str, where: str) -> str:
        start = escaped(top) if is_pattern(path) else top
        if not path.startswith(start):
            return path
        if path[len(start) :].partition("/")[0] == ".penstock":
            raise BadSpec(f'step "{step.name}": "{path}" is where Penstock keeps its own data', where)
        return path[len(start) :]

    def relative(files: tuple[InPlace, ...]) -> tuple[InPlace, ...]:
        return tuple(replace(file, path=below(file.path, file.where)) for file in files)

    outputs = {file.path: file for file in relative(step.outputs)}
    makes = tuple(below(path, step.where) for path in step.makes)
    reads, takes = relative(step.reads), relative(step.takes)
    return replace(step, reads=reads, takes=takes, outputs=tuple(outputs.values()), makes=makes)


def _is_file(node: Node) -> bool:
    return isinstance(node.value, dict) and "file" in node.value


def _taken(nodes: list[Node], what: str, each: Mapping[str, Any]) -> Taken:
    """What a step reads in place."""
    reads: list[InPlace] = []
    takes: list[InPlace] = []
    for node in nodes:
        said, paths = _read_file(node, what, _KEYS)
        for path in paths:
            files = _paths(path, f"{what}.file", each, glob=True)
            reads += (replace(file, **said) for file in files)
            text = fields.text(path, f"{what}.file", "a path")
            if templates.named([text], axis_names(each)):
                files = [InPlace(normal(text), where=path.where)]
            takes += (replace(file, **said) for file in files)
    own = any(templates.named([file.path], axis_names(each)) for file in takes)
    return tuple(reads), tuple(takes) if own else ()


def _read_file(node: Node, what: str, keys: tuple[str, ...]) -> tuple[dict[str, bool], list[Node]]:
    """What is said of files, and the path of one, or a list of them."""
    values = fields.keys_of(node, what, keys)
    if "file" not in values:
        node.fail(f"{what}: `file` is missing; expected {{file: PATH}}")
    said = {key: fields.boolean(values[key], f"{what}.{key}") for key in keys[1:] if key in values}
    named = values["file"]
    paths = fields.items(named, f"{what}.file", "paths") if isinstance(named.value, list) else [named]
    if not paths:
        named.fail(f"{what}.file: expected at least one path")
    return said, paths


def _paths(node: Node, what: str, each: Mapping[str, Any], glob: bool) -> list[InPlace]:
    """A path, or all that it stands for, each once."""
    text = fields.text(node, what, "a path")
    names = templates.named([text], axis_names(each))
    if not names:
        return [_path(node, what, text, glob)]
    found: dict[str, None] = {}
    try:
        for values in combinations(each):
            found[templates.fill(text, {name: values[name] for name in names})] = None
            if len(found) > MOST:
                node.fail(f'{what}: "{text}" stands for more than {MOST:,} paths; name their directory instead')
    except UsageError as error:
        node.fail(f"{what}: {error}")
    return [_path(node, what, path, glob) for path in found]


def _path(node: Node, what: str, text: str, glob: bool) -> InPlace:
    root, parts = "/" if text.startswith("/") else "", [part for part in text.split("/") if part not in ("", ".")]
    if ".." in parts or text.startswith("~"):
        node.fail(f'{what}: "{text}": expected a path below the project, or an absolute one')
    if not parts:
        node.fail(f"{what}: expected the path of a file, found nothing" if not text else f'{what}: "{text}" is no file')
    if not root and parts[0] == ".penstock":
        node.fail(f'{what}: "{text}" is where Penstock keeps its own data')
    path = "/".join(parts)
    if glob:
        fields.pattern(node, what, f"/{path}")
    else:
        if is_pattern(path):
            node.fail(f'{what}: "{text}": a file that is made has no * ? [ ] {{ }} ( ) in its path')
        try:
            check_path(path)
        except BadPath as error:
            node.fail(f"{what}: {error}")
    return InPlace(root + path, where=node.where)
