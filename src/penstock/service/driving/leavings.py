"""What an engine or a worker that dies leaves behind: processes, containers, slots. They end before anything of it is
done again.
"""

from __future__ import annotations

from penstock.model.moves import JobState
from penstock.model.run import Attempt, Job
from penstock.objects.deep import remove
from penstock.runner.leftovers import end_leftovers
from penstock.service.parts import Parts

#: The directories below `work` that no worker owns.
SHARED = ("code", "warm")


def take_over(parts: Parts) -> None:
    """End what the engine before left behind, if it died."""
    busy = any(job.state == JobState.EXPORTING for job in parts.store.load(Job, "active_jobs"))
    busy = busy or bool(parts.store.load(Attempt, "live_attempts"))
    # A worker that leaves takes its slots with it; not every attempt is stored by the time it runs.
    slots = [path for path in parts.layout.work.iterdir() if path.name not in SHARED]
    if busy or slots:
        end_left(parts)
        for path in slots:
            remove(path)


def end_left(parts: Parts, worker: str | None = None) -> None:
    """End the processes and containers of this project, or of one of its workers."""
    end_leftovers(parts.layout.id, worker=worker)
    jobs = parts.store.load(Job, "active_jobs")
    if any(parts.step(job).env.image_id for job in jobs if job.state == JobState.OPEN):
        from penstock.runner.containers import end_containers, engine

        project = parts.layout.id
        if worker is None:
            end_containers(engine(), {"PENSTOCK_PROJECT": project})
            return
        for name in (project, f"{project}@{worker}"):  # the second if it is one of a site
            end_containers(engine(), {"PENSTOCK_PROJECT": name, "PENSTOCK_WORKER": worker})
