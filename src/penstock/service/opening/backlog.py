"""What a newer run means for runs that wait: with `backlog: latest` only the newest of them is worked on."""

from __future__ import annotations

from collections.abc import Collection

from penstock.engine.graph import Node
from penstock.model.moves import Reason
from penstock.model.run import Job, Run
from penstock.service.parts import Parts


def supersede(parts: Parts, run: Run, nodes: Collection[Node], latest: Collection[str]) -> None:
    """End the waiting runs that commits opened and whose jobs this run has, too, if all are of pipelines in `latest`.

    One that has begun goes on. Call inside the transaction that opens the run.
    """
    if run.origin != "put" or not latest:
        return
    for other in parts.store.load(Run, "active_runs"):
        if other.seq >= run.seq or other.origin != "put" or other.started is not None or other.stop is not None:
            continue
        theirs = {(job.pipeline, job.step) for job in parts.store.load(Job, "jobs_of_run", run=other.id)}
        if theirs <= set(nodes) and all(pipeline in latest for pipeline, _ in theirs):
            parts.store.execute("stop_run", id=other.id, reason=Reason.SUPERSEDED)
