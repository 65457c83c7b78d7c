"""Which commits and results stay: the rule of each repo, and giving up the bytes of what it no longer covers."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import msgspec

from penstock.model.errors import UsageError
from penstock.model.run import Commit, Job, Repo, Success
from penstock.objects import map as maps
from penstock.service import resolve
from penstock.service.keeping.roots import PAGE, pages
from penstock.service.parts import Parts

#: Results are remembered at least so long, in microseconds.
RESULTS_FOR = 30 * 86_400 * 1_000_000
#: How many results are dropped in one transaction.
BATCH = 1000
#: Of a branch's commits, more than there are.
_ALL = 1 << 62

_decode = msgspec.msgpack.Decoder(tuple[bytes, bytes, int]).decode


def keep(parts: Parts, name: str, commits: int | None, seconds: float | None) -> Repo:
    """Set which commits of a repo keep their bytes: the newest of each branch, and young ones. Both None: all."""
    if commits is not None and commits < 1:
        raise UsageError(f"keep {commits} commits: at least 1 is kept, the head of each branch is anyway")
    resolve.repo(parts, name)
    with parts.store.transaction(durable=True):
        micros = None if seconds is None else int(seconds * 1e6)
        parts.store.execute("set_keep", name=name, commits=commits, micros=micros)
    return resolve.repo(parts, name)


def beyond(parts: Parts, now: int) -> list[Commit]:
    """The finished commits that no rule covers and nothing needs: no branch, no unfinished job, no base of a job."""
    found = []
    for repo in parts.store.load(Repo, "repos"):
        if repo.keep_commits is None and repo.keep_for is None:
            continue
        before = _ALL if repo.keep_for is None else now - repo.keep_for
        found += parts.store.load(
            Commit, "beyond_keeping", repo=repo.name, commits=repo.keep_commits or 0, before=before
        )
    kept = needed_by_jobs(parts) if found else set()
    return [commit for commit in found if (commit.repo, commit.id) not in kept]


def give_up(parts: Parts, now: int) -> list[Commit]:
    """Give up the bytes of those commits; their rows stay, and say when."""
    if not beyond(parts, now):
        return []
    with parts.store.transaction(durable=True):
        commits = beyond(parts, now)
        for commit in commits:
            parts.store.execute("forget_bytes", repo=commit.repo, id=commit.id, now=now)
            parts.store.execute("forget_ledger", repo=commit.repo, run=commit.id)
    return commits


def needed_by_jobs(parts: Parts) -> set[tuple[str, str]]:
    """(repo, id) of the commits that jobs read or wrote whose ledgers later jobs go on from, and unfinished jobs."""
    needed = set()
    for job in _live_jobs(parts):
        needed |= {(item.repo, item.commit) for item in job.inputs if item.commit is not None}
        if job.repo is not None:
            needed.add((job.repo, job.run))
    return needed


def _live_jobs(parts: Parts) -> Iterator[Job]:
    """The jobs of unfinished runs, the jobs these go on from, and the newest one of each step in force."""
    store = parts.store
    active = store.load(Job, "active_jobs")
    yield from active
    for job in active:
        yield from store.load(Job, "base_job", pipeline=job.pipeline, step=job.step, before=job.seq)
    in_force = {(spec.name, step.name) for _, spec in parts.pipelines().values() for step in spec.steps}
    yield from (job for job in store.load(Job, "newest_jobs") if (job.pipeline, job.step) in in_force)


def old_results(parts: Parts, before: int, given_up: Collection[tuple[str, str]] = ()) -> set[bytes]:
    """Fingerprints of results made before a time that no kept ledger names."""
    found: set[bytes] = set()
    last = b""
    while page := parts.store.load(Success, "old_results", before=before, after=last, limit=PAGE):
        found.update(row.fingerprint for row in page)
        last = page[-1].fingerprint
    if not found:
        return found
    seen: set[bytes] = set()

    def enter(page: bytes) -> bool:
        if page in seen:
            return False
        seen.add(page)
        return True

    kept = (row["ledger"] for row in pages(parts, "ledgers_kept") if (row["repo"], row["run"]) not in given_up)
    for ledgers in (kept, (job.ledger for job in _live_jobs(parts))):
        for ledger in ledgers:
            for values in maps.visit(parts.objects.pages, ledger, enter):
                found.difference_update(_decode(value)[0] for value in values)
    return found


def drop_results(parts: Parts, fingerprints: Collection[bytes]) -> None:
    """Forget that some work was done: it is done again when it is asked for."""
    left = sorted(fingerprints)
    for start in range(0, len(left), BATCH):
        with parts.store.transaction():
            for fingerprint in left[start : start + BATCH]:
                parts.store.execute("forget_success", fingerprint=fingerprint)
