"""Torc's Slurm schedulers as sites of ours."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

from penstock.compat.torc.fields import text
from penstock.model.errors import UsageError
from penstock.model.spec import Site
from penstock.text.nodes import Node, made, scalar
from penstock.text.units import parse_seconds

_GPUS = re.compile(r"gpu(?::[\w.-]*[A-Za-z][\w.-]*)?:(\d+)")
_SIZE = re.compile(r"(\d+)([KMGT]?)B?", re.IGNORECASE)


def site_node(said: Mapping[str, Node], shared: Mapping[str, Node], at: Node) -> Node:
    """One scheduler as what stands below `sites` in a file of ours; `shared` are options of all. Raises BadSpec."""
    found = {"kind": scalar("slurm", at)}
    for ours, theirs in (("partition", "partition"), ("nodes", "nodes")):
        if theirs in said:
            found[ours] = said[theirs]
    if "walltime" in said:
        found["walltime"] = scalar(_walltime(said["walltime"]), said["walltime"])
    if "mem" in said:
        found["memory"] = scalar(_memory(said["mem"]), said["mem"])
    if "gres" in said:
        count = _GPUS.fullmatch(text(said, "gres", ""))
        if count is None:
            said["gres"].fail("`gres`: only GPUs are known here, such as gpu:2; say others in `extra`")
        found["gpus"] = scalar(int(count[1]), said["gres"])
    options = {name: value for name, value in shared.items() if isinstance(value.value, (str, int, float, bool))}
    options |= {name: said[name] for name in ("account", "qos", "tmp") if name in said}
    options |= _extra(said)
    if options:
        found["options"] = made(options, at)
    return made(found, at)


def _walltime(node: Node) -> float:
    """Seconds of `D-HH:MM:SS`, `HH:MM:SS`, `MM:SS` or minutes, as Slurm reads them; or of ISO 8601."""
    said = str(node.value)
    days, dash, clock = said.rpartition("-")
    parts = clock.split(":")
    if not all(part.isdigit() for part in parts) or len(parts) > 3 or (dash and not days.isdigit()):
        try:
            return parse_seconds(said)
        except UsageError as error:
            node.fail(f"`walltime`: {error}")
    numbers = [int(part) for part in parts]
    if dash:
        hours, minutes, seconds = [*numbers, 0, 0][:3]
    elif len(numbers) == 3:
        hours, minutes, seconds = numbers
    else:
        hours, (minutes, seconds) = 0, [*numbers, 0][:2]
    return float(int(days or 0) * 86400 + hours * 3600 + minutes * 60 + seconds)


def _memory(node: Node) -> int:
    """Bytes of what Slurm's `--mem` takes: megabytes, or with K, M, G or T; powers of 1024."""
    match = _SIZE.fullmatch(str(node.value).strip())
    if match is None:
        node.fail("`mem`: expected a size as Slurm writes it, such as 180G")
    return int(match[1]) << 10 * " KMGT".index(match[2].upper() or "M")


def _extra(said: Mapping[str, Node]) -> dict[str, Node]:
    """Options written as on a command line: `--exclusive --reservation=x`."""
    words, found = shlex.split(text(said, "extra", "")), dict[str, Node]()
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
