"""Torc's Slurm schedulers as sites of ours."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Collection, Iterable, Mapping

from penstock.compat.torc.fields import number, text
from penstock.compat.torc.names import callings
from penstock.model.errors import UsageError
from penstock.model.spec import LOCAL, Site
from penstock.runner.slurm import GPUS, parse_time
from penstock.text import fields
from penstock.text.nodes import Node, made, scalar
from penstock.text.units import parse_seconds

_SIZE = re.compile(r"([0-9]{1,15})([KMGT]?)B?", re.IGNORECASE | re.ASCII)


class Spread:
    """Which sites the Slurm schedulers of a definition become.

    A task of several nodes is a batch job of its own, and others are packed onto nodes. So a scheduler that has jobs of
    both kinds is two sites.
    """

    def __init__(self, schedulers: Collection[str], jobs: Iterable[tuple[str, int]]) -> None:
        """`jobs` are (scheduler, nodes) of those that name one."""
        self._most: dict[str, int] = dict.fromkeys(schedulers, 1)  #: nodes of the largest job
        single = set()
        for scheduler, nodes in jobs:
            self._most[scheduler] = max(self._most[scheduler], nodes)
            if nodes == 1:
                single.add(scheduler)
        self.double = [name for name in schedulers if self._most[name] > 1 and name in single]
        kinds = [(name, several) for name in schedulers for several in self._kinds(name)]
        labels = [f"{name}-nodes" if several and name in self.double else name for name, several in kinds]
        self.names = dict(zip(kinds, callings([LOCAL, *labels])[1:], strict=True))

    def _kinds(self, name: str) -> Iterable[bool]:
        return (False, True) if name in self.double else (self._most[name] > 1,)

    def name(self, scheduler: str, nodes: int) -> str:
        """The site of a job that names a scheduler."""
        return self.names[scheduler, nodes > 1]

    def sites(self, schedulers: Mapping[str, Callable[[int], Node]]) -> dict[str, Node]:
        """All sites by name; each scheduler says what it is for tasks of so many nodes."""
        return {
            called: schedulers[name](self._most[name] if several else 1)
            for (name, several), called in self.names.items()
        }


def site_node(said: Mapping[str, Node], shared: Mapping[str, Node], at: Node, nodes: int = 1) -> Node:
    """One scheduler as what stands below `sites` in a file of ours, for tasks of up to so many nodes; `shared` are
    options of all. Raises BadSpec.
    """
    found = {"kind": scalar("slurm", at)}
    if "partition" in said:
        found["partition"] = said["partition"]
    if nodes > 1:
        # There it is said how many tasks there are at once.
        found["per"] = scalar("task", at)
        found["nodes"] = scalar(max(1, number(said, "nodes", 1) // nodes), said.get("nodes", at))
    elif "nodes" in said:
        found["nodes"] = said["nodes"]
    if "walltime" in said:
        found["walltime"] = scalar(_walltime(said["walltime"]), said["walltime"])
    if "mem" in said:
        found["memory"] = scalar(_memory(said["mem"]), said["mem"])
    if "gres" in said:
        count = GPUS.fullmatch(text(said, "gres", ""))
        if count is None:
            said["gres"].fail("`gres`: only GPUs are known here, such as gpu:2; say others in `extra`")
        found["gpus"] = scalar(int(count[1]), said["gres"])
    options = {name: value for name, value in shared.items() if value.value is not None}
    options |= {name: said[name] for name in ("account", "qos", "tmp") if name in said}
    options |= _extra(said)
    if options:
        found["options"] = made(options, at)
    return made(found, at)


def _walltime(node: Node) -> float:
    """Seconds of what Slurm takes as a time, or of ISO 8601."""
    said = fields.word(node, "`walltime`")
    try:
        return parse_walltime(said)
    except UsageError as error:
        node.fail(f"`walltime`: {error}")


def parse_walltime(text: str) -> float:
    """Seconds of `D-HH:MM:SS`, `HH:MM:SS`, `MM:SS` or minutes, as Slurm reads them; or of ISO 8601. Raises UsageError.

    >>> parse_walltime("1-00:00:00"), parse_walltime("1-12"), parse_walltime("4:00:00"), parse_walltime("90")
    (86400.0, 129600.0, 14400.0, 5400.0)
    """
    seconds = parse_time(text.strip())
    return parse_seconds(text) if seconds is None else float(seconds)


def _memory(node: Node) -> int:
    """Bytes of what Slurm's `--mem` takes: megabytes, or with K, M, G or T; powers of 1024."""
    match = _SIZE.fullmatch(str(node.value).strip())
    if match is None:
        node.fail("`mem`: expected a size as Slurm writes it, such as 180G")
    return int(match[1]) << 10 * " KMGT".index(match[2].upper() or "M")


def _extra(said: Mapping[str, Node]) -> dict[str, Node]:
    """Options written as on a command line: `--exclusive --reservation=x`."""
    found: dict[str, Node] = {}
    try:
        words = shlex.split(text(said, "extra", ""))
    except ValueError as error:
        said["extra"].fail(f"`extra`: it cannot be split into words: {error}; write --name=value, or --name='a value'")
    for word in words:
        name, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or not name:
            said["extra"].fail(f"`extra`: {word[:80]!r} is no long option; write --name=value")
        found[name] = scalar(value if equals else True, said["extra"])
    return found


def scheduler_row(site: Site) -> dict[str, object]:
    """A site in the columns of Torc's list of Slurm configurations."""
    options = dict(site.options)
    hours, rest = divmod(int(site.walltime), 3600)
    return {
        "name": site.name,
        "account": options.get("account", ""),
        "nodes": site.nodes,
        "walltime": f"{hours:02d}:{rest // 60:02d}:{rest % 60:02d}",
        "partition": site.partition or "",
        "qos": options.get("qos", ""),
        "gres": f"gpu:{site.gpus}" if site.gpus else "",
        "mem": "" if site.memory is None else f"{site.memory >> 20}M",
        "key": site.name,
    }
