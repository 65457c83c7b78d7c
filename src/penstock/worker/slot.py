"""A slot: the directory in which one attempt after the other runs, recycled while nothing went wrong in it.

    <slot>/in/           what the attempt reads
    <slot>/out/          what it writes
    <slot>/params.json   its parameters
    <slot>/data/         user data it is given, if it is
    <slot>/data-out/     user data it leaves; made here only if its step names some

Directories carry a time stamp of ours, so "did the task leave anything, here or there?" is one stat each.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import msgspec

from penstock.objects.deep import empty, remove
from penstock.runner.base import View
from penstock.worker.files import Rewritten, stamp, untouched
from penstock.worker.log import Log

if TYPE_CHECKING:
    from penstock.runner.namespace import Namespace

_NAMES = {"in", "out", "params.json", "data", "data-out"}


class Slot:
    """One place to run an attempt, with its log."""

    def __init__(self, number: int, place: str, log: Log) -> None:
        self.number = number
        self.log = log
        self._base = place
        self._generation = 0
        self._made = False
        self._params: dict[str, Any] | None = None
        self._params_file = Rewritten()
        self._signature: tuple[int, ...] = ()
        self._namespace: Namespace | None = None
        self._name(place)

    def _name(self, path: str) -> None:
        self.path = path
        self.input = os.path.join(path, "in")
        self.output = os.path.join(path, "out")
        self._params_path = os.path.join(path, "params.json")
        self.data = os.path.join(path, "data")
        self.data_out = os.path.join(path, "data-out")
        self.variables = {
            "PENSTOCK_IN": self.input,
            "PENSTOCK_OUT": self.output,
            "PENSTOCK_PARAMS": self._params_path,
            "PENSTOCK_DATA": self.data,
            "PENSTOCK_DATA_OUT": self.data_out,
        }

    def prepare(self, params: dict[str, Any]) -> None:
        """Make the directories if they are not there, and the file of parameters if it says something else."""
        if not self._made:
            os.makedirs(self.input)
            os.mkdir(self.output)
            stamp(self.input)
        if params != self._params:
            self._params = None
            self._params_file.write(self._params_path, msgspec.json.encode(params))
            self._params, self._signature = params, self._look("params.json")
        if not self._made:
            stamp(self.path)
            self._made = True

    def give_data(self, data: dict[str, Any]) -> None:
        """Lay out user data, and make the place to leave some."""
        from penstock.worker.userdata import lay_out

        lay_out(self.data, data)
        os.mkdir(self.data_out)
        stamp(self.path)

    def take_data(self) -> dict[str, Any]:
        """The user data that was left. Raises BadOutput, OSError."""
        if not os.path.lexists(self.data_out):
            return {}
        from penstock.worker.userdata import collect

        return collect(self.data_out)

    def _look(self, name: str) -> tuple[int, ...]:
        """What changes when one of our names is removed, replaced or written."""
        try:
            found = os.lstat(f"{self.path}/{name}")
        except FileNotFoundError:
            return (0,)
        return found.st_mode, found.st_ino, found.st_size, found.st_mtime_ns

    def places(self) -> dict[str, str]:
        """What a task finds at `/pfs`: its inputs by name, and `out`."""
        return {**{name: f"{self.input}/{name}" for name in os.listdir(self.input)}, "out": self.output}

    def view(self) -> View:
        """The slot's own view of the file system, of what it holds now. Raises PenstockError, OSError."""
        if self._namespace is None:
            from penstock.runner.namespace import Namespace

            root = f"{self._base}.root"
            os.makedirs(root, exist_ok=True)
            self._namespace = Namespace(root)
        return View(self._namespace, self.places())

    def hand_to(self, uid: int, gid: int) -> None:
        """Let another user work here."""
        for folder in (self.input, self.output, *([self.data_out] if os.path.isdir(self.data_out) else [])):
            os.chown(folder, uid, gid)
        stamp(self.input)

    def seal_input(self) -> None:
        """The inputs are laid out: from now on `in/` must stay as it is."""
        stamp(self.input)

    def strays(self, inputs: Collection[str]) -> list[str]:
        """The names, in the slot, that the attempt changed outside `out/`; `inputs` were laid out in `in/`."""
        found = []
        if not untouched(self.path):
            found += sorted(set(os.listdir(self.path)) - _NAMES)
            found += [name for name in ("in", "out") if not stat.S_ISDIR(self._look(name)[0])]
            stamp(self.path)
        if self._look("params.json") != self._signature:
            found.append("params.json")
        if not found and not untouched(self.input):
            found += [f"in/{name}" for name in sorted(set(os.listdir(self.input)) - set(inputs))]
            stamp(self.input)
        return found

    def wrote(self) -> bool:
        """Whether there is something in `out/`. Looked at, not told from times, which a task may copy along."""
        return bool(os.listdir(self.output))

    def recycle(self, inputs: bool, wrote: bool, fresh: bool, elsewhere: bool = False) -> None:
        """Make room for the next attempt: `in/` has something, `out/` has something, or nothing may be kept, not even
        the place: a process that had this attempt goes on, and what it still writes must not be found by the next.
        """
        try:
            if fresh or elsewhere:
                remove(self.path)
                self._clean()
                if elsewhere:
                    self._move()
                return
            if inputs:
                empty(self.input)
                stamp(self.input)
            if wrote:
                empty(self.output)
            for folder in (self.data, self.data_out):
                if os.path.lexists(folder):
                    remove(folder)
                    stamp(self.path)
        except OSError:  # what cannot be emptied is left behind; the next attempt gets another directory
            self._clean()
            self._move()

    def _move(self) -> None:
        self._generation += 1
        self._name(f"{self._base}.{self._generation}")

    def close(self) -> None:
        """Give back the files; the directory is the worker's to remove."""
        self._params_file.close()
        self.log.close()
        if self._namespace is not None:
            self._namespace.close()

    def _clean(self) -> None:
        self._made = False
        self._params = None
        self._params_file.close()
