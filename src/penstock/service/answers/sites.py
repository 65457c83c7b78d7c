"""The sites of pipelines in force, and what was asked of them."""

from __future__ import annotations

from collections import Counter

import msgspec

from penstock.model.errors import NotFound
from penstock.model.moves import AllocationState
from penstock.model.run import Allocation, Trouble
from penstock.model.spec import Site
from penstock.model.views import AllocationView, SiteView, show_time
from penstock.service.parts import Parts

#: How many allocations are looked at, and how many of those that are over are shown.
MANY, FEW = 1000, 20


def sites(parts: Parts) -> list[SiteView]:
    """All sites, by pipeline and name."""
    lent = Counter[tuple[str, bool]]()
    for row in parts.store.load(Allocation, "live_allocations"):
        lent[row.site, row.state == AllocationState.RUNNING] += 1
    views = []
    for name, (_, pipeline) in sorted(parts.pipelines().items()):
        for site in pipeline.sites:
            text = site.text
            views.append(
                SiteView(
                    site.name,
                    name,
                    site.kind,
                    site.partition,
                    int(site.walltime),
                    site.min_nodes,
                    site.nodes,
                    lent[text, True],
                    lent[text, False],
                    trouble(parts, site.name),
                )
            )
    return views


def site(parts: Parts, name: str) -> tuple[list[SiteView], list[AllocationView]]:
    """The sites of a name, and what was asked of them, the newest first. Raises NotFound."""
    found = [view for view in sites(parts) if view.site == name]
    rows = [row for row in parts.store.load(Allocation, "allocations", limit=MANY) if _name(row) == name]
    if not found and not rows:
        raise NotFound(f"there is no site {name!r}; `penstock site list` shows those of pipelines in force")
    live = [row for row in rows if row.state != AllocationState.ENDED]
    over = [row for row in rows if row.state == AllocationState.ENDED]
    return found, [_view(row) for row in [*live, *over[:FEW]]]


def _name(row: Allocation) -> str:
    return msgspec.json.decode(row.site, type=Site).name


def _view(row: Allocation) -> AllocationView:
    return AllocationView(
        name=row.worker,
        id=row.native,
        state=row.state,
        cpus=row.cpus,
        memory=row.memory,
        gpus=row.gpus,
        nodes=row.nodes,
        walltime=row.seconds,
        message=row.message,
        created=show_time(row.created),
        started=show_time(row.started),
        ended=show_time(row.ended),
    )


def trouble(parts: Parts, name: str) -> str:
    """Why a site gives nothing for now, as the engine that uses it says; "" if it does."""
    found = (row.message for row in parts.store.load(Trouble, "troubles") if row.subject == f"site {name}")
    return next(found, "")


def standing(parts: Parts, site: Site) -> str:
    """In one sentence, what a site has lent and what it was asked for."""
    rows = [row for row in parts.store.load(Allocation, "live_allocations") if row.site == site.text]
    running = sum(row.state == AllocationState.RUNNING for row in rows)
    asked = [row for row in rows if row.state in (AllocationState.ASKED, AllocationState.QUEUED)]
    said = f"site {site.name} has lent {running} of at most {site.nodes} nodes"
    if asked:
        told = Counter(row.message or row.state for row in asked)
        said += f" and is asked for {len(asked)} more (" + ", ".join(f"{n} {word}" for word, n in told.items()) + ")"
    return said
