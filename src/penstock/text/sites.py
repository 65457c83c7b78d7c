"""The sites of a pipeline file: named places whose nodes a batch system lends."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from penstock.model.spec import LOCAL, Site, Step
from penstock.text import fields
from penstock.text.nodes import Node
from penstock.text.resources import MAX_CPUS, MAX_GPUS, read_size

MAX_NODES = 1000
KINDS = ("slurm", "dask")
#: Seconds a batch system can be asked for at most, and at least: Slurm counts minutes.
LONGEST, SHORTEST = 366 * 86400.0, 60.0
_KEYS = ("kind", "walltime", "nodes", "cpus", "memory", "gpus", "per", "idle")
#: kind -> keys that only it has.
_OWN = {"slurm": ("partition", "lead", "options"), "dask": ("address",)}
_PARTITION = re.compile(r"[\w.-]+(?:,[\w.-]+)*")
_OPTION = re.compile(r"[a-z][a-z0-9-]*")


def read_sites(node: Node, what: str) -> dict[str, Site]:
    """The sites by name. Raises BadSpec."""
    values = fields.mapping(node, what)
    sites = {}
    for key in (node.keys or {}).values():
        name = fields.name(key, what)
        if name == LOCAL:
            key.fail(f'{what}: "{LOCAL}" is this machine and needs no words; choose another name')
        sites[name] = _site(values[name], f'site "{name}"', name, key)
    return sites


def _site(node: Node, what: str, name: str, key: Node) -> Site:
    values = fields.keys_of(node, what, (*_KEYS, *(key for keys in _OWN.values() for key in keys)))
    if "kind" not in values:
        key.fail(f"{what}: `kind` is missing; expected one of {', '.join(KINDS)}")
    kind = fields.choice(values["kind"], f"{what}: kind", KINDS)
    for other in values.keys() - {*_KEYS, *_OWN[kind]}:
        values[other].fail(f"{what}: {other}: a site of kind {kind} has none")
    if kind == "dask" and "address" not in values:
        key.fail(f"{what}: `address` is missing: of Dask's scheduler, such as tcp://login1:8786")
    least, most = _nodes(values["nodes"], f"{what}: nodes") if "nodes" in values else (0, 1)
    usual = LONGEST if kind == "dask" else 3600.0  # its workers are there as long as the cluster is
    walltime = fields.seconds(values["walltime"], f"{what}: walltime") if "walltime" in values else usual
    if not SHORTEST <= walltime <= LONGEST:
        values["walltime"].fail(f"{what}: walltime: expected between a minute and a year")
    lead = fields.seconds(values["lead"], f"{what}: lead") if "lead" in values else 120.0
    return Site(
        name=name,
        kind=cast(Any, kind),
        address=fields.text(values["address"], f"{what}: address") if "address" in values else None,
        partition=_partition(values["partition"], f"{what}: partition") if "partition" in values else None,
        walltime=walltime,
        nodes=most,
        min_nodes=least,
        cpus=fields.whole(values["cpus"], f"{what}: cpus", 1, MAX_CPUS) if "cpus" in values else None,
        memory=read_size(values["memory"], f"{what}: memory") if "memory" in values else None,
        gpus=fields.whole(values["gpus"], f"{what}: gpus", 0, MAX_GPUS) if "gpus" in values else None,
        per=cast(Any, fields.choice(values["per"], f"{what}: per", ("node", "task")) if "per" in values else "node"),
        idle=fields.seconds(values["idle"], f"{what}: idle") if "idle" in values else 60.0,
        lead=lead,
        options=_options(values["options"], f"{what}: options") if "options" in values else (),
    )


def _nodes(node: Node, what: str) -> tuple[int, int]:
    """At least and at most how many, from `4` or `{min: 1, max: 4}`."""
    if not isinstance(node.value, dict):
        return 0, fields.whole(node, what, 1, MAX_NODES)
    values = fields.keys_of(node, what, ("min", "max"))
    least = fields.whole(values["min"], f"{what}.min", 0, MAX_NODES) if "min" in values else 0
    most = fields.whole(values["max"], f"{what}.max", 1, MAX_NODES) if "max" in values else max(1, least)
    if least > most:
        node.fail(f"{what}: at least {least} and at most {most} cannot be")
    return least, most


def _partition(node: Node, what: str) -> str:
    said = fields.word(node, what)
    if not _PARTITION.fullmatch(said):
        node.fail(f"{what}: expected the name of a partition, or several with commas, found {said[:80]!r}")
    return said


def _options(node: Node, what: str) -> tuple[tuple[str, str], ...]:
    """Further long options of the batch system, without their dashes: `{account: x, exclusive: true}`."""
    found = []
    for name, value in fields.mapping(node, what).items():
        if not _OPTION.fullmatch(name):
            (node.keys or {})[name].fail(f"{what}: {name[:80]!r} is no long option; write `account`, not `-A`")
        if name in OURS:
            (node.keys or {})[name].fail(f"{what}: {name} is asked for by Penstock; {OURS[name]}")
        said = value.value
        if said is False:
            continue
        if isinstance(said, bool):
            found.append((name, ""))
        elif isinstance(said, (str, int, float)) and str(said).isprintable():
            found.append((name, str(said)))
        else:
            value.fail(f"{what}: {name}: expected a word, a number or true")
    return tuple(sorted(found))


#: Options that are not to be said here -> what to say instead.
OURS: Mapping[str, str] = {
    **dict.fromkeys(("partition", "nodes"), "the site has a key of its own for it"),
    "time": "say `walltime`",
    **dict.fromkeys(("mem", "mem-per-cpu", "mem-per-gpu"), "say `memory`"),
    **dict.fromkeys(("cpus-per-task", "ntasks", "ntasks-per-node", "cores-per-socket"), "say `cpus`"),
    **dict.fromkeys(("gres", "gpus", "gpus-per-node", "gpus-per-task"), "say `gpus`"),
    "signal": "say `lead`",
    **dict.fromkeys(
        ("job-name", "chdir", "output", "error", "input", "array", "requeue", "no-requeue", "wrap", "parsable", "wait"),
        "leave it out",
    ),
    **dict.fromkeys(("export", "export-file", "test-only", "dependency", "quiet", "help", "version"), "leave it out"),
}


def check_sites(steps: Mapping[str, Step], nodes: Mapping[str, Node], sites: Mapping[str, Site]) -> None:
    """Every step names a site that there is, and that lends as many nodes to a task as it asks for. Raises BadSpec."""
    for name, step in steps.items():
        if step.site != LOCAL and step.site not in sites:
            node = nodes[name].value["site"]
            known = [LOCAL, *sites]
            hint = fields.nearest(step.site, known) or f"; there are {', '.join(known)}"
            node.fail(f'step "{name}": site: there is no site "{step.site}"{hint}')
        elif step.resources.nodes > 1 and step.site != LOCAL and sites[step.site].per == "node":
            asked = f'it asks for {step.resources.nodes} nodes, and site "{step.site}" gives a task one'
            nodes[name].value["resources"].fail(f'step "{name}": resources: {asked}; say `per: task` there')
        elif step.supports_termination and step.site != LOCAL and _is_short(sites[step.site], step):
            lent = f'site "{step.site}" lends nodes for {sites[step.site].walltime:.0f} s'
            node = nodes[name].value.get("grace", nodes[name].value["supports_termination"])
            node.fail(f'step "{name}": grace: {step.grace:.0f} s, and {lent}; lower it, or raise `walltime` there')


def _is_short(site: Site, step: Step) -> bool:
    """Whether a node that a site lends is over before a task has had its grace. One with a time has its own node."""
    own = site.per == "task" and step.resources.time is not None
    return not own and step.grace >= site.walltime
