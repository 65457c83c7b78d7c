"""`trace --down`: what was made of a file, step by step, across repos."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from penstock.model.errors import BadReference, NotFound
from penstock.model.ids import Reference
from penstock.model.run import Commit, Job
from penstock.model.views import UseView
from penstock.objects import map as pages_map
from penstock.objects import tree
from penstock.service import resolve
from penstock.service.bindings.ledger import Ledger
from penstock.service.bindings.reading import Reader
from penstock.service.parts import Parts

#: How many files that one binding wrote are followed on.
MANY = 100


def trace_down(parts: Parts, reference: Reference) -> UseView:
    """The bindings that read a file of a commit, what they wrote, and who read that. Every binding is looked at."""
    if not reference.path:
        raise BadReference(f"{reference}: name a file, for example {reference.repo}:/cat.png")
    commit = resolve.readable(parts, resolve.commit(parts, reference))
    if tree.lookup(parts.objects.pages, commit.root, reference.path) is None:
        raise NotFound(f"{reference}: there is no such file; see `penstock ls {reference.repo}`")
    return _Tracer(parts).file(commit, reference.path)


class _Tracer:
    """Follows each file once: what reads it again says only that it does."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.seen: set[tuple[str, str, str]] = set()

    def file(self, commit: Commit, path: str) -> UseView:
        name = f"{commit.repo}@{commit.id}:/{path}"
        if (commit.repo, commit.id, path) in self.seen:
            return UseView(name)
        self.seen.add((commit.repo, commit.id, path))
        jobs = self.parts.store.load(Job, "readers", repo=commit.repo, commit=commit.id)
        return UseView(name, used=tuple(use for job in jobs if job.expanded for use in self.uses(job, commit, path)))

    def uses(self, job: Job, commit: Commit, path: str) -> Iterator[UseView]:
        """The bindings of a job that read a path, and what became of that."""
        pages = self.parts.objects.pages
        reader = Reader(self.parts, job)
        made = resolve.commit_by_id(self.parts, job.repo, job.run) if job.repo is not None else None
        for key, done in Ledger(job.ledger, job.owners, job.tree).every(pages):
            read = reader.read(key, done.fingerprint)
            if any((item.repo, item.commit) == (commit.repo, commit.id) and _holds(at, path) for item, at in read):
                wrote = [found.decode() for found, _ in islice(pages_map.scan(pages, done.output), MANY)]
                follow = made is not None and made.forgotten is None
                files = [self.file(made, out) if follow and made else UseView(f"{job.id}:/{out}") for out in wrote]
                yield UseView(job.id, tuple(key.split("\n")), tuple(files))


def _holds(read: str, path: str) -> bool:
    """Whether who read one path (a file, a directory, "" for all) read another."""
    return read in ("", path) or path.startswith(f"{read}/")
