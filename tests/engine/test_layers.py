"""Layers: every edge goes forward, bends stand in the layers between, and lines that need not cross do not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from penstock.engine import layers
from penstock.engine.layers import Layers

GRAPHS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)).filter(lambda edge: edge[0] < edge[1]), max_size=60)


@given(GRAPHS)
def test_every_edge_goes_forward_a_layer_at_a_time(edges: list[tuple[int, int]]) -> None:
    nodes = [f"n{number}" for number in range(31)]
    drawn = Layers(nodes, [(f"n{one}", f"n{other}") for one, other in edges])
    layer = {item: depth for depth, row in enumerate(drawn.rows) for item in row}
    assert len(layer) == sum(map(len, drawn.rows))  # nothing stands twice
    assert set(nodes) <= layer.keys()
    for path in drawn.paths:
        assert [layer[item] for item in path] == list(range(layer[path[0]], layer[path[-1]] + 1))


def test_each_node_comes_beside_its_neighbours() -> None:
    drawn = Layers(["a", "b", "c", "z", "y", "x"], [("a", "x"), ("b", "y"), ("c", "z")])
    order = {item: place for row in drawn.rows for place, item in enumerate(row)}
    assert (order["a"], order["b"], order["c"]) == (order["x"], order["y"], order["z"])


def test_long_lines_are_straight_where_their_bends_are_too_many() -> None:
    nodes = [str(number) for number in range(300)]
    chain = list(zip(nodes, nodes[1:], strict=False))
    far = [(nodes[0], node) for node in nodes[2:]]
    drawn = Layers(nodes, chain + far)
    assert sum(len(path) for path in drawn.paths) == 2 * len(drawn.paths)
    assert sum(range(299)) > layers.MOST_BENDS


def test_a_cycle_is_drawn_all_the_same() -> None:
    assert Layers(["a", "b"], [("a", "b"), ("b", "a")]).rows == [["a", "b"]]
