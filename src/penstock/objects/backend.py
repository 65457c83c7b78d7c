"""Where named bytes are kept. A back end never thinks: five verbs, no knowledge of what the bytes mean.

Four more let large files go in and out without passing through memory. On a folder, on S3, or on a second one that is
in front of it; what cannot be reached raises Unreachable, what is not allowed Refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol


class Backend(Protocol):
    """Names are relative paths of `/`-joined parts, none of them empty or beginning with a dot."""

    def put(self, name: str, data: bytes | bytearray) -> None:
        """Store `data`, replacing what had the name. On return it survives a power cut; before that nobody sees it."""

    def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """`length` bytes from `start` (negative: from the end, as in a slice), or what there is. Raises NotFound."""

    def size(self, name: str) -> int:
        """How many bytes a name holds. Raises NotFound."""

    def has(self, name: str) -> bool: ...

    def list(self, prefix: str = "") -> Iterator[str]:
        """The names that begin with `prefix`, in any order."""

    def delete(self, name: str) -> None:
        """Forget a name; one that is not there is no error."""

    def aside(self) -> Path:
        """A fresh local path for a file that `adopt` will take, or that is swept away some day."""

    def adopt(self, name: str, source: Path) -> None:
        """Take a finished local file under a name; it is gone from where it was. On return it survives a power cut.

        Such a name says what the bytes are: where it is there already, the bytes that have it may stay.
        """

    def settle(self, name: str) -> None:
        """Make it last that a name is there: another process may have put it there a moment ago."""

    def path(self, name: str) -> Path | None:
        """The read-only local file that keeps a name; None if it is absent, or the back end has no files."""


#: How much `pieces` asks for at once.
STEP = 8 << 20


def pieces(backend: Backend, name: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
    """The bytes [start, stop) of a name, none of it held longer than needed. Raises NotFound."""
    while stop is None or start < stop:
        piece = backend.get(name, start, STEP if stop is None else min(STEP, stop - start))
        if piece:
            yield piece
        start += len(piece)
        if len(piece) < STEP:
            return


def check_name(name: str) -> None:
    """Raises ValueError for what no back end takes as a name."""
    if not name or name[0] in "./" or "/." in name or "//" in name or name[-1] == "/" or "\0" in name:
        raise ValueError(f"{name!r} cannot name anything in a back end")
