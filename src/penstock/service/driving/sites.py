"""Where tasks run: this machine, and the sites that pipelines name. To an engine they are one crew."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from penstock.engine.pack import Needs
from penstock.model.errors import PenstockError
from penstock.model.moves import AllocationState
from penstock.model.run import Allocation, Attempt, Job
from penstock.model.spec import LOCAL, Site
from penstock.objects.deep import remove
from penstock.service.driving.crew import Crew, Heard
from penstock.service.parts import Parts

if TYPE_CHECKING:
    from penstock.runner.queue import Queue
    from penstock.service.driving.remote import RemoteCrew

#: Seconds to wait for workers here before looking into the mail of those elsewhere.
NAP = 0.01
#: Seconds without a sign of life after which a worker, or an engine, is gone. A file server may show old news for most
#: of a minute.
SILENCE = 60.0


class Sites:
    """The crews of one engine, `local` and those of sites, each made when something is to run there."""

    def __init__(self, parts: Parts, local: Crew, instead: str | None = None, silence: float = SILENCE) -> None:
        self.local = local
        self._instead = instead  # the name of the site at which steps of this machine run
        self._parts = parts
        self._silence = silence
        self._session = secrets.token_hex(8)  # tells this engine from the one before
        self._remote: dict[Site, RemoteCrew] = {}
        self._lost: dict[Site, str] = {}  # sites that an engine before had nodes of: why they cannot be asked
        self._by_job: dict[tuple[str, int, str], Crew] = {}
        self._adopt()

    def _adopt(self) -> None:
        """Go on with what an engine before had asked for. Its workers must have ended what they ran for it before any
        of that is given to others; one that is silent for too long is gone.
        """
        rows = self._parts.store.load(Allocation, "live_allocations")
        wanted = {row.worker for row in rows if row.state != AllocationState.PARTING}
        mail = self._parts.layout.home / "mail"
        for path in mail.iterdir() if mail.exists() else ():
            if path.name not in wanted:
                with suppress(OSError):  # who was given up may still write there; the next engine tries again
                    remove(path)
        for text in {row.site for row in rows}:
            site = msgspec.json.decode(text, type=Site)
            try:
                self._crew(site)
            except PenstockError as error:
                self._lost[site] = str(error)
        if rows:
            busy = {attempt.worker for attempt in self._parts.store.load(Attempt, "live_attempts")}
            until = time.monotonic() + self._silence
            # Who cannot be talked to ends what it ran when it has not heard the other engine for long enough.
            lost = {site.text for site in self._lost}
            if any(row.site in lost and row.worker in busy for row in rows):
                time.sleep(self._silence)
            while not all(crew.settled(busy) for crew in self._remote.values()) and time.monotonic() < until:
                time.sleep(NAP)

    def _crew(self, site: Site) -> RemoteCrew:
        if site not in self._remote:
            from penstock.service.driving.remote import RemoteCrew

            self._remote[site] = RemoteCrew(self._parts, site, queue_of(site), self._session, self._silence)
        return self._remote[site]

    @property
    def _all(self) -> list[Crew]:
        return [self.local, *self._remote.values()]

    def of(self, job: Job) -> Crew:
        """Who runs the tasks of a job."""
        key = (job.pipeline, job.version, job.step)
        if key not in self._by_job:
            site = self._site(job)
            self._by_job[key] = self.local if site is None else self._crew(site)
        return self._by_job[key]

    def _site(self, job: Job) -> Site | None:
        name = self._parts.step(job).site
        if name != LOCAL:
            return self._parts.pipeline(job.pipeline, job.version).site(name)
        if self._instead is None:
            return None
        # As it is said now: that may be newer than the job.
        known = self._parts.pipelines().get(job.pipeline)
        return None if known is None else known[1].site(self._instead)

    # what `Crew` says, for all of them -----------------------------------------------------------------------------

    @property
    def troubles(self) -> dict[str, str]:
        """Sites that give nothing, and why, in a sentence; empty if all is well."""
        found = {site.name: f"nodes of site {site.name} are left: {why}" for site, why in self._lost.items()}
        for site, crew in self._remote.items():
            those = crew.allocations
            if those.refused:
                found[site.name] = f"site {site.name} gives nothing: {those.refused}; change the site"
            elif those.doubt:
                found[site.name] = f"site {site.name} is waited for: {those.doubt}"
        return found

    @property
    def holding(self) -> int:
        return sum(crew.holding for crew in self._all)

    @property
    def held(self) -> set[int]:
        return {task for crew in self._all for task in crew.held}

    def expect(self, jobs: Iterable[tuple[Job, Needs]]) -> None:
        """Say what tasks will ask for, before the first worker is there."""
        by_crew: dict[int, tuple[Crew, list[Needs]]] = {}
        for job, needs in jobs:
            crew = self.of(job)
            by_crew.setdefault(id(crew), (crew, []))[1].append(needs)
        for crew, asked in by_crew.values():
            crew.expect(asked)

    def stop(self, tasks: Iterable[int] | None, kill: bool) -> None:
        wanted = None if tasks is None else list(tasks)
        for crew in self._all:
            crew.stop(wanted, kill)

    def level(self) -> None:
        for crew in self._all:
            crew.level()

    def hear(self, timeout: float) -> Heard:
        if not self._remote:
            return self.local.hear(timeout)
        until = time.monotonic() + timeout
        heard = Heard()
        while True:
            for crew in self._remote.values():
                crew.listen(heard)
            left = 0.0 if heard else max(0.0, until - time.monotonic())
            heard.add(self.local.hear(min(left, NAP)))
            if heard or time.monotonic() >= until:
                return heard

    def close(self) -> list[str]:
        return [name for crew in self._all for name in crew.close()]


def queue_of(site: Site) -> Queue:
    """The batch system that lends the nodes of a site. Raises PenstockError if what it needs is not installed."""
    if site.kind == "slurm":
        from penstock.runner.slurm import Slurm

        return Slurm()
    try:
        from penstock.runner.dask import Dask
    except ImportError:
        raise PenstockError(f"site {site.name!r} needs Dask: pip install 'penstock[dask]'") from None
    return Dask(site.address or "")
