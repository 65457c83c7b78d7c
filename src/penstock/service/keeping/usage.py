"""`data usage`: what takes how much room, so that all numbers add up to the bytes on disk."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from penstock.model.data import EMPTY
from penstock.model.errors import Corrupt, NotFound, PenstockError
from penstock.model.run import Repo
from penstock.objects.blobs import Blobs
from penstock.objects.garbage import Mark, blob_of, sweep
from penstock.objects.packs import PREFIX, read_end
from penstock.objects.scan import root_of
from penstock.objects.writer import WHOLE
from penstock.service import resolve
from penstock.service.keeping.garbage import GRACE
from penstock.service.keeping.roots import Root, reach, roots, scan_caches
from penstock.service.parts import Parts

#: Who needs a blob, where no single repo does.
SHARED, RESULTS, CODE, UNUSED = "shared by repos", "results and ledgers", "code and caches", "not needed"
#: What lies around the records of packs.
ENDS = "ends of packs"


class RepoUsage(Struct, frozen=True):
    """One repo: its commits that keep their bytes, its head, and the bytes on disk that no other repo shares."""

    repo: str
    commits: int
    files: int
    size: int  #: bytes of the head's files
    alone: int  #: bytes on disk


class Usage(Struct, frozen=True):
    """Bytes on disk. `repos[].alone` and all of `others` add up to `total`."""

    repos: tuple[RepoUsage, ...]
    others: dict[str, int]
    total: int
    packs: int  #: of the total
    large: int  #: of the total: blobs that are files of their own
    freed_now: int  #: what `gc` would delete
    freed_later: int  #: what a gc after the grace would have deleted by then


def usage(parts: Parts) -> Usage:
    """Measure everything below `.penstock`. Changes nothing. Raises PenstockError if a tree cannot be read."""
    blobs = parts.objects.blobs
    blobs.refresh()
    # What rows name when they are read must not be collected before it was looked at.
    with parts.objects.session():
        owners, commits = _owners(parts)
    stored, packs, large = _stored(blobs, owners)
    now = parts.now()
    before = 0 if blobs.sessions.older() else now - GRACE
    swept = sweep(blobs, owners, now, before, dry_run=True)
    others = _others(parts.layout.home)
    repos = []
    for repo in parts.store.load(Repo, "repos"):
        head = resolve.head(parts, repo.name)
        files, size = (head.files, head.size) if head else (0, 0)
        repos.append(RepoUsage(repo.name, commits[repo.name], files, size, stored.pop(repo.name, 0)))
    total = packs + large + others.total()
    freed = swept.deleted.bytes
    later = freed + swept.waiting.bytes - swept.written.bytes
    return Usage(tuple(repos), dict(stored + others), total, packs, large, freed, later)


def _owners(parts: Parts) -> tuple[dict[bytes, str], Counter[str]]:
    """Blob -> who needs it, and how many commits each repo has. What a repo needs counts for it first of all."""
    by_owner: dict[str, list[Root]] = {}
    commits: Counter[str] = Counter()
    for root in roots(parts):
        if root.repo is not None:
            commits[root.repo] += 1
            by_owner.setdefault(root.repo, []).append(root)
        else:
            by_owner.setdefault(CODE if root.what.startswith("code") else RESULTS, []).append(root)
    caches = [Root(f"cache {path.name}", "tree", root_of(path) or EMPTY) for path in scan_caches(parts)]
    owners: dict[bytes, str] = {}
    for name in commits:
        for blob in _reached(parts, by_owner[name]):
            owners[blob] = SHARED if owners.setdefault(blob, name) != name else name
    for name, more in ((RESULTS, []), (CODE, caches)):
        for blob in _reached(parts, [*by_owner.get(name, ()), *more]):
            owners.setdefault(blob, name)
    return owners, commits


def _reached(parts: Parts, wanted: Iterable[Root]) -> Mark:
    mark = Mark(parts.objects.pages)
    for root in wanted:
        try:
            reach(mark, root)
        except (NotFound, Corrupt) as error:
            raise PenstockError(f"{root.what}: {error}; see `penstock fsck`") from None
    return mark


def _stored(blobs: Blobs, owners: dict[bytes, str]) -> tuple[Counter[str], int, int]:
    """Bytes on disk by owner, all bytes of packs, and of large blobs."""
    stored: Counter[str] = Counter()
    packs = 0
    for name in sorted(blobs.backend.list(PREFIX)):
        try:
            end = read_end(blobs.backend, name)
        except (NotFound, Corrupt):
            continue  # collected meanwhile, or damaged: `fsck` tells
        places = blobs.index.places([row[0] for row in end.rows])
        for blob, _, size, _ in end.rows:
            here = blob in places and places[blob].pack == name
            stored[owners.get(blob, UNUSED) if here else UNUSED] += size
            packs += size
        stored[ENDS] += end.size
        packs += end.size
    large = 0
    for name in blobs.backend.list(WHOLE):
        try:
            size = blobs.backend.size(name)
        except NotFound:
            continue
        stored[owners.get(blob_of(name), UNUSED)] += size
        large += size
    return stored, packs, large


def _others(home: Path) -> Counter[str]:
    """Bytes of all other files of a project, by what they are."""
    found: Counter[str] = Counter()
    for folder, _, files in os.walk(home):
        place = Path(folder).relative_to(home).parts
        if place[:2] in (("objects", "packs"), ("objects", "blobs")):
            continue
        for file in files:
            try:
                found[_kind(place, file)] += os.lstat(f"{folder}/{file}").st_size
            except FileNotFoundError:
                continue  # it was only there for a moment
    return found


def _kind(place: tuple[str, ...], file: str) -> str:
    """What a file is, by the directory below `.penstock` it is in, and its name."""
    if place and place[0] != "objects":
        return {"logs": "logs", "work": "work", "scans": CODE}.get(place[0], "other files")
    if place[1:]:
        return "damaged files" if place[1] == "damaged" else "other files"
    return {"state": "database", "index": "index"}.get(file.partition(".")[0], "other files")
