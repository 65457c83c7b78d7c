"""A drawing of a graph without cycles in layers: what waits for nothing comes first, and few lines cross. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

#: Sweeps over all layers, there and back, that bring each node beside its neighbours. More change next to nothing.
SWEEPS = 8
#: Above this many bends of long lines they are drawn straight: a sweep takes a second or so at ten times as many.
MOST_BENDS = 20_000


class Layers:
    """`rows[depth]` lists what stands in a layer, in its order: nodes, and bends, as `(edge, depth)`, of the edges that
    pass through it.
    """

    def __init__(self, nodes: Sequence[str], edges: Iterable[tuple[str, str]]) -> None:
        self.edges = list(dict.fromkeys(edges))
        self.depth = _depths(nodes, self.edges)
        self.rows: list[list[object]] = [[] for _ in range(max(self.depth.values(), default=-1) + 1)]
        for node in nodes:
            self.rows[self.depth[node]].append(node)
        self.paths = self._paths()
        self._sort()

    def _paths(self) -> list[list[object]]:
        """Of each edge the nodes and bends it goes through."""
        spans = (self.depth[target] - self.depth[source] - 1 for source, target in self.edges)
        bent = sum(spans) <= MOST_BENDS
        paths: list[list[object]] = []
        for number, (source, target) in enumerate(self.edges):
            between = range(self.depth[source] + 1, self.depth[target]) if bent else range(0)
            bends: list[object] = [(number, depth) for depth in between]
            for depth, bend in zip(between, bends, strict=True):
                self.rows[depth].append(bend)
            paths.append([source, *bends, target])
        return paths

    def _sort(self) -> None:
        before: dict[object, list[object]] = {}
        behind: dict[object, list[object]] = {}
        for path in self.paths:
            for one, other in zip(path, path[1:], strict=False):
                before.setdefault(other, []).append(one)
                behind.setdefault(one, []).append(other)
        place = {item: float(number) for row in self.rows for number, item in enumerate(row)}
        for sweep in range(SWEEPS):
            rows, beside = (self.rows, before) if sweep % 2 == 0 else (self.rows[::-1], behind)
            for row in rows:
                row.sort(key=lambda item: _mean(beside.get(item, ()), place, place[item]))
                place.update((item, float(number)) for number, item in enumerate(row))


def _mean(neighbours: Sequence[object], place: Mapping[object, float], own: float) -> float:
    return sum(place[item] for item in neighbours) / len(neighbours) if neighbours else own


def _depths(nodes: Sequence[str], edges: Iterable[tuple[str, str]]) -> dict[str, int]:
    """How many edges lead to each node at most. The nodes of a cycle, and those behind it, stand in the first layer."""
    behind: dict[str, list[str]] = {}
    waits = dict.fromkeys(nodes, 0)
    for source, target in edges:
        behind.setdefault(source, []).append(target)
        waits[target] += 1
    depth = dict.fromkeys(nodes, 0)
    ready = [node for node in nodes if not waits[node]]
    for node in ready:
        for target in behind.get(node, ()):
            depth[target] = max(depth[target], depth[node] + 1)
            waits[target] -= 1
            if not waits[target]:
                ready.append(target)
    return depth
