"""Names of a definition: what they are called here, and which of them a job means. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from penstock.model.prefixes import beginning
from penstock.text import fields
from penstock.text.nodes import Node

_BAD = re.compile(r"[^A-Za-z0-9_-]+")
#: An expression that is about the beginning of a name, and what stands there.
_LITERAL = re.compile(r"\^([A-Za-z0-9_-]+)")


def called(name: str, place: int) -> str:
    """A name as ours may be."""
    return name if fields.is_name(name) else (_BAD.sub("-", name).strip("-_")[: fields.MAX_NAME - 8] or f"x{place}")


def callings(names: Iterable[str]) -> list[str]:
    """What each of some names is called here, no two alike.

    >>> callings(["a.b", "a-b", "c", "a b"])
    ['a-b', 'a-b-2', 'c', 'a-b-3']
    """
    found: dict[str, None] = {}
    last: dict[str, int] = {}  # how many were tried of each
    for place, name in enumerate(names):
        wanted = first = called(name, place)
        while wanted in found:
            last[first] = number = last.get(first, 1) + 1
            wanted = f"{first}-{number}"
        found[wanted] = None
    return list(found)


class Known:
    """The names of one kind of thing in a definition, in its order."""

    def __init__(self, what: str, names: Iterable[str]) -> None:
        self.what = what
        self._places = {name: place for place, name in enumerate(names)}
        self._sorted = sorted(self._places)
        self._found: dict[str, list[str]] = {}  # expression -> what it finds

    def named(self, said: Mapping[str, Node], name: str) -> list[str]:
        """The names in a list, and those that the expressions of `<name>_regexes` find, in the order of the definition;
        expressions for `input_files` may be called `input_file_regexes`, too.

        Raises BadSpec for one that is not known, and for an expression that finds none.
        """
        wanted: set[str] = set()
        for item in fields.items(said[name], f"`{name}`", "names") if name in said else ():
            one = fields.text(item, f"`{name}`", "a name")
            if one not in self._places:
                other = fields.nearest(one, self._places)
                item.fail(f"`{name}`: there is no {self.what} {one[:80]!r} in this file{other}")
            wanted.add(one)
        for by in dict.fromkeys((f"{name}_regexes", f"{name.removesuffix('s')}_regexes")):
            for item in fields.items(said[by], f"`{by}`", "expressions") if by in said else ():
                found = self._find(item, by)
                if not found:
                    item.fail(f"`{by}`: {item.value[:80]!r} finds no {self.what}")
                wanted.update(found)
        return sorted(wanted, key=self._places.__getitem__)

    def _find(self, item: Node, by: str) -> list[str]:
        expression = fields.text(item, f"`{by}`", "an expression")
        if expression not in self._found:
            try:
                search = re.compile(expression).search
            except (re.error, OverflowError, RecursionError) as error:
                item.fail(f"`{by}`: {expression[:80]!r} is no regular expression: {error}")
            self._found[expression] = [one for one in beginning(self._sorted, _prefix(expression)) if search(one)]
        return self._found[expression]


def _prefix(expression: str) -> str:
    """What all that an expression finds begins with; jobs of which each names another one need not look at all.

    >>> [_prefix(text) for text in ("^work_7$", "^work.*", "^work*", "work", "^a|b")]
    ['work_7', 'work', 'wor', '', '']
    """
    match = _LITERAL.match(expression) if "|" not in expression else None
    if match is None:
        return ""
    return match[1][:-1] if expression[match.end() :].startswith(("*", "+", "?", "{")) else match[1]
