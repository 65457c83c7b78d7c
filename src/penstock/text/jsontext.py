"""JSON and JSON5 with the place of every value. JSON is read by the same rules, so comments are welcome in both."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Any, NoReturn

from penstock.model.errors import BadSpec
from penstock.text.nodes import MAX_DIGITS, Budget, Node, add_key, line_starts

_SPACE = re.compile(r"(?:[\s\ufeff]+|//[^\n\r\u2028\u2029]*|/\*(?s:.*?)\*/)*")
_IDENTIFIER = re.compile(r"(?:[^\W\d]|\$)(?:\w|\$)*")
#: A number or a word, right or wrong, up to what ends it.
#: What begins neither space nor a comment.
_SOLID = frozenset("{}[]:,\"'-+.0123456789abcdefghijklmnopqrstuvwxyz_")
_BARE = re.compile(r"[-+.\w$]+")
_QUOTES = ("'", '"')
_ESCAPE = r"\\(?:\r\n|[\s\S])"
_STRING = re.compile(rf"""\"[^"\\\n\r]*(?:{_ESCAPE}[^"\\\n\r]*)*\"|'[^'\\\n\r]*(?:{_ESCAPE}[^'\\\n\r]*)*'""")
_WORDS = {"null": None, "true": True, "false": False, "Infinity": float("inf"), "NaN": float("nan")}


def read_json(text: str, file: str) -> Node:
    """Build the tree of the one value in `text`; raise BadSpec."""
    return _Scanner(text, file).document()


def read_json_stream(text: str, file: str) -> list[Node]:
    """The trees of all values in `text`, one behind the other; raise BadSpec."""
    scanner = _Scanner(text, file)
    found = [scanner.document_part()]
    while scanner.skip():
        found.append(scanner.value(1))
    return found


class _Scanner:
    def __init__(self, text: str, file: str) -> None:
        import pyjson5

        self.json5 = pyjson5
        self.text, self.file = text, file
        self.at = 0
        self.starts = line_starts(text)
        self.budget = Budget(len(text))

    def place(self, offset: int, value: Any = None) -> Node:
        line = bisect_right(self.starts, offset)
        return Node(value, self.file, line, offset - self.starts[line - 1] + 1)

    def fail(self, offset: int, message: str) -> NoReturn:
        self.place(offset).fail(message)

    def skip(self) -> str:
        """Pass over space and comments; the next character, "" at the end."""
        char = self.text[self.at : self.at + 1]
        if char in _SOLID:  # most files are dense
            return char
        match = _SPACE.match(self.text, self.at)
        self.at = match.end() if match else self.at
        if self.text.startswith("/*", self.at):
            self.fail(self.at, "the comment is never closed")
        return self.text[self.at : self.at + 1]

    def document_part(self) -> Node:
        if not self.skip():
            raise BadSpec("the file is empty", f"{self.file}:1:1")
        return self.value(1)

    def document(self) -> Node:
        root = self.document_part()
        if self.skip():
            self.fail(self.at, "expected the end of the file here")
        return root

    def value(self, depth: int) -> Node:
        char, start = self.skip(), self.at
        if char == "{":
            return self.mapping(depth)
        if char == "[":
            return self.sequence(depth)
        if char in _QUOTES:
            node = self.place(start, self.string())
            node.text = node.value
        else:
            node = self.place(start, self.bare())
            node.text = self.text[start : self.at]
        self.budget.spend(node, depth)
        return node

    def mapping(self, depth: int) -> Node:
        values: dict[str, Node] = {}
        result = self.place(self.at, values)
        keys = result.keys = {}
        self.budget.spend(result, depth)
        self.at += 1
        char = self.skip()
        while char != "}":
            key = self.key(char)
            add_key(keys, key)
            if self.skip() != ":":
                self.fail(self.at, f'expected ":" after the key "{key.value}"')
            self.at += 1
            values[key.value] = self.value(depth + 1)
            char = self.after_item("}", result)
        self.at += 1
        return result

    def key(self, char: str) -> Node:
        start = self.at
        if char in _QUOTES:
            return self.place(start, self.string())
        name = _IDENTIFIER.match(self.text, start)
        if not name:
            self.fail(start, "expected a key, in quotes" if char else "the file ends inside a mapping")
        self.at = name.end()
        return self.place(start, name[0])

    def sequence(self, depth: int) -> Node:
        items: list[Node] = []
        result = self.place(self.at, items)
        self.budget.spend(result, depth)
        self.at += 1
        char = self.skip()
        while char != "]":
            items.append(self.value(depth + 1))
            char = self.after_item("]", result)
        self.at += 1
        return result

    def after_item(self, closing: str, opened: Node) -> str:
        """Pass over the comma after an item; the first character of the next item, or `closing`."""
        char = self.skip()
        if char == ",":
            self.at += 1
            return self.skip()
        if char != closing:
            self.fail(self.at, f'expected "," or "{closing}" to close what begins at {opened.line}:{opened.column}')
        return char

    def string(self) -> str:
        start = self.at
        match = _STRING.match(self.text, start)
        if not match:
            self.fail(start, "the text in quotes is not closed on its line")
        self.at = match.end()
        inner = match[0][1:-1]
        return inner if "\\" not in inner else self.decode(match[0], start)

    def bare(self) -> Any:
        start = self.at
        match = _BARE.match(self.text, start)
        if not match:
            char = self.text[start : start + 1]
            self.fail(start, f'expected a value, not "{char}"' if char else "the file ends where a value is expected")
        self.at = match.end()
        if match[0][0] not in "+-.0123456789":
            if match[0] in _WORDS:
                return _WORDS[match[0]]
            self.fail(start, f'"{match[0][:80]}" is no value; put text in quotes')
        if len(match[0]) > MAX_DIGITS:
            self.fail(start, f"a number of {len(match[0])} characters; quote it if it is text")
        return self.decode(match[0], start)

    def decode(self, token: str, start: int) -> Any:
        """The value of one text or number, by the rules of JSON5."""
        try:
            value = self.json5.decode(token)
            if isinstance(value, str):
                value.encode()
        except (ValueError, self.json5.Json5Exception):
            self.fail(start, f"'{token[:80]}' is no {'text' if token[0] in _QUOTES else 'number'} of JSON5")
        return value
