"""YAML 1.2 with its core schema: `no`, `on`, `12:30:00` and dates are text, `010` is ten, `0o10` is eight.

The C parser gives events; the tree is built here, so that an alias costs what it stands for and depth is bounded.
"""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct

from penstock.model.errors import BadSpec
from penstock.text.nodes import MAX_DIGITS, Budget, Node, add_key

_TAG = "tag:yaml.org,2002:"
_NULL = re.compile(r"(?:~|null|Null|NULL)?")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_TYPES = {"null": (type(None),), "bool": (bool,), "int": (int,), "float": (int, float)}
#: What a plain scalar that is no text begins with; spares most texts the four expressions above.
_MAY_BE_OTHER = frozenset("~nNtTfF+-.0123456789")

#: Problems that are seen at the end, and made where the text or the bracket begins.
_OPENED = {
    "could not find expected ':'",
    "found unexpected end of stream",
    "did not find expected ',' or ']'",
    "did not find expected ',' or '}'",
}

#: What the parser says -> what we say.
_PLAINER = {
    "mapping values are not allowed in this context": 'a ":" is not expected here; quote the text if it belongs to it',
    "did not find expected key": "expected a key here; look for a missing quote, comma or indentation",
    "could not find expected ':'": 'expected a key and ":"; is it part of the text above, or less indented than meant?',
    "did not find expected node content": "expected a value here; look for a bracket that is not closed before",
    "block sequence entries are not allowed in this context": 'a "-" item cannot begin here; put it on its own line',
    "did not find expected '-' indicator": 'expected "-" and the next item of the list',
    "did not find expected ',' or ']'": 'this list is not closed: expected "," or "]" after an item',
    "did not find expected ',' or '}'": 'this mapping is not closed: expected "," or "}" after a value',
    "did not find expected alphabetic or numeric character": "quote a value that begins with * or &",
    "found unexpected end of stream": "this text in quotes is never closed",
    "did not find expected <document start>": "expected the end of the file here",
    "found undefined tag handle": "unknown tag",
}


def read_yaml(text: str, file: str) -> Node:
    """Build the tree of the one document in `text`; raise BadSpec."""
    import yaml

    parser = yaml.CSafeLoader(text)
    try:
        return _Reader(yaml, parser, file, len(text)).document()
    except yaml.YAMLError as error:
        raise _readable(error, text, file) from None
    finally:
        parser.dispose()


def _readable(error: Any, text: str, file: str) -> BadSpec:
    problem = str(getattr(error, "problem", None) or error)
    mark = getattr(error, "problem_mark", None)
    opened = getattr(error, "context_mark", None)
    if problem in _OPENED and opened is not None:
        mark = opened
    if mark is None:
        return BadSpec(f"not YAML: {problem}", f"{file}:1:1")
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    where = f"{file}:{mark.line + 1}:{mark.column + 1}"
    if "\t" in line[: mark.column + 1] and not line[: mark.column].strip():
        return BadSpec("a tab cannot indent YAML; use spaces", where)
    if problem == "found character that cannot start any token":
        return BadSpec(f'"{line[mark.column : mark.column + 1]}" cannot begin a value; quote the text', where)
    return BadSpec(_PLAINER.get(problem, f"not YAML: {problem}"), where)


class _Anchored(Struct, frozen=True):
    node: Node
    nodes: int  #: how many values it stands for
    height: int  #: how many levels it adds


class _Reader:
    def __init__(self, yaml: Any, parser: Any, file: str, size: int) -> None:
        self.yaml, self.parser, self.file = yaml, parser, file
        self.budget = Budget(size)
        #: None while the anchor's own value is still being read.
        self.anchors: dict[str, _Anchored | None] = {}

    def document(self) -> Node:
        self.next()  # start of the stream
        event = self.next()
        if isinstance(event, self.yaml.StreamEndEvent):
            raise BadSpec("the file is empty", f"{self.file}:1:1")
        root, _ = self.node(self.next(), 1)
        self.next()  # end of the document
        event = self.next()
        if not isinstance(event, self.yaml.StreamEndEvent):
            self.place(event).fail("a second document begins here; one file holds one")
        return root

    def next(self) -> Any:
        return self.parser.get_event()

    def place(self, event: Any, value: Any = None) -> Node:
        mark = event.start_mark
        return Node(value, self.file, mark.line + 1, mark.column + 1)

    def node(self, event: Any, depth: int) -> tuple[Node, int]:
        """The value that begins with `event`, and how many levels it has."""
        yaml = self.yaml
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event, depth)
        before = self.budget.nodes
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        if isinstance(event, yaml.ScalarEvent):
            node, height = self.scalar(event), 1
            self.budget.spend(node, depth)
        elif isinstance(event, yaml.SequenceStartEvent):
            node, height = self.sequence(event, depth)
        else:
            node, height = self.mapping(event, depth)
        if event.anchor is not None:
            self.anchors[event.anchor] = _Anchored(node, self.budget.nodes - before, height)
        return node, height

    def alias(self, event: Any, depth: int) -> tuple[Node, int]:
        place = self.place(event)
        if event.anchor not in self.anchors:
            place.fail(f'nothing before is named "&{event.anchor}"')
        anchored = self.anchors[event.anchor]
        if anchored is None:
            place.fail(f'"*{event.anchor}" stands inside itself')
        self.budget.spend(place, depth + anchored.height - 1, anchored.nodes)
        # A value of its own, at the place where it is used: else a list could hold one value twice unseen.
        place.value, place.text, place.keys = anchored.node.value, anchored.node.text, anchored.node.keys
        return place, anchored.height

    def sequence(self, event: Any, depth: int) -> tuple[Node, int]:
        items: list[Node] = []
        result = self.place(event, items)
        self.budget.spend(result, depth)
        self.check_tag(event, "seq", result)
        tallest = 0
        while not isinstance(event := self.next(), self.yaml.SequenceEndEvent):
            item, height = self.node(event, depth + 1)
            items.append(item)
            tallest = max(tallest, height)
        return result, tallest + 1

    def mapping(self, event: Any, depth: int) -> tuple[Node, int]:
        values: dict[str, Node] = {}
        result = self.place(event, values)
        keys = result.keys = {}
        self.budget.spend(result, depth)
        self.check_tag(event, "map", result)
        tallest = 0
        while not isinstance(event := self.next(), self.yaml.MappingEndEvent):
            plain = isinstance(event, self.yaml.ScalarEvent) and event.implicit[0]
            key, _ = self.node(event, depth + 1)
            if isinstance(event, self.yaml.AliasEvent):
                key = self.place(event, key.value)  # the place of the key is where it is used
            if plain and key.value == "<<":
                key.fail('"<<" (merge) is not part of YAML 1.2; repeat the keys')
            if not isinstance(key.value, str):
                key.fail(f'a key must be text; write "{key.text}" in quotes' if key.text else "a key must be text")
            add_key(keys, key)
            value, height = self.node(self.next(), depth + 1)
            values[key.value] = value
            tallest = max(tallest, height)
        return result, tallest + 1

    def check_tag(self, event: Any, kind: str, place: Node) -> None:
        if event.tag not in (None, "!", _TAG + kind):
            place.fail(f'the tag "{event.tag}" is not supported here')

    def scalar(self, event: Any) -> Node:
        node = self.place(event, event.value)
        text = node.text = event.value
        if event.tag in (None, "!"):
            if event.tag is None and event.implicit[0] and (not text or text[0] in _MAY_BE_OTHER):
                node.value = self.resolve(text, node)
            return node
        kind = event.tag.removeprefix(_TAG)
        if kind == "str":
            return node
        expected = _TYPES.get(kind) if kind != event.tag else None
        if expected is None:
            node.fail(f'the tag "{event.tag}" is not supported here')
        value = self.resolve(text, node)
        if type(value) not in expected:
            node.fail(f'"{text}" is no {kind}')
        node.value = float(value) if kind == "float" else value
        return node

    def resolve(self, text: str, node: Node) -> Any:
        """A plain scalar by the core schema of YAML 1.2."""
        if _NULL.fullmatch(text):
            return None
        if _BOOL.fullmatch(text):
            return text[0] in "tT"
        is_int = _INT.fullmatch(text)
        if not is_int and not _FLOAT.fullmatch(text):
            return text
        if len(text) > MAX_DIGITS:
            node.fail(f"a number of {len(text)} characters; quote it if it is text")
        if is_int:
            return int(text, {"0x": 16, "0o": 8}.get(text[:2], 10))
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
