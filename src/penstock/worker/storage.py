"""What a worker does with the project's bytes: inputs and code out of them, outputs into them.

Loaded with the first task that has any; plain commands need none of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from penstock.model.data import EMPTY
from penstock.model.wire import Input
from penstock.objects import checkout, tree
from penstock.objects.store import Objects


class Storage:
    """The objects of a project with one writer. What was collected is durable after `seal`, not before."""

    def __init__(self, root: str) -> None:
        self._objects = Objects(Path(root))
        self._writer = self._objects.writer()
        self._pages = self._objects.writing(self._writer)

    def lay_out_inputs(self, inputs: Iterable[Input], folder: str) -> int:
        """Write inputs to `<folder>/<name>/<path in the repo>`; returns bytes. Raises NotFound, Corrupt, OSError."""
        total = 0
        for item in inputs:
            place = Path(folder, item.name)
            if item.directory:
                place.mkdir(exist_ok=True)
                total += checkout.lay_out(self._objects.blobs, self._pages, item.root, place, prefix=item.path)[1]
            else:
                entry = tree.decode(item.content)
                target = place / item.path
                target.parent.mkdir(parents=True, exist_ok=True)
                checkout.put_file(self._objects.blobs, entry, target)
                total += entry.size
        return total

    def lay_out_code(self, root: bytes, folder: str) -> None:
        """Write a tree read-only into `folder`. Raises NotFound, Corrupt, OSError."""
        checkout.lay_out(self._objects.blobs, self._pages, root, Path(folder), readonly=True)

    def collect(self, folder: str) -> tuple[bytes, int, int]:
        """Take what is in `folder`: (root, files, bytes). Its files may be moved away. Raises BadOutput, OSError."""
        found = checkout.collect(self._writer, Path(folder), move=True)
        if not found:
            return EMPTY, 0, 0
        return tree.build(self._pages, found), len(found), sum(entry.size for _, entry in found)

    def seal(self) -> tuple[str, ...]:
        """Make everything collected durable; returns the packs written since the last call. Raises OSError."""
        return tuple(self._writer.seal())

    def close(self) -> None:
        """Forget what was collected and not sealed."""
        self._writer.discard()
        self._objects.close()
