"""What lies where in a project, and how one is found, made and refused."""

from __future__ import annotations

import os
from collections.abc import Callable
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

    @property
    def home(self) -> Path:
        return self.root / DIRECTORY

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


def find_or_create(start: Path) -> Layout:
    """The project at `start` or above; else a new one where the nearest pipeline file lies."""
    try:
        return find(start)
    except NoProject:
        start = start.resolve()
        for directory in (start, *start.parents):
            if any((directory / name).is_file() for name in PIPELINE_FILES):
                return create(directory)
        raise


def create(root: Path, prepare: Callable[[Layout], None] | None = None) -> Layout:
    """Make `.penstock` in a directory. Raises AlreadyExists, NotWritable.

    `prepare` does what else is needed before it is a project; what that raises passes, and nothing is left.
    """
    root = root.resolve()
    home = root / DIRECTORY
    layout = Layout(root, os.urandom(16).hex(), root)
    try:
        root.mkdir(parents=True, exist_ok=True)
        home.mkdir()
        for directory in (layout.objects, layout.logs, layout.work, layout.scans):
            directory.mkdir()
        (home / ".gitignore").write_text("*\n")
        if prepare is not None:
            _prepare(layout, prepare)
        # Last, so that a half-made project is never taken for one.
        draft = home / "format.new"
        draft.write_text(f"{FORMAT} {layout.id}\n")
        draft.rename(home / "format")
    except FileExistsError:
        if (home / "format").exists():
            raise AlreadyExists(f"{root}: is a project already") from None
        raise AlreadyExists(f"{home}: exists and is not a Penstock project; remove it first") from None
    except OSError as error:
        raise NotWritable(f"{root}: cannot make a project here: {error.strerror}") from error
    return layout


def _prepare(layout: Layout, prepare: Callable[[Layout], None]) -> None:
    try:
        prepare(layout)
    except BaseException:
        import shutil

        shutil.rmtree(layout.home)
        raise


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
    if not os.access(home, os.W_OK | os.X_OK):
        raise NotWritable(f"{home}: no permission to write here; run as the project's owner or copy the project")
    return Layout(root, project, start)
