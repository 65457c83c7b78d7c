"""`hpc slurm add-config|list-configs|recommend-nodes`."""

from __future__ import annotations

import click

from penstock.compat.torc.commands.base import SLURM, Root, project

_COLUMNS = ("index", "name", "account", "partition", "nodes", "walltime", "qos", "options")


@SLURM.command("add-config")
@click.option("-N", "--name", default="default", show_default=True, metavar="NAME")
@click.option("-a", "--account", required=True, metavar="ACCOUNT")
@click.option("-n", "--nodes", type=click.IntRange(1, 10_000), default=1, show_default=True, help="At most so many.")
@click.option("-p", "--partition", metavar="PARTITION")
@click.option("-q", "--qos", default="normal", show_default=True)
@click.option("-w", "--walltime", default="04:00:00", show_default=True, help="Of each allocation.")
@click.option("-g", "--gres", metavar="GRES")
@click.option("-m", "--mem", metavar="SIZE")
@click.option("-t", "--tmp", metavar="SIZE")
@click.pass_obj
def add_config(
    root: Root,
    name: str,
    account: str,
    nodes: int,
    partition: str | None,
    qos: str,
    walltime: str,
    gres: str | None,
    mem: str | None,
    tmp: str | None,
) -> None:
    """Let the workflow know a Slurm cluster, as a site of a new version of its pipeline."""
    from msgspec.structs import replace

    from penstock.compat.torc.keys import workflow
    from penstock.compat.torc.show import as_json, log
    from penstock.model.errors import AlreadyExists
    from penstock.model.spec import Site
    from penstock.service.opening.given import Given, put_in_force
    from penstock.text.units import parse_seconds

    options = [f"--{option}={value}" for option, value in (("gres", gres), ("mem", mem), ("tmp", tmp)) if value]
    site = Site(
        name=name,
        kind="slurm",
        nodes=(0, nodes),
        walltime=parse_seconds(walltime),
        partitions=(partition,) if partition else (),
        account=account,
        qos=qos,
        options=tuple(options),
    )
    with project() as parts:
        flow = workflow(parts, root.key)
        if name in {item.name for item in flow.spec.sites}:
            raise AlreadyExists(f"workflow {flow.name!r} has a Slurm config {name!r} already")
        spec = replace(flow.spec, sites=(*flow.spec.sites, site))
        put_in_force(parts, Given(spec, parts.version(flow.name, flow.version).file), update=True)
    if root.form == "json":
        print(as_json({"key": name}))
    else:
        log("slurm", f"Added Slurm configuration {name} to workflow key={flow.key}")


@SLURM.command("list-configs")
@click.pass_obj
def list_configs(root: Root) -> None:
    """List the Slurm clusters that the workflow knows."""
    from penstock.compat.torc.keys import workflow
    from penstock.compat.torc.show import rows
    from penstock.text.units import show_seconds

    with project() as parts:
        sites = [site for site in workflow(parts, root.key).spec.sites if site.kind == "slurm"]
    found = [
        {
            "index": place,
            "name": site.name,
            "account": site.account,
            "partition": ",".join(site.partitions),
            "nodes": site.nodes[1],
            "walltime": show_seconds(site.walltime),
            "qos": site.qos,
            "options": " ".join(site.options),
        }
        for place, site in enumerate(sites, 1)
    ]
    print(rows(root.form, "configs", _COLUMNS, found))


@SLURM.command("recommend-nodes")
@click.option("-c", "--num-cpus", "cpus", type=click.IntRange(1), default=104, show_default=True, help="Of a node.")
@click.option("-m", "--memory-gb", "memory", type=click.IntRange(1), default=240, show_default=True, help="Of a node.")
@click.option("-G", "--num-gpus", "gpus", type=click.IntRange(0), default=0, show_default=True, help="Of a node.")
@click.option("-s", "--scheduler", metavar="NAME", help="The Slurm config whose walltime counts; else the only one.")
@click.pass_obj
def recommend_nodes(root: Root, cpus: int, memory: int, gpus: int, scheduler: str | None) -> None:
    """Say how many nodes do the jobs that are ready or not started within the walltime."""
    from collections import Counter

    from penstock.compat.torc.keys import standing, workflow
    from penstock.compat.torc.show import as_json, log
    from penstock.engine.demand import demand
    from penstock.engine.pack import Needs, Room, Wish, why_never
    from penstock.model.errors import NotFound, Refused, UsageError

    size = memory * 1024**3
    node = Room(cpus, size, gpus, None, cpus, size, gpus)
    with project() as parts:
        flow = workflow(parts, root.key)
        known = {site.name: site for site in flow.spec.sites if site.kind == "slurm"}
        if scheduler is None and len(known) != 1:
            raise UsageError(f"workflow {flow.name!r} has {len(known)} Slurm configs; say which: -s NAME")
        site = known.get(scheduler or next(iter(known)))
        if site is None:
            raise NotFound(f"workflow {flow.name!r} has no Slurm config {scheduler!r}")
        words = standing(parts, flow).statuses
    waiting = [step for step in flow.spec.steps if words[step.name] in ("ready", "uninitialized")]
    counts = Counter(step.resources for step in waiting)
    wishes = []
    for place, (asked, count) in enumerate(counts.items()):
        needs = Needs(asked.cpus, asked.memory, asked.gpus, asked.nodes, asked.time)
        why = why_never(needs, node, site.nodes[1])
        if why is None and asked.time is not None and asked.time > site.walltime:
            why = f"asks for {asked.time:g} seconds, the walltime is {site.walltime:g}"
        if why is not None:
            raise Refused(f"job {next(step.name for step in waiting if step.resources == asked)!r} {why}")
        wishes.append(Wish(place, needs, count))
    found = demand(wishes, node, site.walltime)
    if root.form == "json":
        print(as_json({"jobs": len(waiting), "nodes": found.nodes, "limiter": found.limiter, "rounds": found.rounds}))
    else:
        log(
            "slurm",
            f"{len(waiting)} jobs need {found.nodes} nodes; {found.limiter} is the limit, {found.rounds} rounds",
        )
