"""`results list`, `events list`, `resource-requirements add|list`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from penstock.compat.torc.commands.base import (
    EVENTS,
    RESOURCES,
    RESULTS,
    Root,
    by_option,
    named_options,
    page_options,
    project,
    read_duration,
    read_memory,
)

if TYPE_CHECKING:
    from penstock.compat.torc.keys import Workflow
    from penstock.model.spec import Pipeline
    from penstock.service.parts import Parts

_RESULTS = (
    *("index", "job_name", "job_key", "run_id", "return_code", "exec_time_minutes"),
    *("completion_time", "status", "key"),
)
_EVENTS = ("index", "timestamp", "category", "type", "name", "data", "key")
_RESOURCES = ("index", "name", "num_cpus", "num_gpus", "num_nodes", "memory", "runtime", "key")
#: How many rows are read at once.
PAGE = 10_000


@RESULTS.command("list")
@click.option("-L", "--latest-only", "latest", is_flag=True, help="Only the newest result of each job.")
@page_options
@click.pass_obj
def list_results(root: Root, latest: bool, limit: int | None, skip: int) -> None:
    """List how jobs ended, in every run."""
    from penstock.compat.torc.keys import workflow

    with project() as parts:
        found = _results(parts, workflow(parts, root.key))
        if latest:
            found = iter({row["job_key"]: row for row in found}.values())
        _show(root, "results", _RESULTS, found, limit, skip)


def _results(parts: Parts, flow: Workflow) -> Iterator[dict[str, Any]]:
    from penstock.compat.torc.words import job_status, return_code
    from penstock.model.moves import JobState
    from penstock.model.views import show_time

    for row in _pages(lambda after: parts.store.fetch("results", pipeline=flow.name, after=after, limit=PAGE)):
        status = job_status(JobState.DONE, row["outcome"], row["reason"])
        if row["step"] not in flow.keys or (status == "canceled" and not row["ran"]):
            continue
        yield {
            "job_name": row["step"],
            "job_key": str(flow.keys[row["step"]]),
            "run_id": row["number"],
            "return_code": return_code(row["outcome"], row["reason"], row["exit_code"]),
            "exec_time_minutes": round(row["process_seconds"] / 60, 4),
            "completion_time": show_time(row["finished"]),
            "status": status,
            "key": str(row["seq"]),
        }


@EVENTS.command("list")
@page_options
@click.pass_obj
def list_events(root: Root, limit: int | None, skip: int) -> None:
    """List what happened in the runs of the workflow."""
    from penstock.compat.torc.keys import workflow

    with project() as parts:
        _show(root, "events", _EVENTS, _events(parts, workflow(parts, root.key)), limit, skip)


def _events(parts: Parts, flow: Workflow) -> Iterator[dict[str, Any]]:
    from penstock.model.views import show_time

    def pages(after: int) -> list[dict[str, Any]]:
        return parts.store.fetch("events_of_pipeline", pipeline=flow.name, after=after, limit=PAGE)

    for row in _pages(pages):
        category, _, kind = row["kind"].partition(".")
        yield {
            "timestamp": show_time(row["at"]),
            "category": "workflow" if category == "run" else category,
            "type": kind,
            "name": row["subject"],
            "data": json.loads(row["data"]),
            "key": str(row["seq"]),
        }


def _pages(ask: Callable[[int], list[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    after = 0
    while page := ask(after):
        yield from page
        after = page[-1]["seq"]


def _show(
    root: Root,
    name: str,
    heads: tuple[str, ...],
    found: Iterator[dict[str, Any]],
    limit: int | None,
    skip: int,
) -> None:
    from penstock.compat.torc.show import rows

    some = islice(found, skip, None if limit is None else skip + limit)
    print(rows(root.form, name, heads, [{"index": place, **row} for place, row in enumerate(some, skip + 1)]))


@RESOURCES.command("add")
@click.option("-n", "--name", required=True, metavar="NAME", help="What jobs call them.")
@click.option("-c", "--num-cpus", "cpus", type=click.IntRange(1), default=1, show_default=True)
@click.option("-g", "--num-gpus", "gpus", type=click.IntRange(0), default=0, show_default=True)
@click.option("-N", "--num-nodes", "nodes", type=click.IntRange(1), default=1, show_default=True)
@click.option("-m", "--memory", callback=read_memory, help="k, m, g and t are powers of 1024; else there is no limit.")
@click.option("-r", "--runtime", callback=read_duration, default="P0DT1M", show_default=True, help="ISO 8601.")
@click.option("-a", "--apply-to-all-jobs", "all_jobs", is_flag=True, help="All jobs of the workflow have them.")
@click.pass_obj
def add_resources(
    root: Root, name: str, cpus: int, gpus: int, nodes: int, memory: int | None, runtime: float, all_jobs: bool
) -> None:
    """Give resources a name, in a new version of the workflow's pipeline."""
    from msgspec.structs import replace

    from penstock.compat.torc.keys import workflow
    from penstock.compat.torc.show import as_json, log
    from penstock.model.errors import AlreadyExists
    from penstock.model.spec import ResourceSet
    from penstock.service.opening.given import Given, put_in_force
    from penstock.text.nodes import made
    from penstock.text.resources import read_sets

    said = by_option(
        {
            "cpus": ("-c", cpus),
            "gpus": ("-g", gpus),
            "nodes": ("-N", nodes),
            "memory": ("-m", memory),
            "time": ("-r", runtime),
        }
    )
    with named_options():
        (wanted,) = read_sets(made({name: said}, said), "resources").values()
    with project() as parts:
        flow = workflow(parts, root.key)
        if name in {item.name for item in flow.spec.resource_sets}:
            raise AlreadyExists(f"workflow {flow.name!r} has resource requirements {name!r} already")
        spec = replace(flow.spec, resource_sets=(*flow.spec.resource_sets, ResourceSet(name, wanted)))
        if all_jobs:
            _check_nodes(spec, wanted.nodes)
            steps = (replace(step, resources=wanted) for step in spec.steps)
            spec = replace(spec, steps=tuple(steps))
        put_in_force(parts, Given(spec, parts.version(flow.name, flow.version).file), update=True)
    if root.form == "json":
        print(as_json({"key": name}))
    else:
        log("resources", f"Added resource_requirements key={name}")


def _check_nodes(spec: Pipeline, nodes: int) -> None:
    """Each job of a workflow could have so many nodes. Raises Refused."""
    from penstock.model.errors import Refused

    for step in spec.steps if nodes > 1 else ():
        site = spec.site(step.site)
        if site is None or site.per == "node":
            raise Refused(f"job {step.name!r} runs at {step.site}, where a task has one node; leave out -a")


@RESOURCES.command("list")
@page_options
@click.pass_obj
def list_resources(root: Root, limit: int | None, skip: int) -> None:
    """List the named resources of the workflow; their names are their keys."""
    from penstock.compat.torc.keys import workflow

    with project() as parts:
        spec = workflow(parts, root.key).spec
    sets = (_resources(item.name, item.resources) for item in spec.resource_sets)
    _show(root, "resource_requirements", _RESOURCES, sets, limit, skip)


def _resources(name: str, said: Any) -> dict[str, Any]:
    from penstock.compat.torc.units import NOT_SAID, show_memory, show_runtime

    return {
        "name": name,
        "num_cpus": said.cpus,
        "num_gpus": said.gpus,
        "num_nodes": said.nodes,
        "memory": show_memory(said.memory or NOT_SAID),
        "runtime": None if said.time is None else show_runtime(said.time),
        "key": name,
    }
