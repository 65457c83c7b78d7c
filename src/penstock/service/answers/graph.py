"""`graph`: the repos and steps of pipelines, and what goes from one to the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from penstock.engine.graph import Node, default_branches, wave
from penstock.engine.graph import arrows as waits
from penstock.model.inplace import Makers
from penstock.model.spec import DEFAULT_BRANCH, InputSpec, Pipeline, combinations_count
from penstock.model.views import GraphEdge, GraphNode, GraphView
from penstock.service.opening.freeze import read_file
from penstock.service.parts import Parts


def graph(parts: Parts, named: Path | None, *, every: bool = False) -> GraphView:
    """The pipeline of the file named, else of the one here, as it is now; with `every`, beside all others in force.

    Raises NotFound if there is no such file, BadSpec.
    """
    others = {spec.name: spec for _, spec in parts.pipelines().values()} if every else {}
    pipeline = read_file(parts, named)
    return graph_of([*(spec for name, spec in others.items() if name != pipeline.name), pipeline])


def graph_of(pipelines: Iterable[Pipeline]) -> GraphView:
    """The graph of some pipelines; what others publish are repos in it."""
    pipelines = list(pipelines)
    defaults = default_branches(pipelines)
    publishers = {step.output: (pipe.name, step.name) for pipe in pipelines for step in pipe.steps if step.publishes}
    edges: list[GraphEdge] = []
    repos: dict[str, GraphNode] = {}
    for pipeline in pipelines:
        for step in pipeline.steps:
            target = _id((pipeline.name, step.name))
            for leaf in step.input.leaves() if step.input else ():
                publisher = publishers.get(leaf.repo)
                source = _id(publisher) if publisher else f"repo:{leaf.repo}"
                if publisher is None:
                    repos.setdefault(leaf.repo, GraphNode(source, "repo", leaf.repo))
                edges.append(GraphEdge(source, target, _reading(leaf, defaults.get(leaf.repo, DEFAULT_BRANCH))))
        edges += _beside_repos(pipeline)
    steps = {(pipe.name, step.name): step for pipe in pipelines for step in pipe.steps}
    nodes = [
        GraphNode(
            _id(node),
            "step",
            node[1],
            node[0],
            combinations_count(steps[node].each) if steps[node].each else None,
            steps[node].output,
        )
        for node in wave(list(steps), waits(pipelines, deferred=True))
    ]
    return GraphView((*repos.values(), *nodes), tuple(dict.fromkeys(edges)))


def _beside_repos(pipeline: Pipeline) -> Iterator[GraphEdge]:
    """What goes from step to step of a pipeline without a repo: their order, files in place, user data."""
    writers = {name: step.name for step in pipeline.steps for name in step.outputs_data}
    makers = Makers(pipeline.steps)
    for step in pipeline.steps:
        target = _id((pipeline.name, step.name))
        for after in step.after:
            label = "after" if after.needs == "success" else "after the end"
            yield GraphEdge(_id((pipeline.name, after.step)), target, label, after.needs)
        found = [(maker, file.path) for maker, file in makers.upstream(step)]
        found += [(writers[name], name) for name in step.inputs_data if writers.get(name, step.name) != step.name]
        for source, label in found:
            yield GraphEdge(_id((pipeline.name, source)), target, label)


def _id(node: Node) -> str:
    return ".".join(node)


def _reading(leaf: InputSpec, default: str) -> str:
    branch = "" if leaf.branch == default else f"@{leaf.branch}"
    return f"{leaf.repo}{branch}:{leaf.glob}"
