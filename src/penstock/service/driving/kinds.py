"""The kinds of nodes that a batch system has, and what a site asks for of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from penstock.model.spec import Site
from penstock.runner.queue import Kind


def why_not(site: Site, kinds: Sequence[Kind]) -> str:
    """What the site asks for that none of its nodes has; else it would wait in the queue for ever."""
    named = site.partition or "that is the default"
    if not kinds:
        return f"there is no partition {named}"
    if all(kind.cpus < (site.cpus or 0) for kind in kinds):
        return f"it asks for {site.cpus} CPUs, a node has {max(kind.cpus for kind in kinds)}"
    if all(0 < kind.memory < (site.memory or 0) for kind in kinds):
        return f"it asks for {site.memory:,} bytes of memory, a node has {max(kind.memory for kind in kinds):,}"
    if all(kind.gpus < (site.gpus or 0) for kind in kinds):
        return f"it asks for {site.gpus} GPUs, a node has {max(kind.gpus for kind in kinds)}"
    longest = max(math.inf if kind.seconds is None else kind.seconds for kind in kinds)
    if site.walltime > longest:
        return f"it asks for {site.walltime:.0f} s, a partition that it names gives {longest:.0f} s at most"
    return ""


def is_ours(site: Site, kind: Kind) -> bool:
    """Whether a site may get such nodes."""
    named = site.partition
    return kind.default if named is None else kind.partition in named.split(",")
