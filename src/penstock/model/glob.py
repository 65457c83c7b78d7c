"""Globs over trees: which files and directories a pattern names, and where a walk may find them.

`*` and `?` stay inside one name, `**` crosses names, `[a-z]` and `[!a-z]` are one character, `{a,b}` is a choice.
`(a|b)` captures, and `?(..) *(..) +(..) @(..) !(..)` capture zero or one, any number, one or more, exactly one,
anything but. `\\` takes the meaning from the next character. A `**` that is a whole name stands for any number of
directories, none included, so `/**/x` finds `x` at every depth. `/` alone is the whole tree as one item.

A pattern becomes the machine of `model.globmachine`, which never goes back in the path: the time grows with the length
of the path times that of the pattern (with `!(..)` a polynomial of them), never exponentially. A glob that is used
again has learned its way: one look-up per character.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from operator import itemgetter

from penstock.model.errors import UsageError
from penstock.model.globcapture import expression
from penstock.model.globmachine import Machine, State, Threads
from penstock.model.globsyntax import Sequence, parse

#: How many states a glob remembers before it forgets them all; only patterns made for it come near.
REMEMBERED = 2000


class Glob:
    """One compiled pattern. Paths are spelled as trees spell them: no outer slash, the root is the empty string.

    `text` is the pattern with its leading and without its trailing slash; `whole` says that it is `/`;
    `literal_prefix` is the text every match starts with; `literal` says that it is all there is to match.
    """

    __slots__ = ("_expression", "_machine", "_start", "_states", "groups", "literal", "literal_prefix", "text", "whole")

    def __init__(self, text: str) -> None:
        inner = text.strip("/")
        self.text = "/" + inner
        self.whole = not inner
        tree, self.groups, self.literal_prefix = parse(inner, text)
        self.literal = len(self.literal_prefix) == (len(tree.parts) if isinstance(tree, Sequence) else 1)
        self._expression = expression(tree) if self.groups else None
        self._machine = Machine(tree)
        self._states: dict[Threads, State] = {}
        self._start = self._state(self._machine.start())

    def __repr__(self) -> str:
        return f"Glob({self.text!r})"

    def matches(self, path: str) -> bool:
        """Whether the pattern names exactly this file or directory."""
        if not path or self.whole:
            return self.whole and not path
        if self.text == "/*":
            return "/" not in path
        state = self.after(self._start, path)
        return state is not None and state.accepts

    def captures(self, path: str) -> tuple[str, ...] | None:
        """What each group took of `path`, by the order of their opening brackets ("" if it took no part), or None."""
        if not self.matches(path):
            return None
        found = self._expression.fullmatch(path) if self._expression is not None else None
        if found is not None:
            return tuple(text or "" for text in found.groups())
        return self._machine.captures(path, self.groups) if self.groups else ()

    def start(self) -> State:
        """The state before the first character of a path."""
        return self._start

    def after(self, state: State | None, text: str) -> State | None:
        """The state reached from `state` by more characters of a path; None when nothing can match any more."""
        for char in text:
            if state is None:
                return None
            state = state.next[char] if char in state.next else self._learn(state, char)
        return state

    def _learn(self, state: State, char: str) -> State | None:
        threads = self._machine.step(state.threads, char)
        following = state.next[char] = self._state(threads) if threads else None
        return following

    def _state(self, threads: Threads) -> State:
        state = self._states.get(threads)
        if state is None:
            if len(self._states) >= REMEMBERED:
                self._states = {}
                self._start = self._state(self._machine.start())
            state = self._states[threads] = State(threads, self._machine.accepting(threads))
        return state


@lru_cache(maxsize=512)
def compile_glob(text: str) -> Glob:
    """Read a pattern, with or without its leading slash.

    Raises UsageError naming the offset of what is wrong.

    >>> compile_glob("/photos/*.jpg").matches("photos/cat.jpg")
    True
    >>> compile_glob("/(*)-(*).csv").captures("berlin-2024.csv")
    ('berlin', '2024')
    """
    if not text:
        raise UsageError('glob "" is empty; "/" is the whole tree, "/*" each of its top-level entries')
    return Glob(text)


def walk(glob: Glob, listing: Callable[[str], Iterable[tuple[str, bool]]]) -> Iterator[tuple[str, bool]]:
    """Every match as (path, is it a directory), in path order, looking only where a match can be.

    `listing(directory)` gives the (name, is it a directory) of its children in any order, and nothing at all for what
    is not a directory or does not exist. The root is the directory "".
    """
    if glob.whole:
        yield "", True
        return
    top = glob.literal_prefix[: glob.literal_prefix.rfind("/") + 1]
    state = glob.after(glob.start(), top)
    todo = [(top, True, state)] if state is not None else []
    while todo:
        path, is_directory, state = todo.pop()
        if path and not path.endswith("/"):
            yield path, is_directory
        else:
            todo += sorted(_children(glob, path, state, listing), key=itemgetter(0), reverse=True)


def _children(
    glob: Glob, top: str, state: State, listing: Callable[[str], Iterable[tuple[str, bool]]]
) -> Iterator[tuple[str, bool, State]]:
    """The matches right below `top`, and, spelled with a slash at the end, the directories that may hold more.

    A directory's contents sort by that spelling, which may lie behind a sibling such as `name.txt`.
    """
    for name, is_directory in listing(top[:-1]):
        reached = glob.after(state, name)
        if reached is None:
            continue
        if reached.accepts:
            yield top + name, is_directory, reached
        inside = glob.after(reached, "/") if is_directory else None
        if inside is not None:
            yield f"{top}{name}/", True, inside


def touched(glob: Glob, changed: Iterable[str]) -> Iterator[str]:
    """Which matches a change concerns: each changed file and each directory above one, if it matches, once.

    `changed` are paths of files in path order. Costs what the changed paths cost, whatever the tree holds.

    >>> list(touched(compile_glob("/*"), ["a/x", "a/y", "b"]))
    ['a', 'b']
    """
    if glob.whole:
        if any(True for _ in changed):
            yield ""
        return
    above: list[tuple[str, State | None]] = [("", glob.start())]
    files: list[str] = []  # matches already given that may turn up again as a directory: one path was both
    for path in changed:
        while not path.startswith(above[-1][0]):
            above.pop()
        while files and not path.startswith(files[-1]):
            files.pop()
        top, state = above[-1]
        while state is not None:
            cut = path.find("/", len(top))
            here = path[:cut] if cut >= 0 else path
            state = glob.after(state, here[len(top) :])
            if state is None:
                break
            if state.accepts and here not in files:
                yield here
            if cut < 0:
                files.append(path)
                break
            top = path[: cut + 1]
            state = glob.after(state, "/")
            above.append((top, state))
