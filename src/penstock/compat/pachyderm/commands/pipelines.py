"""`list/inspect/create/update/delete/stop/start/run pipeline`, `run cron`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec import Struct

from penstock.compat.pachyderm.commands.base import (
    CREATE,
    DELETE,
    INSPECT,
    LIST,
    RUN,
    START,
    STOP,
    UPDATE,
    ancestor,
    force_option,
    full_option,
    history_option,
    project,
    raw_option,
    say,
    show_json,
    talk,
)

if TYPE_CHECKING:
    from penstock.compat.pachyderm.spec import Read
    from penstock.model.run import Job, Run
    from penstock.model.spec import Pipeline, Step
    from penstock.service.parts import Parts

_file_option = click.option("-f", "--file", "files", multiple=True, required=True, metavar="FILE", help="JSON or YAML.")
env_option = click.option(
    "--env", type=click.Choice(["inherit"]), help="Commands run on this machine as it is, not in their images."
)


dry_option = click.option("--dry-run", "dry", is_flag=True, help="Make nothing; print the specs that would hold.")


def read_files(files: tuple[str, ...], bare: bool = False) -> Read:
    """The pipelines in some spec files, `bare` without images; `-` is standard input. What is left out is told.

    Raises NotFound, UsageError, BadSpec.
    """
    from penstock.compat.pachyderm.spec import read_specs
    from penstock.service.data.sources import no_file

    contents = []
    for file in files:
        if file == "-":
            contents.append((sys.stdin.buffer.read(), "stdin"))
        elif not (Path(file).is_file() or Path(file).is_fifo()):
            raise no_file(Path(file), "no such spec file")
        else:
            contents.append((Path(file).read_bytes(), file))
    read = read_specs(contents, bare=bare)
    for note in read.notes:
        talk(note)
    return read


def _install(files: tuple[str, ...], env: str | None, raw: bool, dry: bool, update: bool, reprocess: bool) -> None:
    from penstock.compat.pachyderm.back import spec_json
    from penstock.model.run import Repo
    from penstock.service.opening.given import Given, install

    read = read_files(files)
    with project() as parts:
        known = [repo.name for repo in parts.store.load(Repo, "repos")]
        pipelines = read.pipelines(known, lambda name: (parts.layout.root / name).is_file())
        given = [
            Given(pipeline, f"pachctl: {spec.key.file}") for pipeline, spec in zip(pipelines, read.specs, strict=True)
        ]
        versions, run = install(parts, given, update=update, reprocess=reprocess, inherit=env is not None, dry=dry)
        if dry:
            show_json(spec_json(pipeline, step) for pipeline in pipelines for step in pipeline.steps)
            return
        if raw:
            show_json(_json(parts, _named(parts, version.pipeline)) for version in versions)
        if run is not None:
            _tell_run(run)


def _tell_run(run: Run) -> None:
    talk(f"opened job {run.id}; `pachctl wait job {run.id}` sees it through")


@CREATE.command("pipeline")
@_file_option
@env_option
@dry_option
@raw_option
def create_pipeline(files: tuple[str, ...], env: str | None, dry: bool, raw: bool) -> None:
    """Put the pipelines of spec files in force, with one job of each at the heads as they are."""
    _install(files, env, raw, dry, update=False, reprocess=False)


@UPDATE.command("pipeline")
@_file_option
@env_option
@click.option("--reprocess", is_flag=True, help="Work on every datum again.")
@dry_option
@raw_option
def update_pipeline(files: tuple[str, ...], env: str | None, reprocess: bool, dry: bool, raw: bool) -> None:
    """Put new versions of pipelines in force. Jobs of older versions that are not done end."""
    _install(files, env, raw, dry, update=True, reprocess=reprocess)


class Named(Struct, frozen=True):
    """A step in force, as the pipeline it is to Pachyderm. `alone`: its pipeline has no other step."""

    pipeline: Pipeline
    version: int
    step: Step
    created: int
    stopped: bool

    @property
    def alone(self) -> bool:
        return len(self.pipeline.steps) == 1


def _every(parts: Parts, history: int | None = 0) -> list[Named]:
    """All steps in force by name; with `history` also in that many earlier versions (None: all), the newest first."""
    from itertools import islice

    from penstock.model.run import Version

    found = []
    for row in parts.store.fetch("pipelines"):
        numbers = [row["version"]]
        if history != 0:
            numbers = [version.number for version in parts.store.load(Version, "versions", pipeline=row["name"])]
        for number in islice(numbers, None if history is None else history + 1):
            spec = parts.pipeline(row["name"], number)
            found += [Named(spec, number, step, row["created"], row["stopped"] is not None) for step in spec.steps]
    return sorted(found, key=lambda item: (item.step.name, -item.version))


def _named(parts: Parts, name: str) -> Named:
    from penstock.model.errors import NotFound
    from penstock.service.resolve import suggestion

    known = {item.step.name: item for item in _every(parts)}
    if name not in known:
        raise NotFound(f"there is no pipeline {name!r}{suggestion(name, known)}")
    return known[name]


def versioned(parts: Parts, text: str) -> Named:
    """A pipeline, or with `NAME^1` as it was some versions ago. Raises NotFound, BadReference."""
    from penstock.model.errors import NotFound

    name, back = ancestor(text)
    newest = _named(parts, name)
    if not back:
        return newest
    of = newest.pipeline.name
    older = [item for item in _every(parts, None) if item.step.name == name and item.pipeline.name == of]
    if back >= len(older):
        raise NotFound(f"pipeline {name!r} has {len(older) - 1} earlier versions, not {back}")
    return older[back]


def _alone(parts: Parts, name: str) -> str:
    """The pipeline of ours that has this step and no other. Raises NotFound, Refused."""
    from penstock.model.errors import Refused

    found = _named(parts, name)
    if not found.alone:
        raise Refused(
            f"{name!r} is a step of pipeline {found.pipeline.name!r}, which has others; use `penstock` for that one"
        )
    return found.pipeline.name


def _last_job(parts: Parts, item: Named) -> Job | None:
    """The newest job of a pipeline; of an earlier version its last one."""
    from penstock.compat.pachyderm.commands.jobs import jobs_of

    newest = parts.pipelines()[item.pipeline.name][0]
    jobs = (job for job in jobs_of(parts, item.step.name) if job.pipeline == item.pipeline.name)
    return next((job for job in jobs if item.version == newest or job.version <= item.version), None)


def _states(item: Named, last: Job | None) -> tuple[str, str | None]:
    """What the pipeline is doing, and how its newest job stands."""
    from penstock.compat.pachyderm.infos import state_of
    from penstock.compat.pachyderm.words import pipeline_state
    from penstock.model.moves import JobState

    active = last is not None and last.state != JobState.DONE
    return pipeline_state(item.stopped, active), state_of(last) if last else None


def _json(parts: Parts, item: Named) -> dict[str, Any]:
    from penstock.compat.pachyderm.infos import input_json, salt_of, transform_json
    from penstock.model.views import show_time

    state, last = _states(item, _last_job(parts, item))
    details = {
        "transform": transform_json(item.step),
        "created_at": show_time(item.created),
        "input": input_json(item.step.input),
        "description": item.pipeline.description or None,
        "datum_tries": str(item.step.retry.tries),
        "salt": salt_of(parts.version(item.pipeline.name, item.version)),
    }
    return {
        "pipeline": {"name": item.step.name},
        "version": str(item.version),
        "state": f"PIPELINE_{state}",
        **({"stopped": True} if item.stopped else {}),
        **({"last_job_state": f"JOB_{last}"} if last else {}),
        "details": {key: value for key, value in details.items() if value is not None},
    }


def _spec(item: Named) -> dict[str, Any]:
    """What makes a pipeline; what it does beyond that is told."""
    from penstock.compat.pachyderm.back import says_all, spec_json

    if not says_all(item.pipeline, item.step):
        whole = f"see `penstock pipeline show {item.pipeline.name}`"
        talk(f"{item.step.name}: this is not all that it says, as a spec has no words for it; {whole}")
    return spec_json(item.pipeline, item.step)


@LIST.command("pipeline")
@click.argument("name", metavar="[PIPELINE[^N]]", required=False)
@click.option("-s", "--spec", "as_spec", is_flag=True, help="Print the specs that make them.")
@history_option("none", "So many earlier versions, too")
@full_option
@raw_option
def list_pipeline(name: str | None, as_spec: bool, history: int | None, full: bool, raw: bool) -> None:
    """List the pipelines in force by name."""
    from penstock.compat.pachyderm.infos import input_text
    from penstock.compat.pachyderm.show import NOTHING, ago, table

    with project() as parts:
        found = _every(parts, history)
        if name is not None:
            first = versioned(parts, name)
            after = [item for item in _every(parts, None) if item.step.name == first.step.name]
            after = [item for item in after if item.version <= first.version]
            found = after if history is None else after[: history + 1]
        if as_spec:
            show_json(_spec(item) for item in found)
            return
        if raw:
            show_json(_json(parts, item) for item in found)
            return
        rows = []
        for item in found:
            state, last = _states(item, _last_job(parts, item))
            states = f"{state.lower()} / {last.lower() if last else NOTHING}"
            made = ago(item.created, parts.now(), full)
            said = (item.step.name, str(item.version), input_text(item.step.input), made, states)
            rows.append((*said, item.pipeline.description))
        print(table(("NAME", "VERSION", "INPUT", "CREATED", "STATE / LAST JOB", "DESCRIPTION"), rows), end="")


@INSPECT.command("pipeline")
@click.argument("name", metavar="PIPELINE[^N]")
@full_option
@raw_option
def inspect_pipeline(name: str, full: bool, raw: bool) -> None:
    """Print one pipeline."""
    import json

    from penstock.compat.pachyderm.show import ago

    with project() as parts:
        item = versioned(parts, name)
        said = _json(parts, item)
        created = ago(item.created, parts.now(), full)
    if raw:
        show_json([said])
        return
    state, last = said["state"].removeprefix("PIPELINE_").lower(), said.get("last_job_state", "")
    print(f"Name: {item.step.name}")
    if item.pipeline.description:
        print(f"Description: {item.pipeline.description}")
    print(f"Created: {created}\nState: {state}\nVersion: {item.version}")
    print(f"Last job: {last.removeprefix('JOB_').lower()}".rstrip())
    print(f"Input:\n{json.dumps(said['details'].get('input'), indent=2)}")
    print(f"Transform:\n{json.dumps(said['details']['transform'], indent=2)}")


@DELETE.command("pipeline")
@click.argument("name", metavar="PIPELINE")
@force_option("Also with jobs that are not done: they are stopped.")
@raw_option
def delete_pipeline(name: str, force: bool, raw: bool) -> None:
    """Take a pipeline out of force. Its repo stays; `delete repo` deletes it."""
    from penstock.service.opening.begin import delete

    with project() as parts:
        stays = delete(parts, _alone(parts, name), force=force)
    say("; ".join([f"deleted pipeline {name}; repo {name} stays", *stays]), raw, {"deleted": name})


@STOP.command("pipeline")
@click.argument("name", metavar="PIPELINE")
@raw_option
def stop_pipeline(name: str, raw: bool) -> None:
    """Let commits open no jobs of a pipeline, and end those that are not done."""
    from penstock.service.opening import given

    with project() as parts:
        given.stop_pipeline(parts, _alone(parts, name))
    say(f"pipeline {name} is stopped", raw, {"stopped": name})


@START.command("pipeline")
@click.argument("name", metavar="PIPELINE")
@raw_option
def start_pipeline(name: str, raw: bool) -> None:
    """Let a stopped pipeline go on: one job catches up with all commits since."""
    from penstock.service.opening import given

    with project() as parts:
        run = given.start_pipeline(parts, _alone(parts, name))
    _told(run, raw)


@RUN.command("pipeline")
@click.argument("name", metavar="PIPELINE")
@click.option("--reprocess", is_flag=True, help="Work on every datum again.")
@raw_option
def run_pipeline(name: str, reprocess: bool, raw: bool) -> None:
    """Open a job of a pipeline at the heads as they are."""
    from penstock.service.opening.given import run_again

    with project() as parts:
        run = run_again(parts, _alone(parts, name), reprocess=reprocess)
    _told(run, raw)


@RUN.command("cron")
@click.argument("name", metavar="PIPELINE")
@raw_option
def run_cron(name: str, raw: bool) -> None:
    """Make a tick of every cron input of a pipeline now."""
    from penstock.model.errors import Refused
    from penstock.service.opening.ticking import tick

    with project() as parts:
        source = _named(parts, name).step.input
        clocks = [leaf.repo for leaf in source.leaves() if leaf.cron is not None] if source else []
        if not clocks:
            raise Refused(f"pipeline {name!r} has no cron input")
        for repo in clocks:
            run = tick(parts, repo)
            if run is not None:
                _told(run, raw)


def _told(run: Run, raw: bool) -> None:
    if raw:
        show_json([{"job": {"id": run.id}}])
    else:
        _tell_run(run)
