"""What every runner can do: start one, tell what ended (many at once), stop one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from penstock.runner.namespace import Namespace


class Launch(Struct, frozen=True):
    """One command to start. The three descriptors stay the caller's; the command gets copies."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str | None  #: absolute; None to stay where the owner of the runner is
    stdin: int
    stdout: int
    stderr: int
    cpus: int = 1  #: how many it may keep busy
    answers: int | None = None  #: what it finds as descriptor 3; may not be 3 itself
    view: View | None = None  #: the private view of the file system it runs in
    memory: int = 0  #: bytes that it and all it starts may use, where the system can see to that; 0: not limited


class View(Struct, frozen=True):
    """Directories (name -> path) that a command finds at `/pfs/<name>`."""

    namespace: Namespace
    places: Mapping[str, str]


class Usage(Struct, frozen=True):
    """What a command and all it started, as far as it is still there, use."""

    cpu_seconds: float = 0.0  #: since the command began, of its ended children, too
    memory: int = 0  #: bytes now; what processes share is counted once
    peak: int = 0  #: bytes, at most, of the command itself since it began or was last asked afresh


class Ended(Struct, frozen=True):
    """One command that is over, with every process it started that the runner can know of."""

    handle: int
    exit_code: int  #: negative: killed by that signal
    cpu_seconds: float = 0.0  #: user and system, of the command and the children it waited for
    peak_memory: int = 0  #: bytes, of its largest process; at least what the process of the runner itself uses
    survivors: int = 0  #: processes that outlived the command and had to be killed
    starved: bool = False  #: whether the system killed something of it for want of the memory it may use


class Runner(Protocol):
    """Starts commands. One thread owns a runner; a handle means nothing once its command was told to have ended."""

    def start(self, launch: Launch) -> int:
        """Start a command and return its handle; raise BadCommand, saying why, if it cannot be started."""

    def poll(self, timeout: float | None, watch: Collection[int] = ()) -> tuple[list[Ended], list[int]]:
        """Wait until a command ended or a descriptor in `watch` (pipe, socket) can be read, at most `timeout` seconds.

        Returns all that ended, each once, and the descriptors that can be read. `None` waits for ever, 0 not at all.
        """

    def measure(self, handle: int, afresh: bool = False) -> Usage:
        """What a command uses now; with `afresh` its peak counts from now on. Nothing once it has ended."""

    def stop(self, handle: int, kill: bool) -> None:
        """Ask a command and all it started to end (SIGTERM), or end it (SIGKILL). It is still told by `poll`."""

    def close(self) -> None:
        """End everything that still runs and give back what the runner holds. May be called twice."""
