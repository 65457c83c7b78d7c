"""`Project`: the embedded surface. Every verb and question of a project, as one object with typed answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from penstock.model.errors import Interrupted
from penstock.model.ids import Reference, parse_reference
from penstock.model.moves import RunState
from penstock.model.run import Commit, Job, Run
from penstock.model.views import CommitView, RunView
from penstock.service import layout, resolve
from penstock.service.answers import views
from penstock.service.data import reading
from penstock.service.data import writing as data
from penstock.service.driving.watch import Progress, follow_or_drive
from penstock.service.opening.begin import Begun, begin
from penstock.service.parts import Parts


class Project:
    """A project on this machine.

    >>> import tempfile, pathlib
    >>> where = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (where / "hello.txt").write_text("hello")
    >>> with Project.create(where / "lab") as project:
    ...     commit = project.put("notes", where / "hello.txt")
    ...     project.read("notes:/hello.txt")
    b'hello'
    """

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    @classmethod
    def open(cls, path: str | Path = ".", *, create: bool = False) -> Project:
        """The project at `path` or above it. Raises NoProject, NewerFormat, NotWritable.

        With `create`, a directory with a pipeline file that is no project yet becomes one.
        """
        return cls(Parts.open((layout.find_or_create if create else layout.find)(Path(path))))

    @classmethod
    def create(cls, path: str | Path = ".") -> Project:
        """A new project. Raises AlreadyExists, NotWritable."""
        return cls(Parts.open(layout.create(Path(path))))

    @property
    def root(self) -> Path:
        return self.parts.layout.root

    def put(
        self,
        target: str,
        *sources: str | Path,
        mirror: bool = False,
        append: bool = False,
        message: str = "",
    ) -> CommitView:
        """Store files and directories in one commit of `repo[@branch][:/path]`; a missing repo is made.

        A source that ends in a slash stands for its contents. Raises Refused for linked and published repos.
        """
        written = data.put(
            self.parts,
            parse_reference(target),
            [Path(source) for source in sources],
            contents=[str(source).endswith("/") for source in sources],
            mirror=mirror,
            append=append,
            message=message,
        )
        return views.commit_view(written.commit)

    def remove(self, target: str, *, recursive: bool = False) -> CommitView:
        """Delete a file, or a directory with `recursive`, in one commit."""
        return views.commit_view(data.remove(self.parts, parse_reference(target), recursive=recursive).commit)

    def get(self, source: str, destination: str | Path) -> tuple[int, int]:
        """Write a file, or a directory's contents, to `destination`; how many files and bytes."""
        return reading.get(self.parts, parse_reference(source), Path(destination))

    def read(self, source: str) -> bytes:
        """The bytes of one file. Raises NotFound, Corrupt."""
        return b"".join(reading.cat(self.parts, parse_reference(source)))

    def ls(self, source: str, *, recursive: bool = False) -> Iterator[reading.Listed]:
        """What stands at `repo[@ref][:/path]`."""
        return reading.ls(self.parts, parse_reference(source), recursive=recursive)

    def log(self, source: str, limit: int = 50) -> list[CommitView]:
        """A branch's commits, newest first."""
        found = resolve.commit(self.parts, parse_reference(source))
        return [views.commit_view(commit) for commit in reading.history(self.parts, found, limit)]

    def commit(self, source: str | Reference) -> Commit:
        """The commit a reference names."""
        return resolve.commit(self.parts, parse_reference(source) if isinstance(source, str) else source)

    def begin(self, file: str | Path | None = None, params: Mapping[str, Any] | None = None) -> Begun:
        """Apply the pipeline file and open a run, without driving it."""
        return begin(self.parts, Path(file) if file is not None else None, params or {})

    def run(
        self,
        file: str | Path | None = None,
        params: Mapping[str, Any] | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> RunView:
        """Apply the pipeline file, open a run (or continue one) and see it through; how it ended.

        Raises BadSpec with file:line:column, Interrupted after Ctrl-C: the next `run` goes on.
        """
        begun = self.begin(file, params)
        self._see_through([*begun.ahead, begun.run.id], progress, None)
        return self.run_view(begun.run.id)

    def wait(
        self,
        run: str,
        progress: Callable[[Progress], None] | None = None,
        timeout: float | None = None,
    ) -> RunView:
        """See a run through: drive it if nobody does, else follow who does. Raises WaitTimeout, Interrupted."""
        found = resolve.run(self.parts, run)
        if found.state != RunState.DONE:
            self._see_through([found.id], progress, timeout)
        return self.run_view(found.id)

    def _see_through(
        self, runs: Sequence[str], progress: Callable[[Progress], None] | None, timeout: float | None
    ) -> None:
        try:
            follow_or_drive(self.parts, runs, progress, timeout)
        except KeyboardInterrupt:
            raise Interrupted(f"run {runs[-1]} is not done; `penstock run` goes on with it") from None

    def run_view(self, run: str) -> RunView:
        """A run with its jobs."""
        found = resolve.run(self.parts, run)
        return views.run_view(found, self.parts.store.load(Job, "jobs_of_run", run=found.id))

    def runs(self, limit: int = 20) -> Sequence[RunView]:
        """The newest runs, without their jobs."""
        found = self.parts.store.load(Run, "runs", before=1 << 62, limit=limit)
        return [views.run_view(run) for run in found]

    def close(self) -> None:
        self.parts.close()

    def __enter__(self) -> Project:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
