"""`hpc slurm recommend-nodes`."""

from __future__ import annotations

import click

from penstock.compat.torc.commands.base import SLURM, Root, project


@SLURM.command("recommend-nodes")
@click.option("-c", "--num-cpus", "cpus", type=click.IntRange(1), default=104, show_default=True, help="Of a node.")
@click.option("-m", "--memory-gb", "memory", type=click.IntRange(1), default=240, show_default=True, help="Of a node.")
@click.option("-G", "--num-gpus", "gpus", type=click.IntRange(0), default=0, show_default=True, help="Of a node.")
@click.option("-w", "--walltime", default="04:00:00", show_default=True, help="Of an allocation.")
@click.pass_obj
def recommend_nodes(root: Root, cpus: int, memory: int, gpus: int, walltime: str) -> None:
    """Say how many nodes do the jobs that are ready or not started within the walltime."""
    from collections import Counter

    from penstock.compat.torc.keys import standing, workflow
    from penstock.compat.torc.show import as_json, log
    from penstock.engine.demand import demand
    from penstock.engine.pack import Needs, Room, Wish, why_never
    from penstock.model.errors import Refused
    from penstock.text.units import parse_seconds

    size, seconds = memory * 1024**3, parse_seconds(walltime)
    node = Room(cpus, size, gpus, seconds, cpus, size, gpus)
    with project() as parts:
        flow = workflow(parts, root.key)
        words = standing(parts, flow).statuses
    waiting = [step for step in flow.spec.steps if words[step.name] in ("ready", "uninitialized")]
    counts = Counter(step.resources for step in waiting)
    wishes = []
    for place, (asked, count) in enumerate(counts.items()):
        needs = Needs(asked.cpus, asked.memory, asked.gpus, asked.time)
        why = why_never(needs, node)
        if why is not None:
            raise Refused(f"job {next(step.name for step in waiting if step.resources == asked)!r} {why}")
        wishes.append(Wish(place, needs, count))
    found = demand(wishes, node, seconds)
    if root.form == "json":
        print(as_json({"jobs": len(waiting), "nodes": found.nodes, "limiter": found.limiter, "rounds": found.rounds}))
    else:
        log(
            "slurm",
            f"{len(waiting)} jobs need {found.nodes} nodes; {found.limiter} is the limit, {found.rounds} rounds",
        )
