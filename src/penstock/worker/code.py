"""Frozen code on disk: layouts in which publishing steps run, each of one slot alone, and watched while it is used.

    .penstock/work/code/<boot>/<root>.<whose it was>     nobody uses it
    .penstock/work/<worker>/code-<slot>/<root>           a slot does

The kernel notes what is opened and what is changed in a layout; it is asked when an attempt ends. What was opened is
part of what the result depends on. One that was changed is not used again. One that was not is moved to the next tree
by what differs, and outlives its worker: making it anew costs what the whole project costs. What was written before a
power cut may not be whole, so each start of the machine begins anew.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from typing import Protocol

from msgspec import Struct, field

from penstock.model.errors import PenstockError
from penstock.objects.deep import remove
from penstock.runner import inotify
from penstock.runner.inotify import Inotify
from penstock.worker.layouts import CACHES, links_of


class Trees(Protocol):
    """What a layout is made of, see `Layouts`."""

    def lay_out(self, root: bytes, folder: str) -> None: ...

    def move(self, old: bytes, new: bytes, folder: str) -> None: ...

    def differing(self, root: bytes, folder: str, paths: Collection[str] | None) -> list[str]: ...


class Layout(Struct, eq=False):
    """One layout in use."""

    folder: str
    root: bytes
    watches: set[int] = field(default_factory=set)
    caches: set[str] = field(default_factory=set)  #: what Python made, relative
    links: list[str] = field(default_factory=list)
    blind: bool = False  #: whether it cannot be watched
    lost: bool = False  #: whether something happened that was not noted
    opened: set[str] = field(default_factory=set)
    touched: set[str] = field(default_factory=set)


class Code:
    """The layouts of a worker. `work` is the project's directory for what is under way, `own` that of the worker."""

    def __init__(self, work: str, own: str, trees: Trees, watch: Callable[[], Inotify] = Inotify) -> None:
        self._trees = trees
        self._own = own
        self._idle = os.path.join(work, "code", boot())
        self._layouts: dict[str | int, Layout] = {}  # by whose it is
        self._by_folder: dict[str, Layout] = {}
        self._watched: dict[int, tuple[Layout, str]] = {}  # number of a watch -> the directory, relative
        self._watch: Inotify | None = None
        try:
            self._watch = watch()
        except OSError:  # too many are watched already: all counts, and all is looked at
            self._watch = None

    def place(self, root: bytes, who: str | int) -> str:
        """The directory with the code `root` for the next attempt of a slot or a process. Raises NotFound, Corrupt,
        OSError.
        """
        self.look()
        layout = self._layouts.get(who)
        if layout is not None and (layout.root != root or layout.touched or layout.lost > layout.blind):
            self._leave(who, layout)  # what was changed in it since its last attempt is of nobody
            layout = None
        if layout is None:
            layout = Layout(os.path.join(self._own, f"code-{who}", root.hex()), root)
            self._furnish(layout)
            self._layouts[who] = self._by_folder[layout.folder] = layout
            self._watch_all(layout)
        layout.opened.clear()
        layout.lost = layout.blind
        return layout.folder

    def strays(self, folder: str) -> list[str]:
        """What is not as it was made in the layout `folder`; one with any is removed. [] for what is none."""
        self.look()
        layout = self._by_folder.get(folder)
        if layout is None or not (layout.touched or layout.lost):
            return []
        found = self._trees.differing(layout.root, folder, None if layout.lost else layout.touched)
        layout.touched.clear()
        if found:
            self._forget(layout)
            _drop(folder)
        return found

    def opened(self, folder: str) -> Collection[str] | None:
        """The files that were opened in a layout since it was placed, as `strays` saw last; None if nobody knows."""
        layout = self._by_folder[folder]
        return None if layout.lost else layout.opened

    def links(self, folder: str) -> dict[str, str]:
        """The links in a layout and where they lead in it."""
        return links_of(folder, self._by_folder[folder].links)

    def leave(self, folder: str) -> None:
        """Whoever had this layout needs it no more."""
        self.look()
        for who, layout in list(self._layouts.items()):
            if layout.folder == folder:
                self._leave(who, layout)

    def close(self) -> None:
        """Nobody uses any of them any more."""
        self.look()
        for who, layout in list(self._layouts.items()):
            self._leave(who, layout)
        if self._watch is not None:
            self._watch.close()

    # making ----------------------------------------------------------------------------------------------------------

    def _furnish(self, layout: Layout) -> None:
        """Have a layout where it belongs: one that is idle, or a new one."""
        os.makedirs(os.path.dirname(layout.folder), exist_ok=True)
        try:
            old = self._take(layout)
            if old is not None and old != layout.root:
                self._trees.move(old, layout.root, layout.folder)
        except (PenstockError, OSError):  # what it was made of may be gone; a full disk will say so again
            remove(layout.folder)
            old = None
        if old is None:
            try:
                os.makedirs(layout.folder, exist_ok=True)
                self._trees.lay_out(layout.root, layout.folder)
            except BaseException:
                remove(layout.folder)
                raise

    def _take(self, layout: Layout) -> bytes | None:
        """Take an idle layout, best one of the same tree; returns its tree, None if there is none."""
        try:
            names = os.listdir(self._idle)
        except FileNotFoundError:
            return None
        for name in sorted(names, key=lambda name: not name.startswith(layout.root.hex())):
            root = bytes.fromhex(name.partition(".")[0])
            try:
                os.rename(os.path.join(self._idle, name), layout.folder)
            except FileNotFoundError:  # somebody was quicker
                continue
            return root
        return None

    def _leave(self, who: str | int, layout: Layout) -> None:
        """Keep a layout for whoever needs one next, if it is as it was made."""
        self._forget(layout)
        if not (layout.touched or layout.lost):
            name = f"{layout.root.hex()}.{os.path.basename(self._own)}-{who}"
            try:
                for folder in layout.caches:
                    remove(os.path.join(layout.folder, folder))
                os.makedirs(self._idle, exist_ok=True)
                os.rename(layout.folder, os.path.join(self._idle, name))
                return
            except OSError:  # it is not needed
                pass
        _drop(layout.folder)

    # watching --------------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Note what happened. To be called now and then while attempts run, so that it does not become too much."""
        if self._watch is None:
            return
        for number, mask, name in self._watch.events():
            if mask & inotify.OVERFLOW:
                for layout in self._layouts.values():
                    layout.lost = True
            elif number in self._watched:
                self._note(*self._watched[number], mask, name)

    def _note(self, layout: Layout, within: str, mask: int, name: str) -> None:
        path = f"{within}/{name}" if within else name
        if mask & inotify.IS_DIRECTORY:
            if name == CACHES:
                if mask & inotify.CAME:
                    layout.caches.add(path)
                    self._watch_below(layout, path)
            elif mask & (inotify.CAME | inotify.WENT):
                layout.touched.add(path)
        elif within in layout.caches:
            if mask & inotify.OPENED:
                above = within.rpartition("/")[0]
                layout.opened.add(f"{above}/{_source(name)}" if above else _source(name))
        elif name:
            if mask & inotify.OPENED:
                layout.opened.add(path)
            if mask & ~inotify.OPENED:
                layout.touched.add(path)

    def _watch_all(self, layout: Layout) -> None:
        layout.blind = layout.lost = self._watch is None
        if self._watch is not None:
            self._watch_below(layout, "")

    def _watch_below(self, layout: Layout, within: str) -> None:
        """Watch a directory of a layout and all below it; note the links there."""
        assert self._watch is not None
        pending = [within]
        try:
            while pending:
                within = pending.pop()
                here = os.path.join(layout.folder, within) if within else layout.folder
                number = self._watch.add(here)
                layout.watches.add(number)
                self._watched[number] = layout, within
                with os.scandir(here) as entries:
                    for entry in entries:
                        path = f"{within}/{entry.name}" if within else entry.name
                        if entry.is_symlink():
                            layout.links.append(path)
                        elif entry.is_dir(follow_symlinks=False):
                            pending.append(path)
        except FileNotFoundError:  # what Python made is gone again
            return
        except OSError:  # too many are watched
            layout.blind = layout.lost = True

    def _forget(self, layout: Layout) -> None:
        """Watch a layout no more; it is nobody's."""
        for number in layout.watches:
            del self._watched[number]
            if self._watch is not None:
                self._watch.remove(number)
        self._by_folder.pop(layout.folder, None)
        self._layouts = {who: other for who, other in self._layouts.items() if other is not layout}


def _drop(folder: str) -> None:
    """Remove a layout. One that a task made impossible to remove makes room, and goes with its worker, or with `gc`."""
    try:
        remove(folder)
    except OSError:
        os.rename(folder, f"{folder}.{os.urandom(4).hex()}")


def _source(cached: str) -> str:
    """The module whose compiled form a file in a cache is."""
    return f"{cached.partition('.')[0]}.py"


def boot() -> str:
    """A name of the time since this machine started."""
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()
