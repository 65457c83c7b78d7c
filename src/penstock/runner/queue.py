"""The boundary to batch systems: three verbs and a question. A back end never thinks, and never guesses.

What is asked for is found again by its name, which is unique: whoever asks notes the name first. A call whose end
nobody knows raises `Doubt`, and changes nothing; what is not in an answer is not known, which is no end either.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, Protocol

from msgspec import Struct

#: The variable that tells a command which element it is, where the system has none of its own.
ELEMENT = "PENSTOCK_ELEMENT"


class Ask(Struct, frozen=True):
    """`count` times a command on a node of its own. Everything is per node."""

    name: str  #: letters, digits and `-`
    argv: tuple[str, ...]
    cwd: str
    output: str  #: file that takes what it prints
    seconds: int  #: walltime
    count: int = 1
    nodes: int = 1  #: of which the command runs on the first
    cpus: int = 1
    memory: int = 0  #: bytes; 0: as the system thinks fit
    gpus: int = 0
    partition: str | None = None  #: several may be named, with commas
    lead: int = 0  #: seconds before the end at which SIGUSR1 is wanted; 0: not at all
    options: tuple[tuple[str, str], ...] = ()  #: further ones of the system's own


State = Literal["pending", "running", "ended"]


class Seen(Struct, frozen=True):
    """One element of what was asked for, as the system tells it."""

    id: str  #: the system's own name for it
    name: str
    element: int  #: 0 <= element < count
    state: State
    why: str  #: the system's word for its state, and the reason it gives; for people
    node: str = ""


class Kind(Struct, frozen=True):
    """Nodes that are alike in one partition."""

    partition: str
    default: bool  #: whether work goes there that names no partition
    nodes: int
    cpus: int
    memory: int  #: bytes; 0: not known
    gpus: int
    seconds: int | None  #: the longest walltime; None: not limited


class Queue(Protocol):
    """A batch system."""

    def submit(self, ask: Ask) -> str:
        """Ask; returns the system's id. Raises Refused with its words if it certainly did not accept, NotNow if it may
        later, else Doubt.
        """

    def look(self, names: Collection[str]) -> list[Seen]:
        """All that is known of what was asked for under these names. Raises Doubt."""

    def remove(self, ids: Collection[str]) -> None:
        """End these; ids that are over or not known do no harm. Raises Doubt."""

    def kinds(self) -> list[Kind]:
        """The nodes there are. Raises Doubt."""

    def close(self) -> None:
        """Let go of the batch system. What was asked of it goes on."""
