"""Running the parts of a glob over a path, character by character, all ways at once.

A *thread* is a place in the program that waits for a character. Matching moves a set of threads; captures move an
ordered list of them, each with what it has captured, the greediest first. Neither ever goes back in the path, so no
pattern can make it explode.
"""

from __future__ import annotations

from collections.abc import Iterable

from penstock.model.globsyntax import But, Capture, Chars, Choice, Part, Repeat, Sequence

#: A thread: where in the program, and, inside a `!(..)`, the threads of what it must not match.
Thread = tuple[int, "Threads | None"]
Threads = frozenset[Thread]
Marks = tuple[int, ...]

ENDED: Thread = (-1, None)


class State:
    """A set of threads, whether a path may end here, and the states that were found to follow."""

    __slots__ = ("accepts", "next", "threads")

    def __init__(self, threads: Threads, accepts: bool) -> None:
        self.threads, self.accepts = threads, accepts
        self.next: dict[str, State | None] = {}


class _Ways:
    """The threads after a character, by preference, and the places already entered on the way to them."""

    __slots__ = ("found", "seen")

    def __init__(self) -> None:
        self.found: dict[Thread, Marks] = {}
        self.seen: set[int] = set()


class Machine:
    """A program. Each instruction goes on to the next one, save a split; past the last one is the end.

    An instruction is what one character must be; a split, as the places to go on at, the preferred first; a number, the
    slot in which captures note where they are; or a machine, for any text inside a name that it does not match.
    """

    def __init__(self, tree: Part) -> None:
        self._program: list[Chars | tuple[int, ...] | int | Machine] = []
        self._add(tree)

    def start(self) -> Threads:
        return frozenset(self._enter(_Ways(), 0, (), 0).found)

    def step(self, threads: Iterable[Thread], char: str) -> Threads:
        """The threads after one more character; empty when no way is left."""
        return frozenset(self._step(dict.fromkeys(threads, ()), char, 0))

    def accepting(self, threads: Iterable[Thread]) -> bool:
        return ENDED in threads

    def captures(self, path: str, groups: int) -> tuple[str, ...]:
        """What each group took of a path that matches."""
        found = self._enter(_Ways(), 0, (-1,) * (2 * groups), 0).found
        for position, char in enumerate(path, 1):
            found = self._step(found, char, position)
        marks = found[ENDED]
        return tuple(path[a:b] if b >= 0 else "" for a, b in zip(marks[::2], marks[1::2], strict=True))

    def _step(self, threads: dict[Thread, Marks], char: str, position: int) -> dict[Thread, Marks]:
        ways = _Ways()
        for (place, inner), marks in threads.items():
            instruction = self._program[place] if place >= 0 else None
            if isinstance(instruction, Chars):
                if instruction.has(char):
                    self._enter(ways, place + 1, marks, position)
            elif isinstance(instruction, Machine) and inner is not None and char != "/":
                left = instruction.step(inner, char)
                ways.found.setdefault((place, left), marks)
                if not instruction.accepting(left):
                    self._enter(ways, place + 1, marks, position)
        return ways.found

    def _enter(self, ways: _Ways, place: int, marks: Marks, position: int) -> _Ways:
        """Follow splits and marks from `place` to the threads that wait for a character; the first way to one wins."""
        todo = [(place, marks)]
        while todo:
            place, marks = todo.pop()
            if place in ways.seen:
                continue
            ways.seen.add(place)
            instruction = self._program[place] if place < len(self._program) else None
            if instruction is None:
                ways.found[ENDED] = marks
            elif isinstance(instruction, tuple):
                todo.extend((target, marks) for target in reversed(instruction))
            elif isinstance(instruction, int):
                noted = (*marks[:instruction], position, *marks[instruction + 1 :]) if marks else marks
                todo.append((place + 1, noted))
            elif isinstance(instruction, Machine):
                inner = instruction.start()
                ways.found.setdefault((place, inner), marks)
                if not instruction.accepting(inner):
                    todo.append((place + 1, marks))
            else:
                ways.found[place, None] = marks
        return ways

    def _add(self, part: Part) -> None:
        program = self._program
        if isinstance(part, Chars):
            program.append(part)
        elif isinstance(part, Sequence):
            for inner in part.parts:
                self._add(inner)
        elif isinstance(part, But):
            program.append(Machine(part.inner))
        elif isinstance(part, Capture):
            program.append(2 * part.number)
            self._add(part.inner)
            program.append(2 * part.number + 1)
        elif isinstance(part, Repeat):
            self._add_repeat(part)
        else:
            self._add_choice(part)

    def _add_repeat(self, part: Repeat) -> None:
        program, top = self._program, len(self._program)
        if part.least == 0:
            program.append(())
        body = len(program)
        self._add(part.inner)
        if part.many:
            program.append((body, len(program) + 1))
        if part.least == 0:
            program[top] = (body, len(program))

    def _add_choice(self, part: Choice) -> None:
        program, top = self._program, len(self._program)
        program.append(())
        starts: list[int] = []
        leaps: list[int] = []
        for option in part.options:
            starts.append(len(program))
            self._add(option)
            leaps.append(len(program))
            program.append(())
        program[top] = tuple(starts)
        for leap in leaps:
            program[leap] = (len(program),)
