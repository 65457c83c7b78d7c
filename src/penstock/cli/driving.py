"""Seeing runs through with progress, for `run` and `wait`."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from penstock.cli.progress import watcher
from penstock.model.errors import Interrupted
from penstock.model.moves import JobState
from penstock.service.driving.watch import Progress, follow_or_drive

if TYPE_CHECKING:
    from penstock.service.parts import Parts


class _Enough(Exception):
    """The jobs waited for are done; the engine that is followed goes on with the rest of their runs."""


def see_through(parts: Parts, runs: Collection[str], timeout: float | None = None, jobs: Collection[int] = ()) -> None:
    """Return when all `runs` are done; or, where another process drives them, as soon as all `jobs` are.

    Raises WaitTimeout, Interrupted.
    """
    watch = watcher()

    def tell(progress: Progress) -> None:
        watch(progress)
        done = {job.seq for job in progress.jobs if job.state == JobState.DONE}
        if jobs and progress.following is not None and done.issuperset(jobs):
            raise _Enough

    try:
        follow_or_drive(parts, runs, tell, timeout)
    except _Enough:
        pass
    except KeyboardInterrupt:
        if watch.following is not None:
            raise Interrupted(f"stopped waiting; engine is {watch.following} and goes on") from None
        raise Interrupted("stopped; `penstock run` goes on") from None
    finally:
        watch.close()
