"""What lies where in a project, and how one is found, made and refused."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from penstock.model.errors import AlreadyExists, NewerFormat, NoProject, NotWritable

DIRECTORY = ".penstock"
#: Written into `.penstock/format`; a higher number is refused.
FORMAT = 1
PIPELINE_FILES = ("pipeline.yaml", "pipeline.yml", "pipeline.json", "pipeline.json5")


class Layout(Struct, frozen=True):
    """The paths of one project. `home` is `.penstock`, `root` the directory that holds it."""

    root: Path
    id: str  #: 32 hex digits; marks the processes that work for this project
    start: Path  #: `root`, or the directory below it where the project was looked for
    writable: bool = True  #: False: what is in the project can be read, and nothing is written

    @property
    def home(self) -> Path:
        return self.root / DIRECTORY

    def check_writable(self) -> None:
        """Raises NotWritable, for what would do much before its first write."""
        if not self.writable:
            raise NotWritable.here(self.home)

    @property
    def database(self) -> Path:
        return self.home / "state.db"

    @property
    def objects(self) -> Path:
        return self.home / "objects"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def work(self) -> Path:
        return self.home / "work"

    @property
    def scans(self) -> Path:
        return self.home / "scans"

    @property
    def places(self) -> Path:
        return self.home / "places"

    @property
    def lock(self) -> Path:
        return self.home / "engine.lock"


def find(start: Path) -> Layout:
    """The project at `start` or above it. Raises NoProject, NewerFormat."""
    start = start.resolve()
    for directory in (start, *start.parents):
        home = directory / DIRECTORY
        if home.is_dir():
            return _read(directory, start)
    raise NoProject(f"{start}: no project here or above; make one with `penstock init`")


def place_for_new(start: Path) -> Path | None:
    """Where a project is made for who calls for one here: where the nearest pipeline file lies, if there is one."""
    start = start.resolve()
    above = (start, *start.parents)
    return next((place for place in above if any((place / name).is_file() for name in PIPELINE_FILES)), None)


def create(root: Path, prepare: Callable[[Layout], None] = lambda _: None) -> Layout:
    """Make `.penstock` in a directory. Raises AlreadyExists, NotWritable.

    `prepare` does what else is needed before it is a project; what that raises passes. Then, as after any other
    failure, nothing is left.
    """
    root = root.resolve()
    made = [place for place in (root, *root.parents) if not place.exists()]
    layout = Layout(root, os.urandom(16).hex(), root)
    try:
        root.mkdir(parents=True, exist_ok=True)
        layout.home.mkdir()
    except FileExistsError:
        if (layout.home / "format").exists():
            raise AlreadyExists(f"{root}: is a project already") from None
        raise AlreadyExists(f"{layout.home}: exists and is not a Penstock project; remove it first") from None
    except OSError as error:
        _remove(made)
        raise NotWritable(f"{root}: cannot make a project here: {error.strerror}") from error
    try:
        _fill(layout, prepare)
    except BaseException as error:
        _remove([layout.home, *made])
        if isinstance(error, OSError):
            raise NotWritable(f"{root}: cannot make a project here: {error.strerror}") from error
        raise
    return layout


def _fill(layout: Layout, prepare: Callable[[Layout], None]) -> None:
    for directory in (layout.objects, layout.logs, layout.work, layout.scans):
        directory.mkdir()
    (layout.home / ".gitignore").write_text("*\n")
    prepare(layout)
    # Last, so that a half-made project is never taken for one.
    draft = layout.home / "format.new"
    draft.write_text(f"{FORMAT} {layout.id}\n")
    draft.rename(layout.home / "format")


def remove(layout: Layout) -> None:
    """Take away what makes a directory a project."""
    import shutil

    # First what says so.
    (layout.home / "format").unlink(missing_ok=True)
    shutil.rmtree(layout.home)


def _remove(made: Sequence[Path]) -> None:
    """Remove directories of ours, the innermost first; those that others have put something into stay."""
    import shutil

    for place in made:
        if place.name == DIRECTORY:
            shutil.rmtree(place)
            continue
        with suppress(OSError):
            place.rmdir()


def _read(root: Path, start: Path) -> Layout:
    home = root / DIRECTORY
    try:
        number, project = (home / "format").read_text().split()
    except FileNotFoundError:
        raise NoProject(f"{home}: is not a whole project (no `format`); remove it and run `penstock init`") from None
    except (OSError, ValueError) as error:
        raise NoProject(f"{home / 'format'}: cannot be read ({error}); expected '{FORMAT} <project id>'") from error
    if not number.isdigit() or int(number) > FORMAT:
        raise NewerFormat(f"{root}: format {number} is newer than this Penstock knows ({FORMAT}); upgrade Penstock")
    return Layout(root, project, start, os.access(home, os.W_OK | os.X_OK))
