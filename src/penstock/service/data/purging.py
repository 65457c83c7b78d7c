"""`purge`: a path out of all history, and out of all that was computed from it.

Old commits keep their ids and lose the path. What a job computed from it goes from the job's ledger, from the commit it
published, from what was computed from that in turn, and from the memory of reuse. All rows change in one transaction.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from penstock.model.data import EMPTY, Entry
from penstock.model.errors import NotFound, Refused, UsageError
from penstock.model.ids import Reference
from penstock.model.moves import JobState
from penstock.model.run import Branch, Commit, Job, JobInput, Repo, Run, Task
from penstock.objects import map as maps
from penstock.objects import tree
from penstock.objects.blobs import Pages
from penstock.service import resolve
from penstock.service.bindings.ledger import Ledger
from penstock.service.bindings.work import decode_inputs
from penstock.service.data.committing import check_writable, measured
from penstock.service.opening.launch import advance
from penstock.service.parts import Parts

#: How many rows one question brings.
PAGE = 500
#: How many other places with the same bytes are named.
FEW = 5


class Purged(Struct):
    """What a purge changes (or, before it is done, would change)."""

    repo: str
    path: str
    paths: set[str] = field(default_factory=set)  #: the files it takes out of the repo
    commits: list[tuple[Commit, Commit]] = field(default_factory=list)  #: (as it was, as it shall be)
    jobs: list[tuple[Job, Job]] = field(default_factory=list)
    tasks: list[int] = field(default_factory=list)  #: whose results go
    fingerprints: set[bytes] = field(default_factory=set)
    blobs: set[bytes] = field(default_factory=set)
    runs: list[Run] = field(default_factory=list)  #: opened downstream
    elsewhere: list[str] = field(default_factory=list)  #: files at branches of today that hold some of the same bytes


def purge(parts: Parts, target: Reference, *, dry: bool = False) -> Purged:
    """Take a file, or a directory with all below it, out of every commit of a repo and of all results.

    Branches that had it get a new commit without it, and what reads them runs anew. With `dry` nothing changes. The
    bytes themselves are freed by `gc`. Refused for a published repo, for a linked one while the directory has the path,
    while a commit is open in the repo, and while a job that is not done reads what would go; NotFound where no commit
    has it.
    """
    if not target.path or target.ref is not None:
        raise UsageError(f"{target}: expected REPO:/PATH; a purge takes a path out of all commits")
    there = resolve.repo(parts, target.repo)
    _check(parts, there, target.path)
    with parts.objects.writer() as writer:
        pages = Pages(parts.objects.blobs, writer)
        while True:
            before = _state(parts)
            done = _Purge(parts, pages, target.repo, target.path).plan()
            if not (done.paths or done.fingerprints):
                raise NotFound(f"{target}: no commit has such a file or directory")
            _name_others(parts, pages, done)
            writer.seal()
            if dry:
                return done
            with parts.store.transaction(durable=True):
                if _state(parts) == before:
                    _check(parts, there, target.path)
                    _write(parts, done)
                    break
    # They may hold it, and would bring the old tree back as the base of the next commit. They are made again.
    for cache in parts.layout.scans.glob("*"):
        cache.unlink(missing_ok=True)
    return done


def _check(parts: Parts, there: Repo, path: str) -> None:
    if there.path is None:
        check_writable(parts, there.name, there)
    elif os.path.lexists(parts.layout.root / there.path / path):
        raise Refused(f"{there.path}/{path} is still there, and would be committed again; remove it first")
    for item in parts.store.load(Commit, "open_commits"):
        if item.repo == there.name:
            raise Refused(f"{item.repo}@{item.branch} has the open commit {item.id}: finish it or abandon it first")


def _state(parts: Parts) -> tuple[Any, ...]:
    """What must be the same when the plan is written: nobody has added or moved a row."""
    row = parts.store.fetch("newest_rows")[0]
    return tuple(row.values())


class _Lost:
    """What a commit loses: files, or a directory where its bytes were given up and nobody can look."""

    def __init__(self, paths: Iterable[str]) -> None:
        self.paths = frozenset(paths)
        self.above = frozenset(directory for path in self.paths for directory in _directories(path))

    def concerns(self, path: str) -> bool:
        """Whether what is read at a path (a file, a directory, "" for all) is lost or holds something that is."""
        return path in self.paths or path in self.above or not self.paths.isdisjoint(_directories(path))


def _directories(path: str) -> Iterator[str]:
    """The directories above a path, "" for the whole tree."""
    while path:
        path = path.rpartition("/")[0]
        yield path


class _Purge:
    """Goes through commits and jobs, oldest first; a job comes after all that it read was made."""

    def __init__(self, parts: Parts, pages: Pages, repo: str, path: str) -> None:
        self.parts, self.pages = parts, pages
        self.done = Purged(repo, path)
        self.gone: set[tuple[str, str]] = set()  #: (repo, commit) that lose something
        #: by repo and old root: repos may hold equal trees, and commits equal ones that were made of other files
        self.lost: dict[tuple[str, bytes], _Lost] = {}
        self.roots = {(row["repo"], row["root"]) for row in parts.store.fetch("roots_there")}
        #: repo -> what trees of it may have held that no commit has any more
        self.vanished = {repo: _Lost([path])}
        self.made_of_it: dict[bytes, bool] = {}  #: by fingerprint

    def plan(self) -> Purged:
        for commit in self._commits():
            if commit.forgotten is not None:
                # Nobody can look any more; results of it may be known all the same.
                self._loses(commit, [self.done.path])
            else:
                lost = dict(tree.files(self.pages, commit.root, self.done.path))
                self.done.paths.update(lost)
                self._without(commit, lost)
        for job in self._readers():
            self._job(job)
        return self.done

    def _commits(self) -> Iterator[Commit]:
        before, more = 1 << 62, True
        while more:
            page = self.parts.store.load(Commit, "commits_of_repo", repo=self.done.repo, before=before, limit=PAGE)
            yield from page
            before, more = page[-1].seq if page else 0, len(page) == PAGE

    def _readers(self) -> Iterator[Job]:
        after, more = 0, True
        while more:
            page = self.parts.store.load(Job, "jobs_with_input", after=after, limit=PAGE)
            for job in page:
                if any(self._lacks(item) for item in job.inputs):
                    yield job
            after, more = page[-1].seq if page else 0, len(page) == PAGE

    def _lacks(self, item: JobInput) -> bool:
        """Whether a job reads there what loses something, or what is no commit any more and may have had it."""
        if item.commit is None or item.repo not in self.vanished:
            return False
        there = (item.repo, item.commit) in self.gone
        return there or resolve.commit_by_id(self.parts, item.repo, item.commit) is None

    def _loses(self, commit: Commit, paths: Iterable[str]) -> None:
        self.gone.add((commit.repo, commit.id))
        at = (commit.repo, commit.root)
        self.lost[at] = _Lost(self.lost[at].paths.union(paths) if at in self.lost else paths)

    def _without(self, commit: Commit, lost: Mapping[str, Entry]) -> None:
        """Let a commit lose some files."""
        if not lost:
            return
        self._loses(commit, lost)
        self.done.blobs.update(blob for entry in lost.values() for blob in entry.blobs)
        root = maps.edit(self.pages, commit.root, [(path.encode(), None) for path in lost])
        size = commit.size - sum(entry.size for entry in lost.values())
        self.done.commits.append((commit, replace(commit, root=root, files=commit.files - len(lost), size=size)))

    def _job(self, job: Job) -> None:
        """Take what a job computed from lost paths out of its ledger, its tasks and its commit."""
        if job.state != JobState.DONE:
            raise Refused(f"job {job.id} is not done and reads what the purge takes away; wait for the run, or stop it")
        tasks = self.parts.store.load(Task, "tasks_of_job", job=job.seq, after=0, limit=1 << 62)
        tasks = [task for task in tasks if self._concerns(job, task)]
        self.done.tasks += [task.seq for task in tasks if task.output != EMPTY]
        self.done.fingerprints.update(task.fingerprint for task in tasks)
        old = Ledger(job.ledger, job.owners, job.tree)
        touched = [(key, done) for key, done in old.every(self.pages) if self._is_made_of_it(done.fingerprint)]
        self.done.fingerprints.update(done.fingerprint for _, done in touched)
        made = resolve.commit_by_id(self.parts, job.repo, job.run) if job.repo is not None else None
        if job.repo is not None and (touched or tasks):
            self.vanished.setdefault(job.repo, _Lost([""]))
        if made is not None and made.forgotten is not None and made.repo in self.vanished:
            self._loses(made, [""])
        if not touched:
            return
        new = old.without(self.pages, touched)
        change = measured(self.pages, old.tree, new.tree)
        # By the commits it read, as they are now, its bindings cannot be compared any more.
        purged = replace(
            job,
            ledger=new.ledger,
            owners=new.owners,
            tree=new.tree,
            expanded=False,
            files=job.files + change.files,
            size=job.size + change.size,
        )
        self.done.jobs.append((job, purged))
        if made is not None:
            lost = tree.diff(self.pages, old.tree, new.tree)
            self._without(made, {path: entry for path, entry, _ in lost if entry is not None})

    def _is_made_of_it(self, fingerprint: bytes) -> bool:
        """Whether a result was made of a lost path. Nobody knows of one whose task was forgotten: it may have been."""
        if fingerprint not in self.made_of_it:
            store = self.parts.store
            makers = [
                (store.load(Job, "job", seq=task.job)[0], task)
                for task in store.load(Task, "success", fingerprint=fingerprint)
            ]
            self.made_of_it[fingerprint] = not makers or any(self._concerns(job, task) for job, task in makers)
        return self.made_of_it[fingerprint]

    def _concerns(self, job: Job, task: Task) -> bool:
        """Whether a task read a lost path, or may have: of a tree that no commit has any more nobody can tell."""
        source = self.parts.step(job).input
        leaves = list(source.leaves()) if source else []
        for item in decode_inputs(task.inputs):
            for repo in {leaf.repo for leaf in leaves if leaf.name == item.name}:
                at = (repo, item.root)
                lost = self.lost.get(at) if at in self.roots else self.vanished.get(repo)
                if lost is not None and lost.concerns(item.path):
                    return True
        return False


def _write(parts: Parts, done: Purged) -> None:
    store = parts.store
    store.update(done.commits)
    store.update(done.jobs)
    for fingerprint in done.fingerprints:
        store.execute("forget_success", fingerprint=fingerprint)
    for seq in done.tasks:
        store.execute("forget_output", seq=seq)
    heads = {branch.head for branch in store.load(Branch, "branches", repo=done.repo)}
    lost = (new for _, new in done.commits if new.repo == done.repo and new.id in heads)
    for head in sorted(lost, key=lambda commit: commit.seq):
        # Those that follow another branch may have moved with one before.
        names = [branch.name for branch in store.load(Branch, "branches", repo=done.repo) if branch.head == head.id]
        if names:
            done.runs += _new_head(parts, head, names, done.path)


def _new_head(parts: Parts, head: Commit, names: Sequence[str], path: str) -> list[Run]:
    """A commit without the path after one that lost it, on all branches that were there: what reads them runs anew."""
    new_id, now = parts.new_id(), parts.now()
    made = Commit(
        seq=0,
        id=new_id,
        repo=head.repo,
        branch=names[0],
        parent=head.id,
        run=None,
        origin="link" if head.origin == "link" else "put",
        root=head.root,
        files=head.files,
        size=head.size,
        created=now,
        message=f"purged /{path}",
        finished=now,
    )
    parts.store.insert([made])
    run = advance(parts, {(head.repo, name): new_id for name in names}, new_id)
    return [run] if run else []


def _name_others(parts: Parts, pages: Pages, done: Purged) -> None:
    """Look through what branches hold today for other files with the same bytes."""
    lost = {new.id: new.root for _, new in done.commits}
    found: dict[str, None] = {}
    for repo in parts.store.load(Repo, "repos"):
        for branch in parts.store.load(Branch, "branches", repo=repo.name):
            head = resolve.head(parts, repo.name, branch.name)
            if head is None or head.forgotten is not None:
                continue
            root = lost.get(head.id, head.root) if repo.name == done.repo else head.root
            for path, entry in tree.files(pages, root):
                if not done.blobs.isdisjoint(entry.blobs):
                    found[f"{repo.name}:/{path}"] = None
    done.elsewhere = list(found)


def purge_view(done: Purged, purged: bool) -> dict[str, Any]:
    """The shape of `--json`; `purged` false: it is what would go."""
    return {
        "repo": done.repo,
        "path": f"/{done.path}",
        "purged": purged,
        "paths": sorted(done.paths),
        "commits": [f"{commit.repo}@{commit.id}" for commit, _ in done.commits],
        "jobs": [job.id for job, _ in done.jobs],
        "runs": [run.id for run in done.runs],
        "elsewhere": done.elsewhere,
    }
