"""`Project`: the embedded surface. Every verb and question of a project, as one object with typed answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from penstock.model.errors import Interrupted, NotFound, UsageError
from penstock.model.ids import Reference, parse_reference
from penstock.model.moves import RunState
from penstock.model.run import Commit, Job, Run
from penstock.model.views import AskedView, CommitView, DocumentView, RunView, TouchView, TraceView, VerifyView
from penstock.service import layout, resolve
from penstock.service.answers import views, why
from penstock.service.answers.logs import LogChunk, logs
from penstock.service.answers.report import report
from penstock.service.data import commits, comparing, copying, exporting, history, listing, merging, purging, reading
from penstock.service.data import writing as data
from penstock.service.data.committing import branch_of
from penstock.service.data.sources import Taking
from penstock.service.driving import control
from penstock.service.driving.verifying import verify
from penstock.service.driving.watch import Progress, follow_or_drive
from penstock.service.keeping import retention
from penstock.service.keeping.garbage import Collected, gc
from penstock.service.keeping.usage import Usage, usage
from penstock.service.opening import ticking
from penstock.service.opening.begin import Begun, begin, catch_up
from penstock.service.parts import Parts, far_away
from penstock.service.userdata import documents


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
        """The project at `path` or above it; where nothing may be written, only to be read. Raises NoProject,
        NewerFormat, NotWritable.

        With `create`, a directory with a pipeline file that is no project yet becomes one.
        """
        return cls(Parts.find_or_create(Path(path))[0] if create else Parts.open(layout.find(Path(path))))

    @classmethod
    def create(
        cls,
        path: str | Path = ".",
        *,
        objects: str | None = None,
        endpoint: str | None = None,
        region: str | None = None,
    ) -> Project:
        """A new project. Raises AlreadyExists, NotWritable.

        `objects` is where its data shall be: `s3://bucket/prefix`, by default the project's own directory. What
        `endpoint` (a URL) and `region` do not say, the usual AWS variables do. Raises Refused, NotFound, Unreachable.
        """
        return cls(Parts.create(Path(path), far_away(objects, endpoint, region) if objects else None))

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
        taking: Taking | None = None,
    ) -> CommitView:
        """Store files and directories in one commit of `repo[@branch][:/path]`; a missing repo is made.

        A source that ends in a slash stands for its contents; it may also be an `http(s)://` or `s3://` address.
        `taking` says whether archives are taken apart, within which limits, and what `-` reads. Raises Refused for
        linked and published repos, Unreachable.
        """
        written = data.put(
            self.parts,
            parse_reference(target),
            [str(source) for source in sources],
            mirror=mirror,
            append=append,
            message=message,
            taking=taking,
        )
        return views.commit_view(written.commit)

    def remove(self, target: str, *, recursive: bool = False) -> CommitView:
        """Delete a file, or a directory with `recursive`, in one commit."""
        return views.commit_view(data.remove(self.parts, parse_reference(target), recursive=recursive).commit)

    def copy(self, source: str, target: str, *, append: bool = False, message: str = "") -> CommitView:
        """Copy a file, a directory or what fits a pattern to `repo[@branch][:/path]`, in one commit, by reference."""
        written = copying.copy(
            self.parts, parse_reference(source), parse_reference(target), append=append, message=message
        )
        return views.commit_view(written.commit)

    @contextmanager
    def transaction(self, *targets: str, message: str = "") -> Iterator[Transaction]:
        """Commits in several repos under one id, finished together at the end, with one run downstream.

        What is put to these branches inside, by whomever, goes into them. An exception abandons them all. Raises
        Refused where a commit is open already.

        >>> import tempfile, pathlib
        >>> where = pathlib.Path(tempfile.mkdtemp())
        >>> _ = (where / "hello.txt").write_text("hello")
        >>> with Project.create(where / "lab") as project:
        ...     with project.transaction("notes", "labels") as tx:
        ...         _ = tx.put("notes", where / "hello.txt")
        ...         _ = tx.put("labels:/one", where / "hello.txt")
        ...     project.commit("notes").id == project.commit("labels").id == tx.id
        True
        """
        opened = commits.start(self.parts, [parse_reference(target) for target in targets], message)
        try:
            yield Transaction(self, opened[0].id, frozenset((item.repo, item.branch) for item in opened))
        except BaseException:
            with suppress(NotFound):  # somebody else has finished or abandoned them
                commits.abandon(self.parts, opened[0].id)
            raise
        commits.finish(self.parts, opened[0].id)

    def find(self, target: str) -> Iterator[TouchView]:
        """The commits that touched `repo[@ref]:/path`, newest first."""
        found = history.find(self.parts, parse_reference(target))
        return (TouchView(touch.change, views.commit_view(touch.commit)) for touch in found)

    def merge(self, source: str, into: str | None = None, *, prefer: str | None = None) -> CommitView:
        """Bring what changed on `repo@branch` into another branch of the repo (None: the default one).

        Raises Refused where both changed one path, unless `prefer` is `ours` (the branch that takes it in) or `theirs`.
        """
        return views.commit_view(merging.merge(self.parts, parse_reference(source), into, prefer).commit)

    def purge(self, target: str) -> purging.Purged:
        """Take `repo:/path` out of every commit and of all that was computed from it."""
        return purging.purge(self.parts, parse_reference(target))

    def get(self, source: str, destination: str | Path, *, link: bool = False, force: bool = False) -> exporting.Got:
        """Write a file, a directory's contents, or what fits a pattern to `destination`: all of it or nothing.

        With `link` large files are the store's own, read-only and unverified; with `force` files there are replaced.
        """
        return exporting.get(self.parts, parse_reference(source), Path(destination), link=link, force=force)

    def tar(self, source: str, stream: IO[bytes], *, compress: bool = False) -> exporting.Got:
        """The same as a tar stream; equal trees of one commit give equal bytes."""
        return exporting.tar(self.parts, parse_reference(source), stream, compress=compress)

    def read(self, source: str, offset: int = 0, length: int | None = None) -> bytes:
        """The bytes of one file, from `offset` (negative: from its end). Raises NotFound, Corrupt."""
        return b"".join(reading.cat(self.parts, parse_reference(source), offset, length))

    def ls(
        self, source: str, *, recursive: bool = False, after: str = "", sizes: bool = False
    ) -> Iterator[listing.Listed]:
        """What stands at `repo[@ref][:/path]`, or fits the pattern there, beyond the cursor `after`."""
        return listing.ls(self.parts, parse_reference(source), recursive=recursive, after=after, sizes=sizes)

    def diff(self, one: str, other: str | None = None) -> Iterator[comparing.Difference]:
        """Which files differ between two references, or between one and the parent of its commit."""
        second = parse_reference(other) if other is not None else None
        return (item.difference for item in comparing.compare(self.parts, parse_reference(one), second))

    def log(self, source: str, limit: int = 50) -> list[CommitView]:
        """A branch's commits, newest first."""
        found = resolve.commit(self.parts, parse_reference(source))
        return [views.commit_view(commit) for commit in islice(resolve.history(self.parts, found), limit)]

    def commit(self, source: str | Reference) -> Commit:
        """The commit a reference names."""
        return resolve.commit(self.parts, parse_reference(source) if isinstance(source, str) else source)

    def begin(
        self, file: str | Path | None = None, params: Mapping[str, Any] | None = None, *, inherit: bool = False
    ) -> Begun:
        """Apply the pipeline file and open a run, without driving it. With `inherit` no step runs in a container."""
        return begin(self.parts, Path(file) if file is not None else None, params or {}, inherit)

    def run(
        self,
        file: str | Path | None = None,
        params: Mapping[str, Any] | None = None,
        progress: Callable[[Progress], None] | None = None,
        *,
        inherit: bool = False,
    ) -> RunView:
        """Apply the pipeline file, open a run (or continue one) and see it through; how it ended.

        Raises BadSpec with file:line:column, Interrupted after Ctrl-C: the next `run` goes on.
        """
        begun = self.begin(file, params, inherit=inherit)
        self._see_through([*begun.ahead, *begun.beside, begun.run.id], progress, None)
        again = catch_up(self.parts, begun)
        if again is not None:
            self._see_through([again.id], progress, None)
        return self.run_view((again or begun.run).id)

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

    def stop(self, target: str) -> str:
        """End a run, a job (`step@run`, or `step` for its newest) or a task; what is said is a sentence."""
        return control.stop(self.parts, target)

    def hold(self, target: str) -> str:
        """Let a run, a job or a task start nothing new."""
        return control.hold(self.parts, target)

    def release(self, target: str) -> str:
        """Let a held run, job or task go on."""
        return control.release(self.parts, target)

    def retry(self, target: str) -> RunView | str:
        """Try again what did not succeed: the new run, or of a task in flight a sentence. Raises Refused."""
        opened = control.retry(self.parts, target)
        return opened if isinstance(opened, str) else self.run_view(opened.id)

    def logs(self, target: str, *, follow: bool = False) -> Iterator[LogChunk]:
        """What the attempts of a run, a job or a task printed; with `follow` as it comes, until it is done."""
        return logs(self.parts, target, follow)

    def trace(self, source: str) -> TraceView:
        """`repo[@ref]:/path` back to the task that wrote it, and to what that was made of."""
        return why.trace(self.parts, parse_reference(source))

    def verify(self, target: str, sample: int = 10) -> VerifyView:
        """Run some bindings of a job again, aside, and compare what they leave. Raises Refused."""
        return verify(self.parts, target, sample)

    def run_view(self, run: str) -> RunView:
        """A run with its jobs."""
        found = resolve.run(self.parts, run)
        return views.run_view(found, self.parts.store.load(Job, "jobs_of_run", run=found.id))

    def runs(self, limit: int = 20) -> Sequence[RunView]:
        """The newest runs, without their jobs."""
        found = self.parts.store.load(Run, "runs", before=1 << 62, limit=limit)
        return [views.run_view(run) for run in found]

    def tick(self, repo: str) -> str | None:
        """Make a tick of a repo of a `cron` input now, out of turn; the id of the run that it opens."""
        opened = ticking.tick(self.parts, repo)
        return opened.id if opened else None

    def keep(self, repo: str, commits: int | None = None, seconds: float | None = None) -> None:
        """Say which commits of a repo keep their bytes: the newest of each branch, and young ones. Neither: all."""
        retention.keep(self.parts, repo, commits, seconds)

    def collect_garbage(self, *, grace: float = 3600.0, now: bool = False, dry_run: bool = False) -> Collected:
        """Delete what nothing needs any more, condemned for `grace` seconds at least. Raises Refused."""
        return gc(self.parts, grace=int(grace * 1e6), now=now, dry_run=dry_run)

    def data_add(
        self,
        value: Any,
        *,
        pipeline: str | None = None,
        step: str | None = None,
        name: str = "",
        ephemeral: bool = False,
    ) -> DocumentView:
        """Make user data: a JSON document of a pipeline (None: the only one), or of one of its steps.

        Raises NotFound, UsageError, AlreadyExists, Refused for more than 1 MiB.
        """
        made = documents.add(self.parts, [value], pipeline=pipeline, step=step, name=name, ephemeral=ephemeral)
        return views.document_view(made[0])

    def data_list(self, pipeline: str | None = None, step: str | None = None) -> list[DocumentView]:
        """The user data of a pipeline and its steps, or of one step, oldest first."""
        return [views.document_view(item) for item in documents.every(self.parts, pipeline, step)]

    def data_get(self, which: str, *, pipeline: str | None = None) -> DocumentView:
        """User data by its name or its key. Raises NotFound."""
        return views.document_view(documents.find(self.parts, which, pipeline))

    def data_set(self, which: str, value: Any, *, pipeline: str | None = None) -> DocumentView:
        """Give user data a new value. Raises NotFound, UsageError, Refused for more than 1 MiB."""
        return views.document_view(documents.put(self.parts, which, value, pipeline))

    def data_delete(self, *which: str, pipeline: str | None = None) -> None:
        """Take user data away. Raises NotFound."""
        documents.delete(self.parts, which, pipeline)

    def report(self, of: str | None = None) -> list[AskedView]:
        """What the steps of a run, or of all runs of a pipeline, asked for and used; None: of the last run."""
        return report(self.parts, of)

    def usage(self) -> Usage:
        """What takes how much room."""
        return usage(self.parts)

    def close(self) -> None:
        self.parts.close()

    def __enter__(self) -> Project:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Transaction:
    """Several repos written as one: the verbs that write, on the branches it was opened for. `id` is that of all its
    commits; `repo@id` reads what is in them so far. Once somebody else has finished or abandoned them, nothing is
    written any more: UsageError.
    """

    def __init__(self, project: Project, id: str, targets: frozenset[tuple[str, str]]) -> None:
        self.id = id
        self._project = project
        self._targets = targets

    def put(self, target: str, *sources: str | Path, mirror: bool = False, append: bool = False) -> CommitView:
        """As `Project.put`."""
        return self._project.put(self._own(target), *sources, mirror=mirror, append=append)

    def remove(self, target: str, *, recursive: bool = False) -> CommitView:
        """As `Project.remove`."""
        return self._project.remove(self._own(target), recursive=recursive)

    def copy(self, source: str, target: str, *, append: bool = False) -> CommitView:
        """As `Project.copy`."""
        return self._project.copy(source, self._own(target), append=append)

    def _own(self, target: str) -> str:
        """A target by the id of its open commit: it goes there or nowhere."""
        reference = parse_reference(target)
        branch = branch_of(self._project.parts, reference)
        if (reference.repo, branch) not in self._targets:
            names = ", ".join(sorted(f"{repo}@{name}" for repo, name in self._targets))
            raise UsageError(f"{reference.repo}@{branch} is not part of this transaction, which is over {names}")
        _, colon, path = target.partition(":")
        return f"{reference.repo}@{self.id}{colon}{path}"
