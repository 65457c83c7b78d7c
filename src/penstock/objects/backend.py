"""Where named bytes are kept. A back end never thinks: five verbs, no knowledge of what the bytes mean."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol


class Backend(Protocol):
    """Names are relative paths of `/`-joined parts, none of them empty or beginning with a dot."""

    def put(self, name: str, data: bytes | bytearray) -> None:
        """Store `data`, replacing what had the name. On return it survives a power cut; before that nobody sees it."""

    def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """`length` bytes from `start` (negative: from the end, as in a slice), or what there is. Raises NotFound."""

    def has(self, name: str) -> bool: ...

    def list(self, prefix: str = "") -> Iterator[str]:
        """The names that begin with `prefix`, in any order."""

    def delete(self, name: str) -> None:
        """Forget a name; one that is not there is no error."""
