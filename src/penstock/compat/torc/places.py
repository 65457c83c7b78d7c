"""Where the jobs of a definition run: its schedulers, as sites of ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from penstock.compat.torc.fields import LOCAL, SCHEDULERS, SLURM, objects, text
from penstock.compat.torc.schedulers import Spread, site_node
from penstock.text import fields
from penstock.text.nodes import Node, made

_SLURM, _LOCAL = "slurm_schedulers", "local_schedulers"
#: What a local scheduler is called that has no name; it is there without being said.
_USUAL = "default"


class Places:
    """The schedulers of a definition, by whose names jobs say where they run."""

    def __init__(self, top: Mapping[str, Node], root: Node, notes: list[str]) -> None:
        """`top` are the fields of the workflow; what there is to say of them is added to `notes`. Raises BadSpec."""
        self._root, self._notes = root, notes
        inner = SCHEDULERS.read(top["schedulers"], "`schedulers`", notes) if "schedulers" in top else {}
        shared = fields.mapping(top["slurm_defaults"], "slurm_defaults") if "slurm_defaults" in top else {}
        self._slurm: dict[str, Callable[[int], Node]] = {}  # name -> what it is as a site for tasks of so many nodes
        self._local: set[str] = set()
        for place, item in enumerate(_both(top, inner, _SLURM), 1):
            said = SLURM.read(item, f"scheduler {place}", notes)
            name = text(said, "name", "") or f"scheduler-{place}"
            if name in self._slurm:
                item.fail(f"two schedulers are called {name!r}")
            self._slurm[name] = partial(site_node, said, shared, item)
        for place, item in enumerate(_both(top, inner, _LOCAL), 1):
            said = LOCAL.read(item, f"local scheduler {place}", notes)
            name = text(said, "name", _USUAL)
            if name in self._local:
                item.fail(f"two local schedulers are called {name!r}")
            self._local.add(name)
        if shared and not self._slurm:
            where = top["slurm_defaults"].where
            notes.append(f"{where}: `slurm_defaults` is left out: there is no Slurm scheduler that it could be for")

    def of(self, said: Mapping[str, Node]) -> str:
        """The Slurm scheduler of a job; "": it has none, or a local one, which is this machine. Raises BadSpec for one
        that is not there.
        """
        wanted = text(said, "scheduler", "")
        if not wanted:
            return ""
        kind, _, name = wanted.partition("/")
        if kind not in (_SLURM, _LOCAL, "local"):
            kind, name = "", wanted
        there = kind in ("", _SLURM) and name in self._slurm
        here = kind != _SLURM and (name in self._local or (kind != "" and name == _USUAL))
        if here and there:
            both = f"a local and a Slurm scheduler are called {name[:80]!r}"
            said["scheduler"].fail(f"{both}; write {_LOCAL}/{name[:80]} or {_SLURM}/{name[:80]}")
        if not here and not there:
            what = "local scheduler" if kind in (_LOCAL, "local") else "Slurm scheduler"
            said["scheduler"].fail(f"no {what} is called {name[:80]!r}")
        return name if there else ""

    def settle(self, jobs: Iterable[tuple[str, int]]) -> None:
        """Decide which sites there are. `jobs` are (scheduler, nodes) of those that name a Slurm scheduler."""
        self._spread = Spread(self._slurm, jobs)
        for name in self._spread.double:
            two = f"{self._spread.name(name, 1)!r}, and {self._spread.name(name, 2)!r} for jobs of several nodes"
            self._notes.append(f"{self._root.file}: scheduler {name!r} is two sites, {two}")
        for (name, _), site in self._spread.names.items():
            if site != name and name not in self._spread.double:
                self._notes.append(f"{self._root.file}: scheduler {name!r} is called {site!r}")

    def site(self, scheduler: str, nodes: int) -> str:
        """The site of a job that names a scheduler and has so many nodes."""
        return self._spread.name(scheduler, nodes)

    def sites(self) -> Node | None:
        """What stands below `sites` in a file of ours; None: nothing."""
        return made(self._spread.sites(self._slurm), self._root) if self._slurm else None


def _both(top: Mapping[str, Node], inner: Mapping[str, Node], key: str) -> Iterable[Node]:
    """The objects of a list that may stand at the top of a definition, or below `schedulers`."""
    for said in (top, inner):
        yield from objects(said[key], f"`{key}`") if key in said else ()
