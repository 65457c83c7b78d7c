"""`penstock site`: named places that run work."""

from __future__ import annotations

import click

from penstock.cli.lazy import noun
from penstock.cli.options import json_option, project

site = noun("site", "Named places that run work, beside this machine.")


@site.command("list")
@json_option
def list_sites(as_json: bool) -> None:
    """List the sites of pipelines in force, and how many nodes they have lent."""
    from penstock.cli.output import show_json, show_table
    from penstock.service.answers import sites
    from penstock.text.units import show_seconds

    with project() as parts:
        found = sites.sites(parts)
    if as_json:
        show_json({"sites": found, "next": None})
        return
    rows = [
        (
            item.site,
            item.pipeline,
            item.kind,
            item.partition,
            show_seconds(item.walltime),
            f"{item.min_nodes}..{item.max_nodes}",
            item.running,
            item.queued,
        )
        for item in found
    ]
    heads = ("SITE", "PIPELINE", "KIND", "PARTITION", "WALLTIME", "NODES", "RUNNING", "QUEUED")
    show_table(heads, rows, right=("WALLTIME", "NODES", "RUNNING", "QUEUED"))


@site.command("show")
@click.argument("name", metavar="SITE")
@json_option
def show_site(name: str, as_json: bool) -> None:
    """Show one site: the nodes it has lent, those it was asked for, and the last ones that are over."""
    from penstock.cli.output import show_fields, show_json, show_table, when
    from penstock.service.answers import sites
    from penstock.text.units import show_seconds, show_size

    with project() as parts:
        found, allocations = sites.site(parts, name)
    if as_json:
        show_json({"sites": found, "allocations": allocations})
        return
    for item in found:
        limits = f"{item.min_nodes}..{item.max_nodes}, {item.running} running, {item.queued} asked for"
        fields = (
            ("site", item.site),
            ("pipeline", item.pipeline),
            ("kind", item.kind),
            ("partition", item.partition),
            ("walltime", show_seconds(item.walltime)),
            ("nodes", limits),
            ("trouble", item.trouble),
        )
        show_fields(fields)
    rows = [
        (
            item.id or item.name,
            item.state,
            item.cpus,
            show_size(item.memory) if item.memory else "",
            item.gpus,
            item.nodes,
            show_seconds(item.walltime),
            when(item.created),
            item.message,
        )
        for item in allocations
    ]
    heads = ("ID", "STATE", "CPUS", "MEMORY", "GPUS", "NODES", "WALLTIME", "ASKED", "MESSAGE")
    show_table(heads, rows, right=("CPUS", "MEMORY", "GPUS", "NODES", "WALLTIME"))
