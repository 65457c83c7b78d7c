"""What holds between the steps of a pipeline: they name steps and repos that exist, and nothing waits for itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NoReturn

from penstock.model.errors import BadSpec
from penstock.model.inplace import Makers
from penstock.model.spec import InPlace, InputSpec, RepoSpec, Step
from penstock.text.fields import nearest
from penstock.text.nodes import Node
from penstock.text.steps import after_places


def check_graph(
    steps: Mapping[str, Step], nodes: Mapping[str, Node], repos: Mapping[str, RepoSpec], known_repos: Collection[str]
) -> None:
    """Raise BadSpec at the first name or edge that is wrong; `nodes` are the steps as they stand in the file."""
    publishers, writers = _publishers(steps, nodes, repos), _writers(steps, nodes)
    _check_makers(steps)
    makers = Makers(steps.values())
    upstream: dict[str, dict[str, str]] = {}  # step -> step it needs -> where it says so
    for name, step in steps.items():
        edges = upstream[name] = {}
        for other, place in after_places(nodes[name].value["after"]).items() if step.after else ():
            if other not in steps:
                place.fail(f'step "{name}": after: there is no step "{other}"{nearest(other, steps)}')
            edges.setdefault(other, place.where)
        for maker, file in makers.upstream(step):
            edges.setdefault(maker, file.where)
        for document in step.inputs_data:
            writer = writers.get(document)
            if writer is not None and writer != name:
                edges.setdefault(writer, nodes[name].value["inputs_data"].where)
        for leaf in step.input.leaves() if step.input else ():
            if leaf.cron is not None and (leaf.repo in publishers or leaf.repo in repos):
                taken = f'its ticks would go to "{leaf.repo}", which is a repo of something else'
                _fail(name, leaf, f"{taken}; use another `as`")
            if leaf.repo == step.output:
                _fail(name, leaf, f'the step publishes "{leaf.repo}" itself; it cannot read what it writes')
            if leaf.repo in publishers:
                edges.setdefault(publishers[leaf.repo].name, leaf.where)
            elif leaf.cron is None and leaf.repo not in repos and leaf.repo not in known_repos:
                known = {*publishers, *repos, *known_repos} - {step.output or ""}
                _fail(name, leaf, f'there is no repo "{leaf.repo}"{nearest(leaf.repo, known)}')
    _check_cycles(upstream)


def _fail(step: str, leaf: InputSpec, message: str) -> NoReturn:
    raise BadSpec(f'step "{step}": input: {message}', leaf.where)


def _publishers(steps: Mapping[str, Step], nodes: Mapping[str, Node], repos: Mapping[str, RepoSpec]) -> dict[str, Step]:
    publishers: dict[str, Step] = {}
    for name, step in steps.items():
        if step.output is None:
            continue
        place = _output_place(step, nodes[name])
        other = publishers.setdefault(step.output, step)
        if other is not step:
            taken = f'step "{other.name}" does at {_output_place(other, nodes[other.name])}'
            raise BadSpec(f'step "{name}": it publishes to "{step.output}" as {taken}; use another `output`', place)
        linked = repos.get(step.output)
        if linked and linked.path is not None:
            message = f'"{step.output}" is linked to the directory "{linked.path}" at {linked.where}'
            raise BadSpec(f'step "{name}": {message}, a step cannot publish to it; use another `output`', place)
    return publishers


def _writers(steps: Mapping[str, Step], nodes: Mapping[str, Node]) -> dict[str, str]:
    """Which step writes which user data."""
    writers: dict[str, str] = {}
    for name, step in steps.items():
        for document in step.outputs_data:
            other = writers.setdefault(document, name)
            if other != name:
                place = nodes[name].value["outputs_data"]
                theirs = nodes[other].value["outputs_data"].where
                place.fail(f'step "{name}": it writes user data "{document}", as step "{other}" does at {theirs}')
    return writers


def _check_makers(steps: Mapping[str, Step]) -> None:
    makers: dict[str, tuple[str, InPlace]] = {}
    for name, step in steps.items():
        for file in step.outputs:
            other, theirs = makers.setdefault(file.path, (name, file))
            if other != name:
                message = f'step "{name}": outputs: step "{other}" makes "{file.path}", too, at {theirs.where}'
                raise BadSpec(message, file.where)


def _output_place(step: Step, node: Node) -> str:
    place: Node | None = node.value.get("output")
    return place.where if place else step.where


def _check_cycles(upstream: Mapping[str, Mapping[str, str]]) -> None:
    done: set[str] = set()
    for first in upstream:
        path: dict[str, None] = {}
        todo = [(first, iter(upstream[first]))] if first not in done else []
        while todo:
            name, others = todo[-1]
            path[name] = None
            other = next(others, None)
            if other is None:
                todo.pop()
                path.pop(name)
                done.add(name)
            elif other in path:
                names = list(path)
                _fail_cycle(names[names.index(other) :], upstream)
            elif other not in done:
                todo.append((other, iter(upstream[other])))


def _fail_cycle(cycle: list[str], upstream: Mapping[str, Mapping[str, str]]) -> NoReturn:
    """Name a cycle, each step followed by the one that comes after it, from the step first in the file."""
    order = {name: place for place, name in enumerate(upstream)}
    start = cycle.index(min(cycle, key=order.__getitem__))
    backwards = [*cycle[start:], *cycle[: start + 1]]
    where = upstream[backwards[0]][backwards[1]]
    raise BadSpec(f"the steps wait for each other in a cycle: {' -> '.join(reversed(backwards))}", where)
