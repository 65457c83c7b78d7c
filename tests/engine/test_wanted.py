"""Jobs of unfinished runs end only if nobody would ask for their fingerprints again."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from penstock.engine.graph import Node
from penstock.engine.wanted import Asked, Question, Verdict, judge

#: A graph: for each step its work, the earlier steps that it reads, and the commit that it reads.
Graph = list[tuple[int, frozenset[int], int]]


def node(number: int) -> Node:
    return ("p", f"s{number}")


@st.composite
def graphs(draw: Any) -> Graph:
    size = draw(st.integers(1, 6))
    return [
        (draw(st.integers(0, 1)), draw(st.frozensets(st.integers(0, step - 1)) if step else st.just(frozenset())), 0)
        for step in range(size)
    ]


@st.composite
def edits(draw: Any, graph: Graph) -> Graph:
    """The same graph with a few steps changed, gone at its end, or new there."""
    edited = list(graph[: draw(st.integers(max(1, len(graph) - 1), len(graph)))])
    for step in draw(st.sets(st.integers(0, len(edited) - 1), max_size=2)):
        work, reads, commit = edited[step]
        kind = draw(st.sampled_from(["work", "data", "edges"]))
        others = draw(st.frozensets(st.integers(0, step - 1))) if step else frozenset()
        edited[step] = {
            "work": (work + 2, reads, commit),
            "data": (work, reads, commit + 1),
            "edges": (work, others, commit),
        }[kind]
    return edited + draw(st.lists(st.just((9, frozenset(), 0)), max_size=1))


def questions(graph: Graph) -> dict[Node, Question]:
    return {
        node(step): Question(
            str(work).encode(),
            frozenset((node(up), "success") for up in reads),
            (f"commit {commit}", *(node(up) for up in sorted(reads))),
        )
        for step, (work, reads, commit) in enumerate(graph)
    }


def fingerprints(graph: Graph, data: bool = True) -> dict[Node, Any]:
    """All that the result of each step depends on; without `data`, all but the commits."""
    found: dict[Node, Any] = {}
    for step, (work, reads, commit) in enumerate(graph):
        found[node(step)] = (work, commit if data else 0, tuple(found[node(up)] for up in sorted(reads)))
    return found


def asked(graph: Graph, changed: frozenset[int] = frozenset(), alike: bool = True) -> list[Asked]:
    return [
        Asked(place, at, question, place not in changed, alike)
        for place, (at, question) in enumerate(questions(graph).items())
    ]


@given(graphs().flatmap(lambda graph: st.tuples(st.just(graph), edits(graph))))
def test_a_job_is_wanted_just_if_its_fingerprint_is_asked_for_again(graphs: tuple[Graph, Graph]) -> None:
    before, after = graphs
    verdicts = judge(asked(before), questions(after))
    old, new = fingerprints(before), fingerprints(after)
    for place in range(len(before)):
        assert (verdicts[place] is Verdict.WANTED) == (old[node(place)] == new.get(node(place)))


@given(graphs().flatmap(lambda graph: st.tuples(st.just(graph), edits(graph))))
def test_a_job_that_ends_would_be_another_one_on_any_data(graphs: tuple[Graph, Graph]) -> None:
    before, after = graphs
    verdicts = judge(asked(before), questions(after))
    old, new = fingerprints(before, data=False), fingerprints(after, data=False)
    for place in range(len(before)):
        assert (verdicts[place] is Verdict.UNWANTED) == (old[node(place)] != new.get(node(place)))


@given(graphs(), st.data())
def test_what_found_other_files_is_unwanted_and_all_behind_it(graph: Graph, data: Any) -> None:
    changed = data.draw(st.frozensets(st.integers(0, len(graph) - 1)))
    verdicts = judge(asked(graph, changed), questions(graph))
    for place, (_, reads, _) in enumerate(graph):
        behind = any(verdicts[up] is Verdict.UNWANTED for up in reads)
        assert (verdicts[place] is Verdict.UNWANTED) == (place in changed or behind)


@given(graphs())
def test_what_somebody_asked_with_other_parameters_neither_ends_nor_is_wanted(graph: Graph) -> None:
    assert set(judge(asked(graph, alike=False), questions(graph)).values()) == {Verdict.OTHER}


def test_the_newest_job_of_a_step_counts_for_those_that_come_after_it() -> None:
    (first, second), now = asked([(0, frozenset(), 0), (0, frozenset({0}), 0)]), questions([(1, frozenset(), 0)])
    now[node(1)] = second.question
    again = Asked(2, node(0), now[node(0)])
    behind = Asked(3, node(1), second.question)
    verdicts = judge([first, second, again, behind], now)
    assert verdicts == {0: Verdict.UNWANTED, 1: Verdict.UNWANTED, 2: Verdict.WANTED, 3: Verdict.WANTED}
