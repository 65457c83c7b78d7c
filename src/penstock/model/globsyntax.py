"""The grammar of `model.glob`: a pattern as text becomes a tree of parts, or one error with its offset."""

from __future__ import annotations

from typing import NoReturn

from penstock.model.errors import UsageError

MAX_LENGTH = 1024
MAX_DEPTH = 50


# Plain classes: records with generated code would cost every command milliseconds at its start.
class Chars:
    """One character out of `ranges` (first, last), or out of all others."""

    __slots__ = ("negated", "ranges")

    def __init__(self, ranges: tuple[tuple[str, str], ...], negated: bool = False) -> None:
        self.ranges, self.negated = ranges, negated

    def has(self, char: str) -> bool:
        inside = any(first <= char <= last for first, last in self.ranges)
        return inside != self.negated


class Sequence:
    """One part after the other."""

    __slots__ = ("parts",)

    def __init__(self, *parts: Part) -> None:
        self.parts = parts


class Choice:
    """One of several parts, the first preferred."""

    __slots__ = ("options",)

    def __init__(self, *options: Part) -> None:
        self.options = options


class Repeat:
    """`inner` at least `least` times (0 or 1): at most once, or without end if `many`."""

    __slots__ = ("inner", "least", "many")

    def __init__(self, inner: Part, least: int, many: bool) -> None:
        self.inner, self.least, self.many = inner, least, many


class But:
    """Any text inside one name that `inner` does not match."""

    __slots__ = ("inner",)

    def __init__(self, inner: Part) -> None:
        self.inner = inner


class Capture:
    """`inner`, remembered as the group of that number."""

    __slots__ = ("inner", "number")

    def __init__(self, number: int, inner: Part) -> None:
        self.number, self.inner = number, inner


Part = Chars | Sequence | Choice | Repeat | But | Capture

IN_NAME = Chars((("/", "/"),), negated=True)
ANYTHING = Chars((), negated=True)
SLASH = Chars((("/", "/"),))
#: `**/`: any number of directories, none included.
DIRECTORIES = Repeat(Sequence(Repeat(IN_NAME, 1, True), SLASH), 0, True)


def parse(inner: str, shown: str) -> tuple[Part, int, str]:
    """Read a pattern without outer slashes: its tree, how many groups capture, and the text every match starts with.

    `shown` is what the user wrote, for messages and offsets. Raises UsageError.
    """
    parser = _Parser(inner, shown)
    tree = parser.read_all()
    return tree, parser.groups, _literal_prefix(tree)


def _literal_prefix(tree: Part) -> str:
    prefix = ""
    for part in tree.parts if isinstance(tree, Sequence) else (tree,):
        if not isinstance(part, Chars) or part.negated or len(part.ranges) != 1:
            break
        first, last = part.ranges[0]
        if first != last:
            break
        prefix += first
    return prefix


class _Parser:
    def __init__(self, text: str, shown: str) -> None:
        self.text, self.shown = text, shown
        self.at = 0
        self.shift = shown.find(text) if text else 0
        self.groups = 0

    def fail(self, offset: int, problem: str) -> NoReturn:
        shown = self.shown if len(self.shown) <= 200 else self.shown[:200] + "…"
        raise UsageError(f'glob "{shown}": offset {offset + self.shift}: {problem}')

    def read_all(self) -> Part:
        if len(self.text) > MAX_LENGTH:
            self.fail(MAX_LENGTH, f"the pattern has {len(self.text)} characters, at most {MAX_LENGTH} are read")
        offset = 0
        for name in self.text.split("/") if self.text else ():
            if not name:
                self.fail(offset, "an empty name between two slashes")
            if name in (".", ".."):
                self.fail(offset, f'"{name}" never matches; a glob starts at the root of the repo')
            offset += len(name) + 1
        return self.sequence("", 0)

    def sequence(self, stops: str, depth: int) -> Part:
        parts: list[Part] = []
        while self.at < len(self.text) and self.text[self.at] not in stops:
            parts.append(self.part(depth))
        return parts[0] if len(parts) == 1 else Sequence(*parts)

    def part(self, depth: int) -> Part:
        start, char = self.at, self.text[self.at]
        following = self.text[start + 1 : start + 2]
        if following == "(" and char in "?*+@!":
            self.at += 1
            return self.group(start, char, depth)
        if char == "(":
            return self.group(start, "@", depth)
        if char == "{":
            return self.choice(start, "{", ",", "}", depth)
        if char in ")}]":
            self.fail(start, f'"{char}" closes nothing; write \\{char} for the character itself')
        if char == "[":
            return self.characters(start)
        if char == "*":
            return self.stars(start)
        self.at += 1
        if char == "?":
            return IN_NAME
        if char == "\\":
            if not following:
                self.fail(start, "nothing follows the backslash")
            if following == "/":
                self.fail(start, "a slash cannot be escaped; no name holds one")
            self.at += 1
            char = following
        return Chars(((char, char),))

    def stars(self, start: int) -> Part:
        end = start
        while self.text[end : end + 1] == "*":
            end += 1
        if self.text[end : end + 1] == "(" and end - start > 1:
            end -= 1  # the last one belongs to the group
        self.at = end
        if end - start == 1:
            return Repeat(IN_NAME, 0, True)
        if end - start == 2 and (start == 0 or self.text[start - 1] == "/"):
            if self.text[end : end + 1] == "/":
                self.at = end + 1
                return DIRECTORIES
            if end == len(self.text):
                return Repeat(ANYTHING, 1, True)
        return Repeat(ANYTHING, 0, True)

    def group(self, start: int, kind: str, depth: int) -> Part:
        number = self.groups
        self.groups += 1
        inner = self.choice(start, "(", "|", ")", depth)
        if kind == "!":
            inner = But(inner)
        elif kind != "@":
            inner = Repeat(inner, 1 if kind == "+" else 0, kind != "?")
        return Capture(number, inner)

    def choice(self, start: int, opening: str, between: str, closing: str, depth: int) -> Part:
        if depth >= MAX_DEPTH:
            self.fail(start, f"more than {MAX_DEPTH} groups inside each other")
        options: list[Part] = []
        while True:
            self.at += 1
            options.append(self.sequence(between + closing, depth + 1))
            if self.at >= len(self.text):
                self.fail(start, f'"{opening}" is never closed; write \\{opening} for the character itself')
            if self.text[self.at] == closing:
                self.at += 1
                return options[0] if len(options) == 1 else Choice(*options)

    def characters(self, start: int) -> Part:
        self.at += 1
        negated = self.text[self.at : self.at + 1] == "!"
        self.at += negated
        ranges: list[tuple[str, str]] = []
        while self.text[self.at : self.at + 1] != "]":
            where = self.at
            first = last = self.member(start)
            if self.text[self.at : self.at + 1] == "-" and self.text[self.at + 1 : self.at + 2] not in ("]", ""):
                self.at += 1
                last = self.member(start)
            if last < first:
                self.fail(where, f'the range "{first}-{last}" is empty')
            ranges.append((first, last))
        if not ranges:
            self.fail(start, '"[]" matches nothing; write \\[ for the character itself')
        self.at += 1
        if negated:
            return Chars((*ranges, ("/", "/")), negated=True)
        return Chars(tuple(ranges))

    def member(self, start: int) -> str:
        if self.text[self.at : self.at + 1] == "\\":
            self.at += 1
        char = self.text[self.at : self.at + 1]
        if not char:
            self.fail(start, '"[" is never closed; write \\[ for the character itself')
        if char == "/":
            self.fail(self.at, '"/" cannot stand inside "[…]"')
        self.at += 1
        return char
