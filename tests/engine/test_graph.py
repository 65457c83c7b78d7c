"""The project's graph against brute force."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from penstock.engine.graph import Arrow, Node, arrows, cycle, read_by, readers, wave
from penstock.model.spec import After, InputSpec, Pipeline, Step

NODES: list[Node] = [("p", name) for name in "abcde"]
PAIRS = st.sets(st.tuples(st.sampled_from(NODES), st.sampled_from(NODES)), max_size=9)


def downstream(seeds: set[Node], pairs: set[tuple[Node, Node]]) -> set[Node]:
    reached = set(seeds)
    while more := {node for node, upstream in pairs if upstream in reached} - reached:
        reached |= more
    return reached


def orderable(pairs: set[tuple[Node, Node]]) -> bool:
    """Whether some order of all nodes has each after what it waits for."""
    return any(
        all(order.index(upstream) < order.index(node) for node, upstream in pairs) for order in permutations(NODES)
    )


@given(PAIRS)
def test_a_cycle_is_found_exactly_when_there_is_one(pairs: set[tuple[Node, Node]]) -> None:
    graph: dict[Node, list[Node]] = {}
    for node, upstream in sorted(pairs):
        graph.setdefault(node, []).append(upstream)
    found = cycle(graph)
    assert bool(found) != orderable(pairs)
    if found:
        assert found[0] == found[-1]
        assert len(set(found)) == len(found) - 1
        assert all(step in pairs for step in zip(found, found[1:], strict=False))


@given(st.permutations(NODES), PAIRS, st.sets(st.sampled_from(NODES)))
def test_a_wave_holds_all_downstream_each_after_what_it_waits_for(
    ranks: list[Node], drawn: set[tuple[Node, Node]], seeds: set[Node]
) -> None:
    pairs = {(node, upstream) for node, upstream in drawn if ranks.index(upstream) < ranks.index(node)}
    edges = [Arrow(node, upstream, "success") for node, upstream in sorted(pairs)]
    order = wave(seeds, edges)
    assert len(order) == len(set(order))
    assert set(order) == downstream(seeds, pairs)
    assert all(order.index(up) < order.index(node) for node, up in pairs if node in order and up in order)
    assert wave(sorted(seeds, reverse=True), edges[::-1]) == order, "the same however it is asked"


def test_a_deep_graph_is_no_deep_recursion() -> None:
    chain = [("p", f"{number:05}") for number in range(5000)]
    pairs = list(zip(chain[1:], chain, strict=False))
    assert wave([chain[0]], [Arrow(node, upstream, "end") for node, upstream in pairs]) == chain
    assert cycle({node: [upstream] for node, upstream in pairs}) == []
    assert len(cycle({**{node: [upstream] for node, upstream in pairs}, chain[0]: [chain[-1]]})) == 5001


def test_many_ways_to_one_node_are_walked_once() -> None:
    """Each of 60 floors reaches the next in two ways: 2^60 paths."""
    floors = [[("p", f"{floor}{side}") for side in "lr"] for floor in range(60)]
    graph = {node: below for floor, below in zip(floors[1:], floors, strict=False) for node in floor}
    assert cycle(graph) == []


def glob(repo: str, branch: str = "main") -> InputSpec:
    return InputSpec("glob", repo=repo, branch=branch, name=repo)


def step(name: str, *repos: str, after: tuple[After, ...] = (), output: str | None = None) -> Step:
    spec = InputSpec("cross", parts=tuple(glob(repo) for repo in repos)) if repos else None
    return Step(name, ("true",), input=spec, after=after, output=output)


def test_edges_go_by_name_inside_and_by_repo_across() -> None:
    one = Pipeline(
        "one",
        (
            step("make", "raw", output="made"),
            step("report", after=(After("make", "end"),)),
            step("check", "made", after=(After("make", "end"),)),
        ),
    )
    two = Pipeline("two", (step("use", "made", "other"), step("make")))
    assert {(arrow.node, arrow.upstream, arrow.needs) for arrow in arrows([one, two])} == {
        (("one", "report"), ("one", "make"), "end"),
        # Reading what it makes needs it whole, whatever `after` says.
        (("one", "check"), ("one", "make"), "success"),
        (("two", "use"), ("one", "make"), "success"),
    }
    assert readers([one, two], {("made", "main")}) == {("one", "check"), ("two", "use")}
    assert readers([one, two], {("made", "other"), ("none", "main")}) == set()
    assert read_by(two.steps[0], {}) == {"made", "other"}
    assert read_by(two.steps[1], {}) == set()
