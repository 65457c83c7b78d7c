"""`run`: apply the pipeline file, commit what changed in linked directories, and open a run; or continue one.

All rows of it are one transaction. The engine is not needed for any of this.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from penstock.engine.graph import arrows, cycle
from penstock.model.cycles import rarely_looked_for
from penstock.model.errors import BadSpec, NotFound, Refused, UsageError
from penstock.model.moves import JobState, Reason
from penstock.model.run import Commit, Job, Repo, Run, Version
from penstock.model.spec import DEFAULT_BRANCH, INHERITED, Keep, Pipeline
from penstock.model.templates import check
from penstock.model.values import why_not
from penstock.service import resolve
from penstock.service.opening import wanted
from penstock.service.opening.able import check_able, check_site
from penstock.service.opening.disabling import all_disabled
from penstock.service.opening.drafts import give_up_draft
from penstock.service.opening.exported import left_behind
from penstock.service.opening.freeze import Frozen, freeze, link_drafts, same_in_force
from penstock.service.opening.launch import InForce, Opening, add, advance, commit, ensure_repos
from penstock.service.opening.links import fresh, linked
from penstock.service.opening.ticking import follow_clock, set_clocks
from penstock.service.opening.watching import set_triggers
from penstock.service.parts import Parts
from penstock.service.resolve import suggestion
from penstock.service.role import check_outside, holder
from penstock.service.userdata.documents import declare


class Begun(Struct, frozen=True):
    """What `run` opened: the run, whether it is an unfinished one gone on with, and what was committed for it."""

    run: Run
    continued: bool
    commits: tuple[Commit, ...]
    applied: bool  #: whether a new pipeline version was made
    warnings: tuple[str, ...]
    ahead: tuple[str, ...]  #: runs that earlier commits opened and that are not done: they go first
    given_up: Mapping[str, tuple[str, ...]] = {}  #: unfinished run -> the steps of it that end; none: all of it ends
    beside: tuple[str, ...] = ()  #: unfinished runs that do what this one has not itself
    later: tuple[str, ...] = ()  #: what of steps that go on was changed and holds from the next run on
    left: tuple[str, ...] = ()  #: why linked directories were not committed


@rarely_looked_for()
def begin(
    parts: Parts,
    named: Path | None,
    params: Mapping[str, Any],
    inherit: bool = False,
    site: str | None = None,
    watch: bool = False,
) -> Begun:
    """With `inherit` no step runs in a container; `site` is where steps of this machine are going to run. With `watch`
    linked directories that cannot be taken in now are left to who watches them. Raises BadSpec, NotFound, UsageError,
    and Refused in a task of this project; then nothing is written.
    """
    check_outside(parts.layout.id)
    parts.layout.check_writable()
    with parts.objects.session():
        frozen = freeze(parts, named, inherit)
        check_site(frozen.pipeline, site)
        return _begin(parts, frozen, params, [] if watch else None)


def _begin(parts: Parts, frozen: Frozen, params: Mapping[str, Any], left: list[str] | None) -> Begun:
    check_params(frozen.pipeline, params)
    check_able(frozen.pipeline)
    drafts = link_drafts(parts, frozen.pipeline.repos, left)
    store = parts.store
    with store.transaction(durable=True):
        drafts = [new for draft in drafts if (new := fresh(parts, draft)) is not None]
        before = parts.pipelines().get(frozen.pipeline.name)
        version = apply(parts, frozen)
        follow_clock(parts)
        ahead = [run.id for run in store.load(Run, "active_runs") if run.origin == "put" and not run.hold]
        in_force, new_id = parts.pipelines(), parts.new_id()
        seeds = {(frozen.pipeline.name, step.name) for step in frozen.pipeline.steps}
        heads = {(draft.repo, draft.branch): new_id for draft in drafts}
        standing = wanted.look(parts, seeds, in_force, params, heads)
        going_on, later = standing.going_on, wanted.later(parts, standing, in_force)
        beside = [run.id for run in going_on]
        applied, warnings = frozen.version is None, frozen.warnings
        if applied and before is not None:
            warnings += tuple(left_behind(parts, before[1], (spec for _, spec in in_force.values())))
        if going_on and not standing.rest and not drafts:
            run, others = going_on[-1], tuple(beside[:-1])
            return Begun(run, True, (), applied, warnings, tuple(ahead), {}, others, later, tuple(left or ()))
        driven = holder(parts.layout.lock) is not None
        given_up = wanted.end(parts, standing.given_up(driven), standing)
        opening = Opening("run", frozen.pipeline.name, version.number, params, beside=standing.wanted)
        commits = add(parts, drafts, new_id)
        give_up_draft(parts, version.pipeline)
        opened = advance(parts, heads, new_id, opening=opening, seeds=standing.undone, in_force=in_force)
        if opened is None and not going_on:
            raise Refused(all_disabled(version.pipeline))
        continued, run = opened is None, opened or going_on[-1]
        beside = [known for known in beside if known != run.id]
    told = tuple(ahead), given_up, tuple(beside), later, tuple(left or ())
    return Begun(run, continued, tuple(commits), applied, warnings, *told)


def go_on(parts: Parts, left: list[str] | None = None) -> tuple[list[Commit], list[str]]:
    """Open what pipelines in force ask for when there is no file to apply: their ticks that are due, and what changed
    in their linked directories. What was committed, and the runs that can go on then. Raises Refused in a task of this
    project.
    """
    check_outside(parts.layout.id)
    store = parts.store
    with parts.objects.session():
        drafts = link_drafts(parts, linked(parts), left)
        with store.transaction(durable=True):
            follow_clock(parts)
            drafts = [new for draft in drafts if (new := fresh(parts, draft)) is not None]
            commits = commit(parts, drafts, parts.new_id())[0] if drafts else []
    return commits, [run.id for run in store.load(Run, "active_runs") if not run.hold]


def catch_up(parts: Parts, begun: Begun) -> Run | None:
    """A run over the steps of runs that are done by now whose tasks opened code that is not as they found it: it was
    edited while they ran, and only its reader knew that it counts. None where there is nothing of the kind.
    """
    with parts.objects.session(), parts.store.transaction(durable=True):
        seeds = wanted.outdated(parts, [*begun.beside, begun.run.id])
        in_force = parts.pipelines()
        seeds &= {(name, step.name) for name, (_, spec) in in_force.items() for step in spec.steps}
        name = begun.run.pipeline
        if not seeds or name not in in_force:
            return None
        opening = Opening("run", name, in_force[name][0], begun.run.params)
        return advance(parts, {}, parts.new_id(), opening=opening, seeds=seeds, in_force=in_force)


def check_params(pipeline: Pipeline, params: Mapping[str, Any]) -> None:
    """Every `-p` must name a parameter of the pipeline or of one of its steps."""
    known = set(pipeline.params).union(*(step.params for step in pipeline.steps))
    for name, value in params.items():
        if name not in known:
            raise UsageError(f"pipeline {pipeline.name!r} has no parameter {name!r}{suggestion(name, known)}")
        if why := why_not(value):
            raise UsageError(f"parameter {name!r}: {why}")
        for step in pipeline.steps:
            if name in step.fills:
                check(step.run, name, value)


def apply(parts: Parts, frozen: Frozen, reprocess: str | None = None) -> Version:
    """Put a frozen pipeline in force, as a new version if it differs; call inside a transaction.

    `reprocess` is a new salt: everything runs again, and old bytes do not return.
    """
    store, now, name = parts.store, parts.now(), frozen.pipeline.name
    in_force = same_in_force(parts, name, frozen.spec, frozen.code)
    if in_force is not None and reprocess is None:
        return in_force
    _check_project(parts, frozen)
    before = store.load(Version, "versions", pipeline=name)
    version = Version(
        pipeline=name,
        number=before[0].number + 1 if before else 1,
        spec=frozen.spec,
        code=frozen.code,
        environment=INHERITED,
        salt=reprocess or (before[0].salt if before else ""),
        file=frozen.file,
        created=now,
    )
    store.execute(
        "set_pipeline", name=name, project=parts.project, owner=parts.owner, version=version.number, created=now
    )
    store.insert([version])
    store.execute("delete_publishers", pipeline=name)
    for step in frozen.pipeline.steps:
        if step.output is not None:
            store.execute("set_publisher", repo=step.output, pipeline=name, step=step.name, place=step.where)
    set_clocks(parts, frozen.pipeline, now)
    for repo in frozen.pipeline.repos:
        ensure_repos(parts, [repo.name], now, repo.branch)
    if before:
        _unlink(parts, parts.pipeline(name, before[0].number))
    for repo in frozen.pipeline.repos:
        if repo.path is not None:
            store.execute("link_repo", name=repo.name, path=repo.path)
        if repo.keep is not None:
            _set_keep(parts, repo.name, repo.keep)
    ensure_repos(parts, [step.output for step in frozen.pipeline.steps], now)
    set_triggers(parts, frozen.pipeline, now)
    steps = [None, *(step.name for step in frozen.pipeline.steps)]
    store.execute("give_numbers", pipeline=name, steps=json.dumps(steps))
    declare(parts, frozen.pipeline, parts.pipeline(name, before[0].number) if before else None)
    return version


def _unlink(parts: Parts, gone: Pipeline) -> None:
    """What a pipeline linked is a repo like any other again, unless another one in force links it too; and where it set
    which commits keep their bytes, all do.
    """
    others = [spec for _, spec in parts.pipelines().values() if spec.name != gone.name]
    kept = {repo.name for spec in others for repo in spec.repos if repo.path is not None}
    for repo in gone.repos:
        if repo.path is not None and repo.name not in kept:
            parts.store.execute("link_repo", name=repo.name, path=None)
        if repo.keep is not None:
            _set_keep(parts, repo.name, Keep())


def _set_keep(parts: Parts, name: str, keep: Keep) -> None:
    micros = None if keep.seconds is None else int(keep.seconds * 1e6)
    parts.store.execute("set_keep", name=name, commits=keep.commits, micros=micros)


def _check_project(parts: Parts, frozen: Frozen) -> None:
    """What one file cannot know: other pipelines, and repos that exist already."""
    name = frozen.pipeline.name
    publishers = {row["repo"]: row for row in parts.store.fetch("publishers") if row["pipeline"] != name}
    linked = {repo.name: repo.path for repo in parts.store.load(Repo, "repos") if repo.path is not None}
    for step in frozen.pipeline.steps:
        other = publishers.get(step.output or "")
        if other is not None:
            raise BadSpec(
                f"step {step.name!r} publishes to {step.output!r}, as step {other['step']!r} does ({other['place']}); "
                f"give one of them another `output`, or take the other out of force with "
                f"`penstock pipeline delete {other['pipeline']}`",
                step.where,
            )
        if step.output in linked and step.output not in {repo.name for repo in frozen.pipeline.repos}:
            raise BadSpec(
                f"step {step.name!r} publishes to {step.output!r}, which is linked to {linked[step.output]}/",
                step.where,
            )
    _check_branches(parts, frozen.pipeline)
    for repo in frozen.pipeline.repos:
        other = publishers.get(repo.name)
        if other is not None and repo.path is not None:
            raise BadSpec(f"repo {repo.name!r} is written by step {other['step']!r} ({other['place']})", repo.where)
        for _, spec in parts.pipelines().values():
            for known in spec.repos if spec.name != name else ():
                if known.name == repo.name and None not in (known.path, repo.path) and known.path != repo.path:
                    linked_there = f"linked to {known.path}/ by pipeline {spec.name!r}"
                    raise BadSpec(f"repo {repo.name!r} is {linked_there}; say the same, or rename it", repo.where)
                if known.name == repo.name and None not in (known.keep, repo.keep):
                    message = f"repo {repo.name!r}: pipeline {spec.name!r} says `keep` already; say it in one of them"
                    raise BadSpec(message, repo.where)
    loop = cycle(_graph(parts, frozen.pipeline))
    if loop:
        raise BadSpec(f"a cycle across pipelines: {' -> '.join(f'{pipe}.{step}' for pipe, step in loop)}", frozen.file)
    for step in frozen.pipeline.steps:
        head = resolve.head(parts, step.output) if step.output is not None else None
        if head is not None and head.origin != "job":
            raise BadSpec(
                f"step {step.name!r} publishes to {step.output!r}, which holds what people put there; "
                "give it another `output`, or delete that repo",
                step.where,
            )


def _check_branches(parts: Parts, pipeline: Pipeline) -> None:
    """A step publishes to the default branch of a repo, and who reads that branch waits for it: all must agree."""
    there = {repo.name: repo.default_branch for repo in parts.store.load(Repo, "repos")}
    declared = {repo.name: (repo.branch, repo.where) for repo in pipeline.repos}
    published = {step.output: (DEFAULT_BRANCH, step.where) for step in pipeline.steps if step.output is not None}
    for name, (branch, where) in {**published, **declared}.items():
        known = there.get(name, branch)
        if known != branch:
            raise BadSpec(
                f"repo {name!r} has the default branch {known!r}, not {branch!r}; "
                f"say `repos: {{{name}: {{branch: {known}}}}}`, or use another repo",
                where,
            )


def _graph(parts: Parts, pipeline: Pipeline) -> dict[tuple[str, str], list[tuple[str, str]]]:
    others = [spec for _, spec in parts.pipelines().values() if spec.name != pipeline.name]
    graph: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for arrow in arrows([*others, pipeline], deferred=True):
        graph.setdefault(arrow.node, []).append(arrow.upstream)
    return graph


def with_this(in_force: InForce, frozen: Frozen) -> dict[str, tuple[int, Pipeline]]:
    """The pipelines as they would be in force with this one applied."""
    number = frozen.version.number if frozen.version else in_force.get(frozen.pipeline.name, (0, None))[0] + 1
    return {**in_force, frozen.pipeline.name: (number, frozen.pipeline)}


def create(parts: Parts, named: Path | None, reprocess: bool = False) -> tuple[Version, bool]:
    """Apply a pipeline file without running it; whether that made a new version."""
    with parts.objects.session():
        frozen = freeze(parts, named)
        with parts.store.transaction(durable=True):
            version = apply(parts, frozen, parts.new_id() if reprocess else None)
    return version, reprocess or frozen.version is None


def delete(parts: Parts, name: str, *, force: bool = False) -> list[str]:
    """Take a pipeline out of force: nothing triggers it any more; what it made stays readable. What its exports leave
    elsewhere, as sentences.

    Refused while a job of it is not done; `force` stops those.
    """
    in_force = parts.pipelines()
    if name not in in_force:
        raise NotFound(f"there is no pipeline {name!r}{suggestion(name, in_force)}")
    with parts.store.transaction(durable=True):
        jobs = parts.store.load(Job, "active_jobs")
        left = [job for job in jobs if job.pipeline == name and job.state != JobState.DONE]
        if left and not force:
            raise Refused(f"pipeline {name!r} is not done: {left[0].id} waits or runs; --force stops what is left")
        for job in left:
            parts.store.execute("stop_job", seq=job.seq, reason=Reason.USER)
        _unlink(parts, in_force[name][1])
        give_up_draft(parts, name)
        parts.store.execute("delete_publishers", pipeline=name)
        parts.store.execute("delete_clocks", pipeline=name)
        parts.store.execute("delete_triggers_of", pipeline=name)
        parts.store.execute("delete_pipeline", name=name, now=parts.now())
    others = [spec for other, (_, spec) in in_force.items() if other != name]
    return list(left_behind(parts, in_force[name][1], others))
