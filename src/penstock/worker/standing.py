"""Files in place where code is frozen: what a task reads stands at its path as a link to the file, and what it writes
to the path of an output lands in the project.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator

from penstock.model import templates
from penstock.model.data import EMPTY
from penstock.model.wire import Assignment, Recipe


def read_by(recipe: Recipe, task: Assignment) -> Iterator[str]:
    """The files in place that there are for a task to read, below the project or absolute."""
    from penstock.objects.inplace import Contents, Look

    if not recipe.stands:
        return
    look = Look(recipe.root, Contents(), ())
    for path in _filled(recipe, task, recipe.stands):
        yield from (found for found in look.paths(path) if os.path.lexists(os.path.join(recipe.root, found)))


def made_by(recipe: Recipe, task: Assignment) -> list[str]:
    """The files in place that a task makes."""
    return _filled(recipe, task, (leaf.path for leaf in recipe.leaves))


def _filled(recipe: Recipe, task: Assignment, paths: Iterable[str]) -> list[str]:
    values = {name: task.params[name] for name in recipe.fills}
    return [templates.fill(path, values) for path in paths]


def stand(recipe: Recipe, task: Assignment, folder: str, aside: str) -> Standing | None:
    """Put files in place where a task looks for them in `folder`; what is there of them goes to the new directory
    `aside` meanwhile. None where it looks in the project itself. Raises OSError.
    """
    if recipe.workdir is not None or recipe.code == EMPTY or not (recipe.stands or recipe.leaves):
        return None
    made = {path for path in made_by(recipe, task) if not path.startswith("/")}
    read = {path for path in read_by(recipe, task) if not path.startswith("/")} - made
    standing = Standing(recipe.root, folder, aside)
    try:
        for path in sorted(made | read):
            standing.put(path, path in made)
    except BaseException:
        standing.end()
        raise
    return standing


class Standing:
    """The files in place of one attempt in a directory of frozen code."""

    def __init__(self, root: str, folder: str, aside: str) -> None:
        self._root, self._folder, self._aside = root, folder, aside
        self._links: dict[str, bool] = {}  # path -> whether the task makes it
        self._moved: dict[str, str] = {}  # path -> where what was frozen is meanwhile
        self._made: list[str] = []  # directories

    def put(self, path: str, made: bool) -> None:
        """Let a path lead to the project; a file that is still to be made is left to the task."""
        here, there = os.path.join(self._folder, path), os.path.join(self._root, path)
        if not self._is_inside(os.path.dirname(here)):
            return  # a link of the project leads out of it, to the file itself
        self._make_folders(os.path.dirname(path))
        if os.path.lexists(here):
            os.makedirs(self._aside, exist_ok=True)
            self._moved[path] = os.path.join(self._aside, str(len(self._moved)))
            os.rename(here, self._moved[path])
        self._links[path] = made
        if os.path.lexists(there):
            os.symlink(there, here)

    def end(self) -> None:
        """Let what was made land in the project, and the directory be as it was. Raises OSError."""
        links, self._links = self._links, {}
        for path, made in links.items():
            here, there = os.path.join(self._folder, path), os.path.join(self._root, path)
            if os.path.islink(here) and os.readlink(here) == there:
                os.unlink(here)
            elif made and os.path.lexists(here):
                _land(here, there)
        for path, kept in self._moved.items():
            here = os.path.join(self._folder, path)
            if not os.path.lexists(here):
                os.rename(kept, here)
        self._moved.clear()
        for folder in reversed(self._made):
            with contextlib.suppress(OSError):  # what is in it is told as any other stray
                os.rmdir(folder)
        self._made.clear()

    def _is_inside(self, folder: str) -> bool:
        top = os.path.realpath(self._folder)
        return f"{os.path.realpath(folder)}/".startswith(f"{top}/")

    def _make_folders(self, path: str) -> None:
        place = self._folder
        for name in path.split("/") if path else ():
            place = os.path.join(place, name)
            if not os.path.lexists(place):
                os.mkdir(place)
                self._made.append(place)


def _land(here: str, there: str) -> None:
    """Move what a task made; directories grow together."""
    if os.path.isdir(here) and not os.path.islink(here) and os.path.isdir(there):
        for name in os.listdir(here):
            _land(os.path.join(here, name), os.path.join(there, name))
        os.rmdir(here)
        return
    os.makedirs(os.path.dirname(there), exist_ok=True)
    try:
        os.replace(here, there)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        import shutil  # of a place on another device: nobody else pays for it

        shutil.move(here, there)
