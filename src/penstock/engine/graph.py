"""The project's graph across pipelines: who publishes what, who reads it, and which steps a wave reaches."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from msgspec import Struct

from penstock.model.inplace import Makers
from penstock.model.spec import DEFAULT_BRANCH, Pipeline, Step

#: (pipeline, step)
Node = tuple[str, str]


class Arrow(Struct, frozen=True):
    """`node` waits for `upstream`: for its success, or only for its end."""

    node: Node
    upstream: Node
    needs: str


def arrows(pipelines: Iterable[Pipeline], *, deferred: bool = False) -> list[Arrow]:
    """Every edge: by `after`, files in place and user data inside a pipeline, by repos across all. One that is not said
    by `after` needs success.

    Who reads another branch than the one steps publish to waits for nobody: that branch moves later, by a trigger or
    by hand. With `deferred` such edges count too.
    """
    pipelines = list(pipelines)
    defaults = default_branches(pipelines)
    publishers = {step.output: (pipe.name, step.name) for pipe in pipelines for step in pipe.steps if step.publishes}
    writes = ((pipe.name, step) for pipe in pipelines for step in pipe.steps if step.outputs_data)
    writers = {(pipe, name): (pipe, step.name) for pipe, step in writes for name in step.outputs_data}
    found: dict[tuple[Node, Node], Arrow] = {}
    for pipeline in pipelines:
        makers = Makers(pipeline.steps)
        for step in pipeline.steps:
            node = (pipeline.name, step.name)
            for after in step.after:
                upstream = (pipeline.name, after.step)
                found[node, upstream] = Arrow(node, upstream, after.needs)
            for maker, _ in makers.upstream(step):
                upstream = (pipeline.name, maker)
                found[node, upstream] = Arrow(node, upstream, "success")
            for name in step.inputs_data:
                writer = writers.get((pipeline.name, name))
                if writer is not None and writer != node:
                    found[node, writer] = Arrow(node, writer, "success")
            for repo in read_by(step, defaults, deferred=deferred):
                source = publishers.get(repo)
                if source is not None:
                    found[node, source] = Arrow(node, source, "success")
    return list(found.values())


def default_branches(pipelines: Iterable[Pipeline]) -> dict[str, str]:
    """The default branches that pipelines declare: steps publish to these."""
    return {repo.name: repo.branch for pipeline in pipelines for repo in pipeline.repos}


def read_by(step: Step, defaults: Mapping[str, str], *, deferred: bool = False) -> set[str]:
    """The repos a step reads at the branch that steps publish to; with `deferred`, at any branch."""
    leaves = step.input.leaves() if step.input else ()
    return {leaf.repo for leaf in leaves if deferred or leaf.branch == defaults.get(leaf.repo, DEFAULT_BRANCH)}


def readers(pipelines: Iterable[Pipeline], heads: Collection[tuple[str, str]]) -> set[Node]:
    """The steps that read one of these (repo, branch) heads."""
    return {
        (pipeline.name, step.name)
        for pipeline in pipelines
        for step in pipeline.steps
        if step.input and any((leaf.repo, leaf.branch) in heads for leaf in step.input.leaves())
    }


def wave(seeds: Collection[Node], edges: Iterable[Arrow]) -> list[Node]:
    """Everything downstream of `seeds`, themselves included, each after what it waits for."""
    down: dict[Node, list[Node]] = {}
    up: dict[Node, list[Node]] = {}
    for edge in edges:
        down.setdefault(edge.upstream, []).append(edge.node)
        up.setdefault(edge.node, []).append(edge.upstream)
    reached: set[Node] = set()
    todo = list(seeds)
    while todo:
        node = todo.pop()
        if node not in reached:
            reached.add(node)
            todo += down.get(node, ())
    waits = {node: sum(source in reached for source in up.get(node, ())) for node in reached}
    ready = sorted((node for node, count in waits.items() if count == 0), reverse=True)
    order: list[Node] = []
    while ready:
        node = ready.pop()
        order.append(node)
        for reader in sorted(down.get(node, ()), reverse=True):
            waits[reader] -= 1
            if waits[reader] == 0:
                ready.append(reader)
    return order


def emptied(pipeline: Pipeline, again: Collection[str]) -> dict[str, str]:
    """The steps that must write once more what a start empties, as a step that runs `again` reads it, each with why."""
    ephemeral = {datum.name for datum in pipeline.data if datum.ephemeral}
    if not ephemeral:
        return {}
    readers = {item: step.name for step in pipeline.steps if step.name in again for item in step.inputs_data}
    return {
        step.name: f"a start empties {item}, which {readers[item]} reads"
        for step in pipeline.steps
        if step.name not in again
        for item in step.outputs_data
        if item in ephemeral and item in readers
    }


def cycle(edges: Mapping[Node, Collection[Node]]) -> list[Node]:
    """One cycle of a graph (node -> what it waits for), its first node again at the end; empty when there is none."""
    state: dict[Node, int] = {}
    for start in edges:
        if state.get(start):
            continue
        path: list[Node] = []
        stack: list[tuple[Node, bool]] = [(start, False)]
        while stack:
            node, leaving = stack.pop()
            if leaving:
                state[node] = 2
                path.pop()
                continue
            if state.get(node) == 1:
                return [*path[path.index(node) :], node]
            if state.get(node) == 2:
                continue
            state[node] = 1
            path.append(node)
            stack.append((node, True))
            stack += [(source, False) for source in edges.get(node, ())]
    return []
