"""`jobs list|disable|enable|run|add-user-data|list-user-data`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from penstock.compat.torc.commands.base import (
    JOBS,
    MOST,
    Root,
    page_options,
    project,
    read_duration,
    read_objects,
    task_data,
)

if TYPE_CHECKING:
    from penstock.compat.torc.keys import Workflow
    from penstock.model.spec import Step
    from penstock.service.parts import Parts

_COLUMNS = ("index", "name", "key", "status", "run_id", "command")


@JOBS.command("list")
@click.option(
    "-f", "--filter", "filters", multiple=True, metavar="COLUMN=VALUE", help="Only such jobs, as status=done."
)
@page_options
@click.pass_obj
def list_(root: Root, filters: tuple[str, ...], limit: int | None, skip: int) -> None:
    """List the jobs of the workflow."""
    from itertools import islice

    from penstock.compat.torc.keys import workflow
    from penstock.compat.torc.show import rows

    wanted = [_filter(text) for text in filters]
    with project() as parts:
        all_jobs = _rows(parts, workflow(parts, root.key))
        found = (row for row in all_jobs if all(str(row[name]) == value for name, value in wanted))
        print(rows(root.form, "jobs", _COLUMNS, list(islice(found, skip, None if limit is None else skip + limit))))


def _filter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or name not in _COLUMNS:
        raise click.UsageError(f"-f {text}: expected COLUMN=VALUE; columns are {', '.join(_COLUMNS)}")
    return name, value


def _command(step: Step) -> str:
    """A command as a line for a shell; one that is nothing but such a line, as it was written."""
    import shlex

    shell = step.run[:2] in (("sh", "-c"), ("bash", "-c")) and len(step.run) == 3
    return step.run[2] if shell else shlex.join(step.run)


def _rows(parts: Parts, flow: Workflow) -> list[dict[str, Any]]:
    from penstock.compat.torc.keys import standing
    from penstock.model.run import Run

    state = standing(parts, flow)
    numbers: dict[str, int | None] = {}
    for job in state.jobs.values():
        if job.run not in numbers:
            numbers[job.run] = parts.store.load(Run, "run", id=job.run)[0].number
    return [
        {
            "index": place,
            "name": step.name,
            "key": str(flow.keys[step.name]),
            "status": state.statuses[step.name],
            "run_id": numbers[state.jobs[step.name].run] if step.name in state.jobs else 0,
            "command": _command(step),
        }
        for place, step in enumerate(flow.spec.steps, 1)
    ]


@JOBS.command("disable")
@click.argument("keys", metavar="KEY...", nargs=-1, required=True)
@click.pass_obj
def disable(root: Root, keys: tuple[str, ...]) -> None:
    """Let runs pass by jobs: what is behind them does not wait for them."""
    from penstock.service.opening import disabling

    with project() as parts:
        _switch(parts, root, keys, disabling.disable, "Disabled")


@JOBS.command("enable")
@click.argument("keys", metavar="KEY...", nargs=-1, required=True)
@click.pass_obj
def enable(root: Root, keys: tuple[str, ...]) -> None:
    """Let runs have disabled jobs again."""
    from penstock.service.opening import disabling

    with project() as parts:
        _switch(parts, root, keys, disabling.enable, "Enabled")


def _switch(parts: Parts, root: Root, keys: tuple[str, ...], change: Any, said: str) -> None:
    from penstock.compat.torc.keys import job
    from penstock.compat.torc.show import as_json, log

    found = [job(parts, key, root.key) for key in keys]
    for flow, step in found:
        change(parts, step.name, flow.name)
    if root.form == "json":
        print(as_json({"keys": [str(flow.keys[step.name]) for flow, step in found]}))
        return
    for flow, step in found:
        log("jobs", f"{said} job key={flow.keys[step.name]}")


@JOBS.command("run")
@click.option(
    "-t", "--time-limit", "limit", callback=read_duration, metavar="TIME", help="Leave after it, such as P0DT1H or 1h."
)
@click.option("-c", "--num-cpus", "cpus", type=click.IntRange(1, MOST), help="Use at most so many of this machine.")
@click.pass_obj
def run(root: Root, limit: float | None, cpus: int | None = None) -> None:
    """Work on the started run of the workflow, here, until it is complete.

    Jobs that support termination are told to leave before the time limit; at the limit the rest is given back for the
    next worker, and the exit code is 124.
    """
    from penstock.compat.torc.keys import standing, workflow
    from penstock.compat.torc.show import log
    from penstock.model.errors import Interrupted, Refused
    from penstock.model.run import Run
    from penstock.service.driving.watch import follow_or_drive, short_of_grace

    with project() as parts:
        parts.cpus = cpus
        flow = workflow(parts, root.key)
        active = [item for item in parts.store.load(Run, "active_runs") if item.pipeline == flow.name]
        if not active:
            raise Refused(f"workflow {flow.name!r} has no run that is started; `torc -k {flow.key} workflows start`")
        for warning in short_of_grace(parts, [item.id for item in active], limit) if limit is not None else ():
            log("jobs", warning)
        try:
            follow_or_drive(parts, [item.id for item in active], None, limit, ends=limit is not None)
        except KeyboardInterrupt:
            raise Interrupted("stopped working; `torc jobs run` goes on") from None
        statuses = standing(parts, flow).statuses.values()
        counts = ", ".join(f"{word}={list(statuses).count(word)}" for word in sorted(set(statuses)))
        log("jobs", f"Workflow key={flow.key} run_id={active[-1].number} is complete: {counts}")


@JOBS.command("add-user-data")
@click.argument("job_key", metavar="JOB")
@click.argument("objects", metavar="DATA...", nargs=-1, required=True)
@click.pass_obj
def add_user_data(root: Root, job_key: str, objects: tuple[str, ...]) -> None:
    """Make a document of a job of each JSON5 object DATA; - is standard input.

    In a task JOB is its own, $TORC_JOB_KEY: the documents get their keys when it ends.
    """
    from penstock.compat.torc.keys import job
    from penstock.compat.torc.show import as_json, log
    from penstock.service.userdata import documents as userdata

    values = read_objects(objects)
    here = task_data()
    if here is not None:
        _check_own(job_key)
        made, key = [here.add(value) for value in values], job_key
    else:
        with project() as parts:
            flow, step = job(parts, job_key, root.key)
            rows = userdata.add(parts, values, pipeline=flow.name, step=step.name)
            made, key = [str(item.seq) for item in rows], str(flow.keys[step.name])
    if root.form == "json":
        print(as_json({"keys": made}))
        return
    for name in made:
        log("jobs", f"Added user_data key={name} to job key={key}")


@JOBS.command("list-user-data")
@click.argument("job_key", metavar="JOB")
@click.pass_obj
def list_user_data(root: Root, job_key: str) -> None:
    """Print the documents of a job. In a task: all that it was given and what it wrote."""
    from penstock.compat.torc.keys import job
    from penstock.compat.torc.show import as_json, document
    from penstock.model.documents import read_body
    from penstock.service.userdata import documents as userdata

    here = task_data()
    if here is not None:
        _check_own(job_key)
        print(as_json([document(name, 0, here.get(name)) for name in here.names()]))
        return
    with project() as parts:
        flow, step = job(parts, job_key, root.key)
        found = userdata.every(parts, flow.name, step.name)
        print(as_json([document(str(item.seq), item.revision, read_body(item.body)) for item in found]))


def _check_own(job_key: str) -> None:
    from penstock.model.errors import Refused

    own = os.environ.get("TORC_JOB_KEY")
    if job_key != own:
        raise Refused(f"a task has the user data of its own job, {own or 'which has no key'}, not that of {job_key}")
