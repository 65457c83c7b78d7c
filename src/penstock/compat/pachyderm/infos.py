"""What Pachyderm says of a job, as table cells and as JSON, out of core rows. Pure."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from penstock.compat.pachyderm.show import NOTHING, ago, bytes_size, human_duration, seconds_text
from penstock.compat.pachyderm.words import job_state
from penstock.model import times
from penstock.model.fingerprint import digest
from penstock.model.run import Job, Version
from penstock.model.spec import Cron, InputSpec, Step, Watch
from penstock.model.views import show_time

JOB_HEADS = ("ID", "PIPELINE", "STARTED", "DURATION", "RESTART", "PROGRESS", "DL", "UL", "STATE")
#: How much of a reason stands in a table.
REASON = 25


class Described(Struct, frozen=True):
    """A job with what its JSON says of its definition."""

    job: Job
    step: Step
    salt: str
    branch: str  #: the one it publishes to


def salt_of(version: Version) -> str:
    """What goes into the hashes of a pipeline's datums; one that was never reprocessed has one all the same."""
    return version.salt or digest("pachyderm-salt/1", version.pipeline).hex()[:32]


def state_of(job: Job) -> str:
    return job_state(job.state, job.outcome, job.reason, job.reached)


def why(job: Job) -> str:
    """Why a job did not succeed, in a few words."""
    return job.message or job.reason or ""


def progress(job: Job) -> str:
    """Processed + skipped (+ recovered) / total."""
    done = [job.processed, job.reused, *([job.recovered] if job.recovered else [])]
    return f"{' + '.join(map(str, done))} / {job.total}"


def job_cells(job: Job, now: int, full: bool = False) -> tuple[str, ...]:
    """A line of `list job`."""
    state = state_of(job).lower()
    reason = why(job)
    if state in ("failure", "killed", "unrunnable") and reason:
        state += f": {reason[:REASON]}{'...' if len(reason) > REASON else ''}"
    return (
        job.run,
        job.step,
        ago(job.started, now, full),
        NOTHING if job.started is None else human_duration((job.finished or now) - job.started),
        str(job.restarts),
        progress(job),
        bytes_size(job.download_bytes),
        bytes_size(job.upload_bytes),
        state,
    )


def job_json(of: Described) -> dict[str, Any]:
    """A job as `--raw` has it: zeros are left out, but of the counts and sums; long numbers and durations are text."""
    job, step = of.job, of.step
    counts = {
        "data_processed": job.processed,
        "data_skipped": job.reused,
        "data_failed": job.failed or None,
        "data_recovered": job.recovered or None,
        "data_total": job.total,
    }
    return _without_nothing(
        {
            "job": {"pipeline": {"name": job.step}, "id": job.run},
            "pipeline_version": str(job.version),
            "output_commit": _commit(job.repo, of.branch, job.run) if job.repo is not None else None,
            "restart": str(job.restarts) if job.restarts else None,
            **{name: None if count is None else str(count) for name, count in counts.items()},
            "stats": {
                "download_time": seconds_text(job.download_seconds),
                "process_time": seconds_text(job.process_seconds),
                "upload_time": seconds_text(job.upload_seconds),
                "download_bytes": str(job.download_bytes),
                "upload_bytes": str(job.upload_bytes),
            },
            "state": f"JOB_{state_of(job)}",
            "reason": why(job) or None,
            "created": show_time(job.created),
            "started": show_time(job.started),
            "finished": show_time(job.finished),
            "details": {
                "transform": transform_json(step),
                "input": _input(step.input, iter([item.commit for item in job.inputs])) if step.input else None,
                "salt": of.salt,
                "datum_timeout": None if step.retry.timeout is None else seconds_text(step.retry.timeout),
                "job_timeout": None if step.timeout is None else seconds_text(step.timeout),
                "datum_tries": str(step.retry.tries),
            },
        }
    )


def _commit(repo: str, branch: str, commit: str) -> dict[str, Any]:
    return {"branch": {"repo": {"name": repo, "type": "user"}, "name": branch}, "id": commit}


def transform_json(step: Step) -> dict[str, Any]:
    """What runs, and in which image."""
    said = {
        "image": step.env.image or "",
        "cmd": list(step.run),
        "err_cmd": list(step.err_run) or None,
        "env": dict(step.env.vars) or None,
        "stdin": step.stdin.splitlines() if step.stdin else None,
        "accept_return_code": [str(code) for code in step.accept_exit] or None,
        "user": step.user,
        "working_dir": step.workdir,
    }
    return _without_nothing(said)


def input_json(spec: InputSpec | None) -> dict[str, Any] | None:
    """An input as a spec has it."""
    return None if spec is None else _input(spec, None)


def _input(spec: InputSpec, commits: Any) -> dict[str, Any]:
    """`commits`: those that the inputs of a job read, in the order of the spec; None for no job's."""
    if spec.kind != "glob":
        # A list of inputs in one binding is what a group without keys is.
        kind = "group" if spec.kind == "all" else spec.kind
        return {kind: [_input(part, commits) for part in spec.parts]}
    commit = next(commits) if commits is not None else None
    if spec.cron is not None:
        said = {"name": spec.name, "repo": spec.repo, "commit": commit, "spec": _times(spec.cron)}
        return {"cron": _without_nothing({**said, "overwrite": spec.cron.overwrite or None})}
    said = {
        "name": spec.name,
        "repo": spec.repo,
        "repo_type": "user",
        "branch": spec.branch,
        "commit": commit,
        "glob": spec.glob,
        "join_on": spec.on,
        "outer_join": spec.outer or None,
        "group_by": spec.by,
        "lazy": True if spec.layout == "link" else None,
        "empty_files": True if spec.layout == "empty" else None,
        "reference": None if spec.counts else True,
        "trigger": _trigger(spec.trigger) if spec.trigger else None,
    }
    return {"pfs": _without_nothing(said)}


def _times(clock: Cron) -> str:
    return clock.expression if clock.tz == "UTC" else times.in_zone(clock.expression, clock.tz)


def _trigger(watch: Watch) -> dict[str, Any]:
    period = watch.every if watch.cron is None and watch.every is not None and watch.every.is_integer() else None
    said = {
        "branch": watch.branch,
        "all": True if watch.needs == "all" else None,
        "size": None if watch.size is None else f"{watch.size}B",
        "commits": None if watch.commits is None else str(watch.commits),
        "cron_spec": watch.cron if period is None else times.every(int(period)),
    }
    return _without_nothing(said)


def _without_nothing(said: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _without_nothing(value) if isinstance(value, dict) else value
        for key, value in said.items()
        if value is not None
    }


def input_text(spec: InputSpec | None) -> str:
    """An input in one line, as `list pipeline` has it."""
    if spec is None:
        return "none"
    if spec.kind == "glob":
        return f"{spec.name}:{_times(spec.cron)}" if spec.cron else f"{spec.repo}:{spec.glob}"
    parts = [input_text(part) for part in spec.parts]
    if spec.kind in ("group", "all"):
        return f"(Group: {', '.join(parts)})"
    return f"({f' {_SIGNS[spec.kind]} '.join(parts)})"


_SIGNS = {"cross": "⨯", "join": "⋈", "union": "∪"}


def _limit(seconds: float | None) -> str:
    return NOTHING if seconds is None else seconds_text(seconds)


def job_text(of: Described, now: int, full: bool = False) -> str:
    """What `inspect job` says without `--raw`."""
    import json

    job, step = of.job, of.step
    spent = NOTHING if job.started is None else human_duration((job.finished or now) - job.started)
    lines = [
        ("ID", job.run),
        ("Pipeline", job.step),
        ("Started", ago(job.started, now, full)),
        ("Duration", spent),
        ("State", state_of(job).lower()),
        ("Reason", why(job)),
        ("Processed", job.processed),
        ("Failed", job.failed),
        ("Skipped", job.reused),
        ("Recovered", job.recovered),
        ("Total", job.total),
        ("Data Downloaded", bytes_size(job.download_bytes)),
        ("Data Uploaded", bytes_size(job.upload_bytes)),
        ("Download Time", human_duration(int(job.download_seconds * 1e6))),
        ("Process Time", human_duration(int(job.process_seconds * 1e6))),
        ("Upload Time", human_duration(int(job.upload_seconds * 1e6))),
        ("Datum Timeout", _limit(step.retry.timeout)),
        ("Job Timeout", _limit(step.timeout)),
        ("Restarts", job.restarts),
    ]
    said = job_json(of)["details"]
    documents = [("Input", said.get("input")), ("Transform", said["transform"])]
    text = [f"{name}: {value}".rstrip() for name, value in lines]
    text += [f"{name}:\n{json.dumps(value, indent=2)}" for name, value in documents if value is not None]
    if job.repo is not None:
        text.append(f"Output Commit: {job.run}")
    return "\n".join(text) + "\n"
