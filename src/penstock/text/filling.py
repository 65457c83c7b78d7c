"""Places for parameters in the words of a command: which are filled, and which are a mistake."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from penstock.model import templates
from penstock.model.errors import UsageError
from penstock.model.spec import ZIP, axis, axis_names
from penstock.text.nodes import Node

#: A place in a word that is nothing but a name or a path. Elsewhere braces belong to another language.
_BARE = re.compile(r"(?:^|(?<=[\w./=:,+-]))\{([A-Za-z_]\w*)(?::[^{}]*)?\}(?=$|[\w./=:,+-])", re.ASCII)
_CODE = re.compile(r"[\s'\"`$;()|&\\<>*\[\]]")
#: What a shell takes as it stands, and the names it gives to descriptors.
_QUOTED = re.compile(r"'[^']*'|\"(?:\\.|[^\"\\])*\"|\\.|#[^\n]*|\{\w+\}(?=[<>])", re.DOTALL)
_BETWEEN = re.compile(r"[\s;&|()<>]+")
#: Programs whose own words have braces.
_READ_BRACES = frozenset(
    {"awk", "gawk", "mawk", "nawk", "jq", "sed", "perl", "find", "xargs", "parallel", "curl", "git"}
)
_SHELL = re.compile(r"(?:ba|da|z|k)?sh")


def check_places(
    node: Node, what: str, argv: tuple[str, ...], each: Mapping[str, Any], params: Mapping[str, Any]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The parameters of `each` that words have places for, and those of `params`.

    Raises BadSpec for a place that some value cannot fill, that stands in a text which a shell would read, or that
    names no parameter.
    """
    varied, fixed = templates.named(argv, axis_names(each)), templates.named(argv, params)
    for name in varied + fixed if not isinstance(node.value, list) else ():
        _refuse(node, what, name)
    for name in templates.named(_shell_text(argv), params):
        _refuse(node, what, name)
    for name in varied + fixed:
        try:
            for value in _values(each, name) if name in varied else [params[name]]:
                templates.check(argv, name, value)
        except UsageError as error:
            node.fail(f"{what}: {error}")
    known = {*axis_names(each), *params}
    for place, name in _bare(node, argv):
        if name not in known:
            listed = f"there are {', '.join(sorted(known))}" if known else "there are none"
            place.fail(f"{what}: {{{name}}} names no parameter; {listed}; name it in `params` or `each`")
    return varied, fixed


def check_no_places(node: Node, what: str, argv: tuple[str, ...]) -> None:
    """Raise BadSpec for a place in a command that has none."""
    for place, name in _bare(node, argv):
        place.fail(f'{what}: {{{name}}} is filled in `run` alone; read "${templates.variable(name)}"')


def _refuse(node: Node, what: str, name: str) -> None:
    instead = f'write "${templates.variable(name)}", or a list of words'
    node.fail(f"{what}: {{{name}}} in a text for the shell, where a value could say anything; {instead}")


def _values(each: Mapping[str, Any], name: str) -> list[Any]:
    """The values of an axis; of a range, whose numbers are all alike, the first and the last."""
    zipped = each[ZIP] if isinstance(each.get(ZIP), dict) else {}
    values = axis(zipped[name] if name in zipped else each[name])
    return [values[0], values[-1]] if isinstance(values, range) else list(values)


def _shell_text(argv: tuple[str, ...]) -> tuple[str, ...]:
    """The words after `-c` of a shell that is called by a list."""
    if not _SHELL.fullmatch(os.path.basename(argv[0])):
        return ()
    options = [number for number, word in enumerate(argv) if re.fullmatch(r"-\w*c", word)]
    return argv[options[0] + 1 : options[0] + 2] if options else ()


def _bare(node: Node, argv: tuple[str, ...]) -> Iterator[tuple[Node, str]]:
    """Places where nobody but us could be meant, each with where it stands: in words of a list that are no code, and in
    a text for the shell outside of quotes.
    """
    if isinstance(node.value, list):
        words = [(part, word) for part, word in zip(node.value, argv, strict=True) if not _CODE.search(word)]
    elif "<<" in argv[-1]:  # the shell hands on what follows as it stands
        return
    else:
        words = [(node, word) for word in _BETWEEN.split(_QUOTED.sub("'", argv[-1])) if not _CODE.search(word)]
    if not any(os.path.basename(word) in _READ_BRACES for _, word in words):
        yield from ((place, match[1]) for place, word in words for match in _BARE.finditer(word))
