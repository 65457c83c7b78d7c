"""`{lines: FILE}` in `each`: the values of a parameter are the lines of a file of the project."""

from __future__ import annotations

from collections.abc import Callable

from penstock.model.errors import BadSpec
from penstock.model.spec import ZIP
from penstock.text import fields
from penstock.text.marked import decoded
from penstock.text.nodes import Node

#: A file that says this may have values in other files, and has to be read again although it is as it was.
WORD = b"lines"
#: The longest line, in characters: it is to stand in a variable.
LONGEST = 100_000

#: The content of a file of the project by its relative path; None: there is no such file.
Open = Callable[[str], bytes | None]


def with_lines(tree: Node, read: Open) -> Node:
    """A pipeline file with the lines of the files that the `each` of its steps name as lists of values: what stands in
    a line, without the blanks around it. Empty lines and those that begin with # are none. Raises BadSpec.
    """
    steps = tree.value.get("steps") if isinstance(tree.value, dict) else None
    for step in steps.value.values() if steps is not None and isinstance(steps.value, dict) else ():
        each = step.value.get("each") if isinstance(step.value, dict) else None
        if each is not None and isinstance(each.value, dict):
            _fill(each, read)
            zipped = each.value.get(ZIP)
            if zipped is not None and isinstance(zipped.value, dict):
                _fill(zipped, read)
    return tree


def _fill(axes: Node, read: Open) -> None:
    for name, node in axes.value.items():
        if isinstance(node.value, dict) and node.value.keys() == {"lines"}:
            axes.value[name] = _values(node.value["lines"], f"each.{name}.lines", read)


def _values(node: Node, what: str, read: Open) -> Node:
    name = fields.text(node, what, "the name of a file")
    if name.startswith("/") or ".." in name.split("/"):
        node.fail(f'{what}: "{name}" leads out of the project; name a file in it')
    content = read(name)
    if content is None:
        node.fail(f'{what}: there is no file "{name}" in the project')
    found = []
    for number, line in enumerate(decoded(content, name).split("\n"), 1):
        text = line.strip()
        if len(text) > LONGEST:
            raise BadSpec(f"a line of {len(text):,} characters; at most {LONGEST:,} are read", f"{name}:{number}:1")
        if text and not text.startswith("#"):
            found.append(Node(text, name, number, 1 + len(line) - len(line.lstrip()), text))
    if not found:
        node.fail(f'{what}: the file "{name}" has no line with a value')
    return Node(found, node.file, node.line, node.column)
