"""What a worker does with the project's bytes: inputs and code out of them, outputs into them.

Loaded with the first task that has any; plain commands need none of it.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from contextlib import ExitStack
from pathlib import Path

from penstock.model.data import EMPTY
from penstock.model.errors import PenstockError
from penstock.model.wire import Input
from penstock.objects import checkout, deep, tree
from penstock.objects.links import BadLink, Layout
from penstock.objects.store import Objects
from penstock.objects.writer import Writer
from penstock.worker.code import Code, boot
from penstock.worker.layouts import Layouts
from penstock.worker.warm import FEW, Loan, Warm


class Storage:
    """The objects of a project, and a writer from the first thing that is collected until it is sealed.

    What was collected is durable after `seal`, not before.
    """

    def __init__(self, root: str, work: str) -> None:
        self._objects = Objects(Path(root))
        self.layouts = Layouts(self._objects)
        self._warm = Warm(work, boot())
        self._loans: dict[str, list[Loan]] = {}  # directory of inputs -> warm checkouts in it
        self._collected = ExitStack()
        self._writer: Writer | None = None

    def lay_out_inputs(self, inputs: Iterable[Input], folder: str, step: tuple[str, str] | None) -> int:
        """Write inputs to `<folder>/<name>/<path in the repo>`; returns bytes. Raises NotFound, Corrupt, OSError.

        Links are for tasks that cannot write through them: as root they get what others get, too. A whole repo that
        the `step` (of a pipeline) read before may still be there; None for a task whose files become somebody else's.
        """
        total = 0
        for item in inputs:
            try:
                total += self._lay_out(item, folder, step)
            except BadLink as error:
                raise BadLink(f"input {item.name}: {error}") from None
        return total

    def _lay_out(self, item: Input, folder: str, step: tuple[str, str] | None) -> int:
        objects, place = self._objects, Path(folder, item.name)
        link = item.layout == "link" and os.geteuid() != 0
        if item.layout == "empty":
            self._stand_in(item, place)
            return 0
        if item.directory and not item.path and not link and step is not None:
            return self._lay_out_whole(item, place, folder, self._warm.home(*step, item.name))
        entry = None if item.directory else tree.decode(item.content)
        if entry is None or entry.target is not None:  # a link in place of the file that it would lead to: it is told
            place.mkdir(exist_ok=True)
            return checkout.lay_out(objects.blobs, objects.pages, item.root, place, item.path, link=link)[1]
        target = place / item.path
        deep.make(target.parent)
        checkout.put_file(objects.blobs, entry, target, link=link)
        return entry.size

    def _lay_out_whole(self, item: Input, place: Path, folder: str, home: str) -> int:
        objects = self._objects
        stands_at = self._warm.take(home, os.fspath(place))
        files, size = FEW, 0
        if stands_at is not None:
            try:
                _, size = checkout.move(objects.blobs, objects.pages, stands_at, item.root, place)
            except (PenstockError, OSError):  # what it stood at may be gone; a full disk will say so again
                deep.remove(place)
                stands_at = None
        if stands_at is None:
            files, size = checkout.lay_out(objects.blobs, objects.pages, item.root, place)
        if files >= FEW and (loan := self._warm.lend(home, os.fspath(place), item.root)) is not None:
            self._loans.setdefault(folder, []).append(loan)
        return size

    def settle(self, folder: str, keep: bool) -> None:
        """The task that had its inputs in `folder` is over. If it may be trusted, keep what it did not touch."""
        for loan in self._loans.pop(folder, ()):
            if keep:
                self._warm.give_back(loan)

    def _stand_in(self, item: Input, place: Path) -> None:
        """Lay out an input by its names alone: files of no bytes."""
        place.mkdir(exist_ok=True)
        pages = self._objects.pages
        for path in (name for name, _ in Layout(pages, item.root, item.path).files()):
            target = place / path
            deep.make(target.parent)
            target.touch()

    def reading(self, code: Code, folder: str, root: bytes, counted: Collection[str]) -> bytes:
        """The root of a tree of what was opened in the layout `folder` of `root` and is not among what is `counted`
        anyway; where nobody knows, of all there is. Raises NotFound, Corrupt, OSError.
        """
        opened = code.opened(folder)
        if opened is None:
            return root
        beyond = [path for path in opened if path not in counted]
        return self.layouts.reading(self._writing(), root, beyond, code.links(folder)) if beyond else EMPTY

    def _writing(self) -> Writer:
        self._writer = self._writer or self._collected.enter_context(self._objects.writer())
        return self._writer

    def collect(self, folder: str) -> tuple[bytes, int, int]:
        """Take what is in `folder`: (root, files, bytes). Its files may be moved away. Raises BadOutput, OSError."""
        writer = self._writing()
        found = checkout.collect(writer, Path(folder), move=True)
        if not found:
            return EMPTY, 0, 0
        return tree.build(self._objects.writing(writer), found), len(found), sum(entry.size for _, entry in found)

    def seal(self) -> tuple[str, ...]:
        """Make everything collected durable; returns the packs written since the last call. Raises OSError."""
        with self._collected:
            writer, self._writer = self._writer, None
            return tuple(writer.seal()) if writer is not None else ()

    def close(self) -> None:
        """Forget what was collected and not sealed."""
        if self._writer is not None:
            self._writer.discard()
        self._collected.close()
        self._warm.close()
        self._objects.close()
