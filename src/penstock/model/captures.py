"""Templates over what a glob captured: `"$1-$2"` is the key of a join or a group, or the value of a parameter."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from penstock.model.errors import UsageError
from penstock.model.glob import Glob

_PLACE = re.compile(r"\$(?:\$|(\d{1,3})|\{(\d{1,3})\}|(.?))", re.DOTALL)


@lru_cache(maxsize=512)
def parse(template: str, groups: int, whole: bool = False) -> tuple[str | int, ...]:
    """A template as texts and the places, from 0, of what a glob with so many groups captured.

    `$1` is the first group, `${1}` the same before a digit, `$$` a dollar; if `whole`, `$0` is all that matched, which
    stands behind the groups. Raises UsageError.

    >>> parse("$1-$2!", 2), parse("${1}0 for $$5", 1)
    ((0, '-', 1, '!'), (0, '0 for ', '$', '5'))
    """
    parts: list[str | int] = []
    done = 0
    for match in _PLACE.finditer(template):
        parts.append(template[done : match.start()])
        done = match.end()
        number = match[1] or match[2]
        if number is not None:
            if not (0 if whole else 1) <= int(number) <= groups:
                has = f"has {groups} group{'s' if groups != 1 else ''} in brackets" if groups else "captures nothing"
                raise UsageError(f'"{match[0]}" in "{template}": the glob {has}; write (*) for what shall be captured')
            parts.append((int(number) or groups + 1) - 1)
        elif match[0] == "$$":
            parts.append("$")
        else:
            raise UsageError(f'"{match[0]}" in "{template}": expected $1, ${{1}} or $$ (a dollar itself)')
    parts.append(template[done:])
    return tuple(part for part in parts if part != "")


def given(params: Iterable[tuple[str, str]], pattern: Glob, path: str) -> dict[str, str]:
    """The parameters that a match at a path gives, by their templates.

    >>> from penstock.model.glob import compile_glob
    >>> given([("sample", "$1"), ("path", "$0")], compile_glob("/(*)_R1.fq"), "ada_R1.fq")
    {'sample': 'ada', 'path': 'ada_R1.fq'}
    """
    matched = (*(pattern.captures(path) or ()), path)
    return {name: fill(parse(template, pattern.groups, True), matched) for name, template in params}


def fill(template: tuple[str | int, ...], captures: tuple[str, ...]) -> str:
    """The text of a parsed template.

    >>> fill((0, "-", 1), ("berlin", "2024"))
    'berlin-2024'
    """
    return "".join(captures[part] if isinstance(part, int) else part for part in template)
