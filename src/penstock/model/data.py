"""Versioned data: what a tree holds and what a commit says. Bytes are named by their content."""

from __future__ import annotations

from msgspec import Struct

#: The algorithm tag in front of every blob id (the multihash code of BLAKE3).
BLAKE3 = b"\x1e"
#: Root of the map that holds nothing.
EMPTY = b""


def show_id(blob: bytes) -> str:
    """A blob id or a root as people see it: `b3:<64 hex>`, or `empty`."""
    return f"b3:{blob[1:].hex()}" if blob else "empty"


class Entry(Struct, frozen=True):
    """One file of a tree: the blobs its bytes are joined from, or a relative link that stays inside the tree."""

    blobs: tuple[bytes, ...] = ()
    size: int = 0
    executable: bool = False
    target: str | None = None
