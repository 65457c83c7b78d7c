"""`gc`: give up what the rules no longer cover, then delete, copy and condemn what nothing needs.

Safe beside everything else that goes on; `now` is the exception, for which everything else must rest.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from penstock.model.errors import Refused, UsageError
from penstock.objects.deep import remove
from penstock.objects.garbage import Swept, heal, sweep
from penstock.service.keeping import retention
from penstock.service.keeping.roots import GivenUp, mark_all, named, scan_caches
from penstock.service.parts import Parts
from penstock.service.role import engine_role, holder

#: What is condemned waits so long at least, in microseconds: what was stored may be a moment ahead of its row.
GRACE = 3_600 * 1_000_000
SHORTEST_GRACE = 60 * 1_000_000
#: A cache nobody has used for so long (seconds) is removed.
CACHES_FOR = 30 * 86_400
#: How long `now` waits for those who are storing something, in seconds.
PATIENCE = 10.0


class Collected(Struct, frozen=True):
    """What a collection did, or would do."""

    swept: Swept
    commits: int  #: whose bytes were given up
    results: int  #: forgotten
    caches: int  #: stat caches that were removed
    code: int  #: layouts of frozen code that were removed
    busy: bool  #: somebody who began long ago still stores something, so that nothing could be deleted
    grace: int  #: microseconds


def gc(
    parts: Parts,
    *,
    grace: int = GRACE,
    now: bool = False,
    dry_run: bool = False,
    results_for: int = retention.RESULTS_FOR,
) -> Collected:
    """Collect garbage. `grace` and `results_for` are microseconds.

    Raises Refused if another collection is going on; with `now` also if an engine runs or somebody does not stop
    storing things; PenstockError if what is needed cannot be known.
    """
    if grace < SHORTEST_GRACE:
        raise UsageError("--grace: at least 1m, for what is stored and not yet named by a row; `--now` waits for that")
    sessions = parts.objects.blobs.sessions
    beside = ", or collect without --now, which is safe beside it"
    rest = undisturbed(parts, "--now", beside) if now else contextlib.nullcontext()
    with sessions.collecting() as first, rest if first else contextlib.nullcontext():
        if not first:
            raise Refused("another `penstock gc` is at work on this project; wait until it is done")
        moment = parts.now()
        if dry_run:
            left = _what_goes(parts, moment, results_for)
        else:
            left = _give_up(parts, moment, results_for)
            heal(parts.objects.blobs)
        # Asked before anything is marked: whoever ends later may still name what the mark does not know.
        busy = not now and sessions.older()
        mark, lost = mark_all(parts, left, caches_too=not now)
        for cache in () if dry_run else lost:
            cache.unlink(missing_ok=True)
        before = 0 if busy else moment - grace
        swept = sweep(parts.objects.blobs, mark, moment, before, alone=now, dry_run=dry_run)
        code = 0 if dry_run else _clear_code(parts, now)
        if not dry_run:
            _clear_warm(parts)
    return Collected(swept, len(left.commits), len(left.results), len(left.caches) + len(lost), code, busy, grace)


def _what_goes(parts: Parts, now: int, results_for: int) -> GivenUp:
    commits = named(retention.beyond(parts, now))
    unused = [cache for cache in scan_caches(parts) if _age(cache) > CACHES_FOR]
    return GivenUp(commits, retention.old_results(parts, now - results_for, commits), unused)


def _age(cache: Path) -> float:
    """Seconds since somebody used a cache."""
    try:
        return time.time() - cache.stat().st_mtime
    except FileNotFoundError:
        return 0.0  # it was the draft of one, which is in place by now


def _give_up(parts: Parts, now: int, results_for: int) -> GivenUp:
    commits = named(retention.give_up(parts, now))
    left = _what_goes(parts, now, results_for)
    retention.drop_results(parts, left.results)
    for cache in left.caches:
        cache.unlink(missing_ok=True)
    return GivenUp(commits, left.results, left.caches)


@contextlib.contextmanager
def undisturbed(parts: Parts, asked: str, beside: str = "") -> Iterator[None]:
    """No engine runs and nobody stores anything while inside. Raises Refused, which says what was `asked` and what
    else to do.
    """
    with engine_role(parts.layout.lock) as mine:
        if not mine:
            raise Refused(
                f"{asked}: the engine is {holder(parts.layout.lock)}; wait until its runs are done or stop them{beside}"
            )
        with parts.objects.blobs.sessions.alone(PATIENCE) as alone:
            if not alone:
                raise Refused(
                    f"{asked}: another command is still storing or checking something after {PATIENCE:.0f}s; "
                    f"wait until it is done{beside}"
                )
            yield


def _clear_code(parts: Parts, alone: bool) -> int:
    """Remove layouts of frozen code that no worker can be in; how many.

    Those of earlier boots of this machine are stale as soon as the engine, which has the workers, is here or nowhere;
    those that nothing in force uses only while there is no engine: its workers may be taking one.
    """
    layouts = parts.layout.work / "code"
    folders = [folder for boot in _children(layouts) for folder in _children(boot)]
    if not folders:
        return 0
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    in_use = {parts.version(name, number).code.hex() for name, (number, _) in parts.pipelines().items()}
    with contextlib.nullcontext(True) if alone else engine_role(parts.layout.lock) as mine:
        engine = None if mine else holder(parts.layout.lock)
        here = engine is None or engine.host == os.uname().nodename
        gone = [
            folder
            for folder in folders
            if (folder.parent.name != boot and here) or (mine and folder.name.partition(".")[0] not in in_use)
        ]
        for folder in gone:
            remove(folder)
        for boot_folder in _children(layouts):
            if not _children(boot_folder):
                with contextlib.suppress(OSError):  # a worker has laid out code there meanwhile
                    boot_folder.rmdir()
    return len(gone)


def _clear_warm(parts: Parts) -> None:
    """Remove warm checkouts of earlier boots and those that no task has used for long. One that is taken meanwhile is
    gone from here, and whoever misses one lays it out anew.
    """
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    engine = holder(parts.layout.lock)
    here = engine is None or engine.host == os.uname().nodename
    for folder in _children(parts.layout.work / "warm"):
        if folder.name != boot and here:
            remove(folder)
        for home in _children(folder) if folder.is_dir() else ():
            if home.is_dir() and _age(home) > CACHES_FOR:
                remove(home)


def _children(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []
