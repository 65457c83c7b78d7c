"""Files that stay where they are: what a step reads of them (`{file: …}` in its input) and makes (`outputs`)."""

from __future__ import annotations

from msgspec.structs import replace

from penstock.model.errors import BadPath
from penstock.model.inplace import is_pattern
from penstock.model.paths import check_path
from penstock.model.spec import InPlace
from penstock.text import fields
from penstock.text.nodes import Node

_KEYS = ("file", "hash")


def split_input(node: Node, what: str) -> tuple[Node | None, tuple[InPlace, ...]]:
    """The input of a step without the files that it reads in place (None: it reads nothing else), and these files.

    Raises BadSpec.
    """
    if _is_file(node):
        return None, _read(node, what, glob=True)
    if not isinstance(node.value, list):
        return node, ()
    files = [item for part in node.value if _is_file(part) for item in _read(part, what, glob=True)]
    rest = [part for part in node.value if not _is_file(part)]
    if not files:
        return node, ()
    return (replace(node, value=rest) if rest else None), tuple(files)


def read_outputs(node: Node, what: str) -> tuple[InPlace, ...]:
    """The files that a step makes. Raises BadSpec."""
    found: dict[str, InPlace] = {}
    for item in fields.items(node, what, "files, each a path or {file: PATH}"):
        made = _read(item, what, glob=False) if isinstance(item.value, dict) else (read_place(item, what),)
        for file in made:
            if file.path in found:
                item.fail(f'{what}: "{file.path}" stands there twice')
            found[file.path] = file
    return tuple(found.values())


def read_place(node: Node, what: str) -> InPlace:
    """A path, without anything that makes it a glob. Raises BadSpec."""
    return _path(node, what, glob=False)


def _is_file(node: Node) -> bool:
    return isinstance(node.value, dict) and "file" in node.value


def _read(node: Node, what: str, glob: bool) -> tuple[InPlace, ...]:
    """One path, or a list of them, and what tells whether they changed."""
    values = fields.keys_of(node, what, _KEYS)
    if "file" not in values:
        node.fail(f"{what}: `file` is missing; expected {{file: PATH}}")
    hashed = fields.boolean(values["hash"], f"{what}.hash") if "hash" in values else False
    named = values["file"]
    paths = fields.items(named, f"{what}.file", "paths") if isinstance(named.value, list) else [named]
    if not paths:
        named.fail(f"{what}.file: expected at least one path")
    return tuple(replace(_path(path, f"{what}.file", glob), hash=hashed) for path in paths)


def _path(node: Node, what: str, glob: bool) -> InPlace:
    text = fields.text(node, what, "a path")
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
