"""`workflows create-from-json-file|start|restart|show-status|reset-status|cancel|list`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from penstock.compat.torc.commands.base import WORKFLOWS, Root, project, read_file, tell

if TYPE_CHECKING:
    from penstock.model.run import Run
    from penstock.service.parts import Parts

_COLUMNS = ("index", "name", "key", "user", "description", "timestamp")


@WORKFLOWS.command("create-from-json-file")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.pass_obj
def create(root: Root, file: Path) -> None:
    """Make a workflow of a definition in YAML, JSON or JSON5; its first run waits to be started."""
    from penstock.compat.torc.keys import workflow
    from penstock.compat.torc.show import as_json, log
    from penstock.compat.torc.spec import pipeline_in
    from penstock.service.opening.drafts import draft
    from penstock.service.opening.given import Given, put_in_force

    found = read_file(file, file.stem)
    with project() as parts:
        spec = pipeline_in(found, file.stem, str(parts.layout.root))
        tell(found.notes)
        put_in_force(parts, Given(spec, f"torc: {file}"))
        draft(parts, spec.name)
        key = workflow(parts, spec.name).key
    if root.form == "json":
        print(as_json({"filename": str(file), "key": str(key)}))
    else:
        log("workflows", f"Created a workflow from {file} with key={key}")


_ignore = click.option(
    "-i", "--ignore-missing-data", "ignore", is_flag=True, help="Start though a job reads user data that nothing fills."
)


@WORKFLOWS.command("start")
@_ignore
@click.pass_obj
def start(root: Root, ignore: bool) -> None:
    """Start the run that waits, or a new one over all jobs; `jobs run` works on it."""
    from penstock.compat.torc.keys import workflow
    from penstock.compat.torc.missing import check_filled
    from penstock.service.opening import drafts

    with project() as parts:
        flow = workflow(parts, root.key)
        name, waits = flow.name, drafts.draft_of(parts, flow.name)
        drafts.check_idle(parts, name)
        if not ignore:
            check_filled(parts, flow, lambda: drafts.steps_of(parts, waits) if waits else flow.keys)
        if waits is None:
            drafts.draft(parts, name)
        _started(parts, root, drafts.start(parts, name), "Started")


@WORKFLOWS.command("restart")
@click.option("-d", "--dry-run", is_flag=True, help="Only print which jobs would run, and why.")
@_ignore
@click.pass_obj
def restart(root: Root, dry_run: bool, ignore: bool) -> None:
    """Start the run that waits after `reset-status`, or one over what failed or changed and all downstream."""
    from penstock.compat.torc.keys import workflow
    from penstock.compat.torc.missing import check_filled
    from penstock.compat.torc.show import log, rows
    from penstock.service.opening import drafts
    from penstock.service.opening.restart import in_force, look
    from penstock.service.opening.restart import restart as open_again

    with project() as parts:
        flow = workflow(parts, root.key)
        name, waits = flow.name, drafts.draft_of(parts, flow.name)

        def again() -> dict[str, str]:
            if waits:
                return dict.fromkeys(drafts.steps_of(parts, waits), "it was reset")
            return look(parts, in_force(parts, name)).again

        if dry_run:
            would = again()
            found = [{"index": place, "name": job, "reason": why} for place, (job, why) in enumerate(would.items(), 1)]
            print(rows(root.form, "jobs", ("index", "name", "reason"), found))
            return
        drafts.check_idle(parts, name)
        if not ignore:
            check_filled(parts, flow, again)
        run = drafts.start(parts, name) if waits else open_again(parts, in_force(parts, name))
        if run is None:
            log("workflows", "Nothing failed or changed; there is nothing to run")
        else:
            _started(parts, root, run, "Restarted")


def _started(parts: Parts, root: Root, run: Run, said: str) -> None:
    from penstock.compat.torc.keys import workflow
    from penstock.compat.torc.show import as_json, log

    key = workflow(parts, run.pipeline).key
    if root.form == "json":
        print(as_json({"key": str(key), "run_id": run.number}))
    else:
        log("workflows", f"{said} workflow key={key} run_id={run.number}")


@WORKFLOWS.command("reset-status")
@click.option("-f", "--failed-only", is_flag=True, help="Only jobs that did not succeed, and all downstream.")
@click.option("-r", "--restart", "go_on", is_flag=True, help="Start the run, too.")
@click.pass_obj
def reset_status(root: Root, failed_only: bool, go_on: bool) -> None:
    """Write down the next run, over all jobs; `restart` starts it."""
    from penstock.compat.torc.keys import workflow
    from penstock.compat.torc.missing import check_filled
    from penstock.compat.torc.show import as_json, log
    from penstock.service.opening import drafts

    with project() as parts:
        flow = workflow(parts, root.key)
        drafted = drafts.draft(parts, flow.name, failed_only=failed_only)
        if go_on:
            check_filled(parts, flow, lambda: drafted.steps)
            _started(parts, root, drafts.start(parts, flow.name), "Restarted")
        elif root.form == "json":
            print(as_json({"key": str(flow.key), "jobs": list(drafted.steps)}))
        else:
            log("workflows", f"Reset {len(drafted.steps)} jobs of workflow key={flow.key} to uninitialized")


@WORKFLOWS.command("cancel")
@click.argument("keys", metavar="[KEY...]", nargs=-1)
@click.pass_obj
def cancel(root: Root, keys: tuple[str, ...]) -> None:
    """End the runs of workflows: what is in flight is told to leave, what waits is canceled."""
    from penstock.compat.torc.keys import workflow
    from penstock.compat.torc.show import as_json, log
    from penstock.model.errors import Refused
    from penstock.model.run import Run
    from penstock.service.driving.control import stop

    with project() as parts:
        flows = [workflow(parts, key) for key in keys or (root.key,)]
        for flow in flows:
            active = [run for run in parts.store.load(Run, "active_runs") if run.pipeline == flow.name]
            if not active:
                raise Refused(f"workflow {flow.name!r} has no run that is started and not complete")
            for run in active:
                stop(parts, run.id)
            if root.form != "json":
                log("workflows", f"Canceled workflow key={flow.key}")
    if root.form == "json":
        print(as_json({"keys": [str(flow.key) for flow in flows]}))


@WORKFLOWS.command("show-status")
@click.pass_obj
def show_status(root: Root) -> None:
    """Print how the workflow stands."""
    from penstock.compat.torc.keys import standing, workflow
    from penstock.compat.torc.show import as_json, mapping
    from penstock.compat.torc.words import ENDS, STATUSES

    with project() as parts:
        flow = workflow(parts, root.key)
        state = standing(parts, flow)
    words = list(state.statuses.values())
    run = state.run
    found: dict[str, Any] = {
        "key": str(flow.key),
        "name": flow.name,
        "run_id": run.number if run else 0,
        "is_canceled": run is not None and run.stop is not None,
        "is_complete": all(word in ENDS or word == "disabled" for word in words),
        "jobs": {word: words.count(word) for word in STATUSES if word in words},
    }
    print(as_json(found) if root.form == "json" else mapping(found))


@WORKFLOWS.command("list")
@click.pass_obj
def list_(root: Root) -> None:
    """List the workflows of the project."""
    from penstock.compat.torc.keys import workflow
    from penstock.compat.torc.show import rows
    from penstock.model.views import show_time

    with project() as parts:
        found = []
        for place, row in enumerate(parts.store.fetch("pipelines"), 1):
            flow = workflow(parts, row["name"])
            owner = parts.store.fetch("pipeline", name=row["name"])[0]["owner"]
            found.append(
                {
                    "index": place,
                    "name": flow.name,
                    "key": str(flow.key),
                    "user": owner,
                    "description": flow.spec.description,
                    "timestamp": show_time(row["created"]),
                }
            )
    print(rows(root.form, "workflows", _COLUMNS, found))
