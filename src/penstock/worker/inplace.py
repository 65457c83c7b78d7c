"""Files in place around attempts: whether those it reads are what its fingerprint says, and what it made of its own."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field
from msgspec.structs import replace

from penstock.model import templates
from penstock.model.errors import BadOutput
from penstock.model.fingerprint import digest
from penstock.model.inplace import mark
from penstock.model.spec import InPlace
from penstock.model.wire import Assignment, Leaf, Looked, Recipe, Result

if TYPE_CHECKING:
    from penstock.objects.inplace import Contents, Look


class Around(Struct, eq=False):
    """What is known of files in place around one attempt."""

    leaves: tuple[Leaf, ...]  #: what it makes
    looks: tuple[Looked, ...]  #: what it reads
    before: dict[str, bytes]  #: what there was of each file it makes
    moved: dict[str, None] = field(default_factory=dict)  #: what was not as it should be
    wrote: dict[str, bool] = field(default_factory=dict)  #: what it made: whether it wrote it


class Places:
    """Files in place around the attempts of one worker."""

    def __init__(self) -> None:
        self._contents: dict[str, Contents] = {}

    def begin(self, recipe: Recipe, task: Assignment) -> Around | None:
        """Look at what there is before an attempt begins, and remove what a failed try of it left; None if it has to do
        with no file in place.
        """
        if not recipe.leaves and not recipe.looks and not task.looks:
            return None
        made = self._look(recipe, recipe.apart)
        for path, state in task.stale.items():
            full = os.path.join(recipe.root, path)
            if _is_regular(full) and (state is None or made.state(path, _hashed(recipe, task, path)) == state):
                os.unlink(full)
        leaves = _filled(recipe, task)
        before = {leaf.path: snapshot(recipe, leaf.path) for leaf in leaves}
        around = Around(leaves, (*recipe.looks, *task.looks), before)
        self._look_again(recipe, around)
        return around

    def check(self, recipe: Recipe, around: Around | None) -> None:
        """Raise BadOutput if a good command did not make what it should."""
        if around is None:
            return
        for leaf in around.leaves:
            if not os.path.lexists(os.path.join(recipe.root, leaf.path)):
                raise BadOutput(f"it did not make {leaf.path}, which is in its `outputs`")
            if not leaf.persist and not self._wrote(recipe, around).get(leaf.path):
                raise BadOutput(
                    f"it did not write {leaf.path}, which is in its `outputs` and was there before; "
                    "with `persist: true` an old one may stay"
                )

    def told(self, recipe: Recipe, around: Around | None, result: Result) -> Result:
        """A result with what is to be known of files in place after it."""
        if around is None:
            return result
        self._look_again(recipe, around)
        made, wrote = self._look(recipe, recipe.apart), self._wrote(recipe, around)
        left = {
            leaf.path: (state, wrote.get(leaf.path, False))
            for leaf in around.leaves
            if (state := made.state(leaf.path, leaf.hash)) is not None
        }
        return replace(result, moved=tuple(around.moved), left=left)

    def _look_again(self, recipe: Recipe, around: Around) -> None:
        look = self._look(recipe, recipe.without)
        for item in around.looks:
            if mark(look.states(InPlace(item.path, item.hash))) != item.mark:
                around.moved[item.path] = None

    def _look(self, recipe: Recipe, without: tuple[str, ...]) -> Look:
        from penstock.objects.inplace import Contents, Look

        if recipe.contents not in self._contents:
            self._contents[recipe.contents] = Contents(Path(recipe.contents) if recipe.contents else None)
        return Look(recipe.root, self._contents[recipe.contents], without)

    def _wrote(self, recipe: Recipe, around: Around) -> Mapping[str, bool]:
        if not around.wrote:
            around.wrote = {path: snapshot(recipe, path) not in (b"", old) for path, old in around.before.items()}
        return around.wrote


def _filled(recipe: Recipe, task: Assignment) -> tuple[Leaf, ...]:
    if not recipe.fills:
        return recipe.leaves
    values = {name: task.params[name] for name in recipe.fills}
    return tuple(replace(leaf, path=templates.fill(leaf.path, values)) for leaf in recipe.leaves)


def _hashed(recipe: Recipe, task: Assignment, path: str) -> bool:
    return any(leaf.hash for leaf in _filled(recipe, task) if leaf.path == path)


def _is_regular(path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def snapshot(recipe: Recipe, path: str) -> bytes:
    """What changes when a file that an attempt makes is written or replaced, or, of a directory, anything below it;
    empty if nothing is there.
    """
    from penstock.objects.inplace import walk

    full = os.path.join(recipe.root, path)
    own = _told(full)
    if not own:
        return b""
    found: list[Any] = [own]
    if os.path.islink(full):
        found.append(_told(full, follow=True))
    if os.path.isdir(full):
        found = [kind[:2] for kind in found]  # names that come and go are seen below
        found += ((below, _told(entry)) for below, entry, folder in walk(full) if not folder)
        found += ((below, ()) for below, _, folder in walk(full) if folder)
    return digest("snapshot/1", found)


def _told(path: str, follow: bool = False) -> tuple[int, ...]:
    try:
        seen = os.stat(path, follow_symlinks=follow)
    except OSError:
        return ()
    return stat.S_IFMT(seen.st_mode), seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns
