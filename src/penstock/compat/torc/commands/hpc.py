"""`hpc slurm add-config|list-configs|schedule-nodes|run-jobs|recommend-nodes`. A configuration is a site here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from penstock.compat.torc.commands.base import SLURM, Root, by_option, named_options, project, read_walltime

if TYPE_CHECKING:
    from penstock.compat.torc.keys import Workflow
    from penstock.model.spec import Resources, Site
    from penstock.service.parts import Parts

#: Fields of a scheduler and the options of `add-config` that say them.
_OPTIONS = {
    "account": "-a",
    "nodes": "-N",
    "walltime": "-w",
    "partition": "-p",
    "qos": "-q",
    "gres": "-g",
    "mem": "-m",
    "tmp": "-t",
    "extra": "-e",
}
_CONFIGS = ("index", "name", "account", "nodes", "walltime", "partition", "qos", "gres", "mem", "key")


@SLURM.command("add-config")
@click.option("-n", "--name", required=True, metavar="NAME", help="What it is called.")
@click.option("-a", "--account", required=True, help="Who is charged.")
@click.option("-N", "--nodes", type=click.IntRange(1), default=1, show_default=True, help="At most so many at once.")
@click.option("-w", "--walltime", default="04:00:00", callback=read_walltime, show_default=True, help="As in Slurm.")
@click.option("-p", "--partition", help="Or several, with commas.")
@click.option("-q", "--qos", help="Quality of service.")
@click.option("-g", "--gres", help="GPUs of a node, such as gpu:2.")
@click.option("-m", "--mem", help="Memory of a node, such as 180G.")
@click.option("-t", "--tmp", help="Local space of a node.")
@click.option("-e", "--extra", help="Further options of sbatch: --exclusive --reservation=NAME.")
@click.pass_obj
def add_config(root: Root, /, name: str, **said: str | float | None) -> None:
    """Add a Slurm configuration, in a new version of the workflow's pipeline."""
    from penstock.compat.torc.keys import workflow
    from penstock.compat.torc.schedulers import site_node
    from penstock.compat.torc.show import as_json, log
    from penstock.model.errors import AlreadyExists
    from penstock.text.nodes import made
    from penstock.text.sites import read_sites

    node = by_option({key: (_OPTIONS[key], value) for key, value in said.items()})
    with named_options():
        (site,) = read_sites(made({name: site_node(node.value, {}, node)}, node), "configurations").values()
    with project() as parts:
        flow = workflow(parts, root.key)
        if flow.spec.site(name) is not None:
            raise AlreadyExists(f"workflow {flow.name!r} has a configuration {name!r} already")
        _put(parts, flow, (*flow.spec.sites, site))
    if root.form == "json":
        print(as_json({"key": name}))
    else:
        log("slurm", f"Added Slurm configuration {name} to workflow key={flow.key}")


def _put(parts: Parts, flow: Workflow, sites: tuple[Site, ...]) -> None:
    """A new version of a workflow, with these configurations."""
    from msgspec.structs import replace

    from penstock.service.opening.given import Given, put_in_force

    file = parts.version(flow.name, flow.version).file
    put_in_force(parts, Given(replace(flow.spec, sites=sites), file), update=True)


@SLURM.command("list-configs")
@click.pass_obj
def list_configs(root: Root) -> None:
    """List the Slurm configurations of the workflow; their names are their keys."""
    from penstock.compat.torc.keys import workflow
    from penstock.compat.torc.schedulers import scheduler_row
    from penstock.compat.torc.show import rows

    with project() as parts:
        spec = workflow(parts, root.key).spec
    found = [{"index": place, **scheduler_row(site)} for place, site in enumerate(spec.sites, 1)]
    print(rows(root.form, "configs", _CONFIGS, found))


@SLURM.command("schedule-nodes")
@click.option("-n", "--num-hpc-jobs", "count", type=click.IntRange(1), required=True, help="At most so many nodes.")
@click.option("-c", "--config", "name", metavar="NAME", help="Which configuration; needed if there are several.")
@click.pass_obj
def schedule_nodes(root: Root, count: int, name: str | None) -> None:
    """Work on the started run on nodes that Slurm lends: as many as can be of use, at most N.

    An engine in the background asks for them, gives back what is idle, and leaves when the workflow is complete.
    `workflows show-status` tells how it stands, `penstock site list` what was lent.
    """
    from msgspec.structs import replace

    from penstock.compat.torc.keys import workflow
    from penstock.compat.torc.show import as_json, log
    from penstock.model.errors import NotFound, Refused
    from penstock.model.run import Run
    from penstock.service.driving import background
    from penstock.service.role import holder

    with project() as parts:
        flow = workflow(parts, root.key)
        names = [site.name for site in flow.spec.sites]
        if not names:
            raise NotFound(f"workflow {flow.name!r} has no configuration yet; `torc hpc slurm add-config` makes one")
        if name is None and len(names) > 1:
            raise NotFound(f"workflow {flow.name!r} has the configurations {', '.join(names)}; name one by -c")
        chosen = flow.spec.site(name or names[0])
        if chosen is None:
            raise NotFound(f"workflow {flow.name!r} has no configuration {name!r}; it has {', '.join(names) or 'none'}")
        if not any(run.pipeline == flow.name for run in parts.store.load(Run, "active_runs")):
            raise Refused(f"workflow {flow.name!r} has no run that is started; `torc -k {flow.key} workflows start`")
        if (engine := holder(parts.layout.lock)) is not None:
            raise Refused(f"engine is {engine} and works on it already; `penstock stop --engine` ends that")
        sites = (replace(site, nodes=count) if site is chosen else site for site in flow.spec.sites)
        if chosen.nodes != count:
            _put(parts, flow, tuple(sites))
        started = background.start(parts, site=chosen.name)
    if root.form == "json":
        print(as_json({"key": str(flow.key), "nodes": count, "engine": started}))
    else:
        log("slurm", f"Asking Slurm for up to {count} nodes for workflow key={flow.key}; engine is {started}")


@SLURM.command("run-jobs")
@click.pass_context
def run_jobs(ctx: click.Context) -> None:
    """Work on the started run on this node, within what Slurm gave to the job that this command is in."""
    import os

    from penstock.compat.torc.commands.jobs import run
    from penstock.model.errors import Refused
    from penstock.runner.slurm import time_left

    if "SLURM_JOB_ID" not in os.environ:
        raise Refused("this is no job of Slurm; `torc jobs run` works here without it")
    left = time_left(os.environ)
    ctx.invoke(run, limit=left)


@SLURM.command("recommend-nodes")
@click.option("-c", "--num-cpus", "cpus", type=click.IntRange(1), default=104, show_default=True, help="Of a node.")
@click.option("-m", "--memory-gb", "memory", type=click.IntRange(1), default=240, show_default=True, help="Of a node.")
@click.option("-G", "--num-gpus", "gpus", type=click.IntRange(0), default=0, show_default=True, help="Of a node.")
@click.option("-w", "--walltime", default="04:00:00", callback=read_walltime, show_default=True, help="As in Slurm.")
@click.pass_obj
def recommend_nodes(root: Root, cpus: int, memory: int, gpus: int, walltime: float) -> None:
    """Say how many nodes do the jobs that are ready or not started within the walltime."""
    from collections import Counter

    from penstock.compat.torc.keys import standing, workflow
    from penstock.compat.torc.show import as_json, log
    from penstock.engine.demand import demand
    from penstock.engine.pack import Needs, Room, Wish, why_never
    from penstock.model.errors import Refused
    from penstock.model.spec import combinations_count

    size = memory * 1024**3
    node = Room(cpus, size, gpus, walltime, cpus, size, gpus)
    with project() as parts:
        flow = workflow(parts, root.key)
        words = standing(parts, flow).statuses
    waiting = [step for step in flow.spec.steps if words[step.name] in ("ready", "uninitialized")]
    counts: Counter[Resources] = Counter()
    for step in waiting:
        counts[step.resources] += combinations_count(step.each)
    wishes = []
    for place, (asked, count) in enumerate(counts.items()):
        needs = Needs(asked.cpus, asked.memory, asked.gpus, asked.time)
        why = why_never(needs, node)
        if why is not None:
            raise Refused(f"job {next(step.name for step in waiting if step.resources == asked)!r} {why}")
        wishes.append(Wish(place, needs, count * asked.nodes))  # each of its nodes is as much as one task takes
    found = demand(wishes, node, walltime)
    tasks = counts.total()
    if root.form == "json":
        numbers = {"jobs": len(waiting), "tasks": tasks, "nodes": found.nodes}
        print(as_json({**numbers, "limiter": found.limiter, "rounds": found.rounds}))
    else:
        of = f" of {tasks} tasks" if tasks != len(waiting) else ""
        said = f"{found.limiter} is the limit, {found.rounds} rounds"
        if any(step.resources.time is None for step in waiting):
            said += "; jobs that say no runtime count as if they took the whole walltime"
        log("slurm", f"{len(waiting)} jobs{of} need {found.nodes} nodes; {said}")
