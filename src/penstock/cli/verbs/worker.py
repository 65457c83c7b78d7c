"""`worker`: what a batch system starts on a node."""

from __future__ import annotations

import sys

import click


@click.command()
@click.argument("name", metavar="NAME")
@click.option("--cpus", type=click.IntRange(1), metavar="N", help="What it may give to tasks, where nobody else tells.")
@click.option("--memory", type=click.IntRange(0), default=0, metavar="BYTES", help="The same.")
@click.option("--gpus", type=click.IntRange(0), metavar="N", help="The same.")
@click.option("--seconds", type=click.IntRange(1), metavar="N", help="The walltime, where nobody else tells it.")
@click.option("--lead", type=click.IntRange(0), default=120, show_default=True, metavar="N", help="What SIGUSR1 says.")
@click.option("--silence", type=float, default=60.0, show_default=True, metavar="N", help="When the engine is gone.")
def worker(
    name: str, cpus: int | None, memory: int, gpus: int | None, seconds: int | None, lead: int, silence: float
) -> None:
    """Work for the engine of this project, on the node of a site.

    The engine asks a batch system to start it; NAME and options are its choice. It gives tasks what the batch system
    has given to it, ends them before the walltime, and leaves when the engine does. Where PENSTOCK_ELEMENT says which
    one of several it is, options tell what it has: what it is in may be a job of Slurm that others share, and ends.
    """
    import os
    import signal
    import time
    from pathlib import Path

    from penstock.runner.queue import ELEMENT
    from penstock.runner.slurm import granted, time_left
    from penstock.service.driving.local import search_path, this_machine
    from penstock.service.layout import find
    from penstock.worker.capacity import Capacity
    from penstock.worker.loop import Notices
    from penstock.worker.remote import GIVEN_BACK, work

    layout, began = find(Path()), time.monotonic()
    notices = Notices({signal.SIGUSR1: lead, signal.SIGTERM: GIVEN_BACK})
    node, left = this_machine(cpus), seconds
    element = os.environ.pop(ELEMENT, None)  # tasks are told nothing of it: one may start another engine
    size = (node.cpus, memory or node.memory, node.gpus if gpus is None else gpus)
    if "SLURM_JOB_ID" in os.environ:
        told = time_left(os.environ)
        if element is None:
            given = granted(os.environ)
            size, element = (given.cpus, given.memory or node.memory, given.gpus), str(given.element)
            left = seconds if told is None else told
        else:
            left = min((limit for limit in (seconds, told) if limit is not None), default=None)
    name = f"{name}-{element or 0}"

    def capacity() -> Capacity:
        return Capacity(*size, None if left is None else began + left - time.monotonic())

    # Other marks than those of workers beside the engine: who takes its role ends those, and goes on with these.
    env = {**os.environ, "PATH": search_path(os.environ, sys.executable)}
    env |= {"PENSTOCK_PROJECT": f"{layout.id}@{name}", "PENSTOCK_WORKER": name}
    work(layout.home, name, capacity, env, notices, silence)
