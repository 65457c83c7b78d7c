"""Commits, and the run they open: one durable transaction, no engine needed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from penstock.engine.graph import Arrow, Node, arrows, emptied, readers, wave
from penstock.model.moves import JobState
from penstock.model.run import Branch, Commit, Edge, Event, Job, JobInput, Repo, Run
from penstock.model.spec import DEFAULT_BRANCH, Pipeline, Step
from penstock.service import resolve
from penstock.service.opening.backlog import supersede
from penstock.service.opening.firing import Heads, fire, fire_timed, set_heads
from penstock.service.parts import Parts
from penstock.service.userdata.documents import clear

#: The pipelines in force: name -> (version, spec).
InForce = Mapping[str, tuple[int, Pipeline]]


class Draft(Struct, frozen=True):
    """A commit before it has an id. `files` and `size` are those of the whole tree; `parent` is the head it follows."""

    repo: str
    branch: str
    parent: str | None
    root: bytes
    files: int
    size: int
    origin: str
    message: str = ""
    merged: str | None = None  #: the commit of another branch that is merged into it


class Opening(Struct, frozen=True):
    """What a run shall be: which pipeline was asked for (None: a commit opened it) and with which parameters."""

    origin: str
    pipeline: str | None = None
    version: int | None = None
    params: Mapping[str, Any] | None = None
    pinned: Mapping[tuple[str, str], str] | None = None  #: (repo, branch) -> commit to read instead of the head
    rest_of: Mapping[Node, Job] | None = None  #: jobs whose good tasks stay good, unless something before them runs
    beside: Mapping[Node, Job] | None = None  #: jobs of other runs that do what this one needs and has not itself


#: A commit opened the run, or a head that moved.
BY_COMMIT = Opening("put")


def commit(parts: Parts, drafts: Sequence[Draft], new_id: str) -> tuple[list[Commit], Run | None]:
    """Write commits under one id, move their branches, and open a run over everything downstream, if there is any.

    Call inside a durable transaction.
    """
    commits = add(parts, drafts, new_id)
    run = advance(parts, {(draft.repo, draft.branch): new_id for draft in drafts}, new_id)
    return [replace(made, run=run.id) if run else made for made in commits], run


def add(parts: Parts, drafts: Sequence[Draft], new_id: str) -> list[Commit]:
    """Write the rows of commits; no branch points to them yet."""
    now = parts.now()
    commits = [_row(draft, new_id, now) for draft in drafts]
    parts.store.insert(commits)
    return commits


def advance(
    parts: Parts,
    heads: Heads,
    new_id: str,
    *,
    opening: Opening = BY_COMMIT,
    seeds: Collection[Node] = (),
    in_force: InForce | None = None,
    fires: bool = True,
) -> Run | None:
    """Move branches to commits, then those that follow them by a trigger (unless not `fires`), and open a run over
    `seeds` and everything downstream: all its jobs are there at once, waiting. None where nothing is downstream.

    Call inside a durable transaction.
    """
    store, now = parts.store, parts.now()
    set_heads(parts, heads, now)
    moved = fire(parts, heads, now) if fires else heads
    in_force = in_force or parts.pipelines()
    asleep = parts.stopped() - {pipe for pipe, _ in seeds}
    specs = [spec for _, spec in in_force.values() if spec.name not in asleep]
    edges, order = opened_by(parts, specs, {*seeds, *readers(specs, moved)})
    if not order:
        return None
    if opening.pipeline is not None:
        edges, order = _refilling(parts, in_force[opening.pipeline][1], specs, edges, order)
    ensure_repos(parts, (in_force[pipe][1].step(step).output for pipe, step in order), now)
    run = Run(
        seq=store.reserve(Run, 1),
        id=new_id,
        project=parts.project,
        owner=parts.owner,
        pipeline=opening.pipeline,
        version=opening.version,
        params=dict(opening.params or {}),
        origin=opening.origin,
        created=now,
        left=len(order),
        number=next_number(parts, opening.pipeline),
    )
    store.insert([run])
    if opening.pipeline is not None:
        clear(parts, in_force[opening.pipeline][1])
    store.execute("set_opened", run=run.id)
    supersede(parts, run, order, {spec.name for spec in specs if spec.backlog == "latest"})
    jobs, job_edges = _jobs(parts, order, edges, in_force, run, moved, opening)
    store.insert(jobs)
    store.insert(job_edges)
    store.insert([Event(now, "run.active", run.id, run.id, {"origin": run.origin, "jobs": len(jobs)})])
    return run


def opened_by(parts: Parts, specs: Sequence[Pipeline], seeds: Iterable[Node]) -> tuple[list[Arrow], list[Node]]:
    """The arrows between steps, and the steps that a run over `seeds` has, in order.

    A disabled step is in neither: what is behind it waits for nothing of it.
    """
    disabled, edges = parts.disabled(), arrows(specs)
    if disabled:
        edges = [edge for edge in edges if edge.node not in disabled and edge.upstream not in disabled]
    return edges, wave(set(seeds) - disabled, edges)


def _refilling(
    parts: Parts, started: Pipeline, specs: Sequence[Pipeline], edges: list[Arrow], order: list[Node]
) -> tuple[list[Arrow], list[Node]]:
    """The same with the steps that must write once more what this start empties, as a step in `order` reads it."""
    disabled = parts.disabled()
    while True:
        again = {step for pipe, step in order if pipe == started.name}
        more = {(started.name, step) for step in emptied(started, again)} - disabled
        if not more:
            return edges, order
        edges, order = opened_by(parts, specs, {*order, *more})


def next_number(parts: Parts, pipeline: str | None) -> int | None:
    """The how-manieth run of a pipeline the next one is; None for one that is of none."""
    if pipeline is None:
        return None
    return int(parts.store.fetch("last_number", pipeline=pipeline)[0]["number"]) + 1


def follow(parts: Parts, heads: Heads) -> Run | None:
    """Let branches follow those that jobs have just published to, and open a run over what reads them."""
    return _open_moved(parts, {at: to for at, to in fire(parts, heads, parts.now()).items() if at not in heads})


def follow_clock(parts: Parts) -> Run | None:
    """Let branches follow for which it is time, and open a run over what reads them."""
    return _open_moved(parts, fire_timed(parts, parts.now()))


def _open_moved(parts: Parts, moved: Heads) -> Run | None:
    return advance(parts, moved, parts.new_id(), fires=False) if moved else None


def _jobs(
    parts: Parts,
    order: Sequence[Node],
    edges: Iterable[Arrow],
    in_force: InForce,
    run: Run,
    moved: Heads,
    opening: Opening,
) -> tuple[list[Job], list[Edge]]:
    pinned, beside = opening.pinned or {}, opening.beside or {}
    first = parts.store.reserve(Job, len(order))
    numbers = {node: first + place for place, node in enumerate(order)}
    made_here = {
        (job.repo, default_branch(parts, job.repo)): job.run for job in beside.values() if job.repo is not None
    } | dict(moved)
    for pipe, name in order:
        output = in_force[pipe][1].step(name).output
        if output is not None:
            made_here[output, default_branch(parts, output)] = run.id
    waiting: dict[Node, dict[int, str]] = {node: {} for node in order}
    for edge in edges:
        if edge.node in numbers and edge.upstream in numbers:
            waiting[edge.node][numbers[edge.upstream]] = edge.needs
        elif edge.node in numbers and edge.upstream in beside and beside[edge.upstream].state != JobState.DONE:
            waiting[edge.node][beside[edge.upstream].seq] = edge.needs
    jobs = []
    for node in order:
        version, spec = in_force[node[0]]
        step = spec.step(node[1])
        inputs = []
        for leaf in step.input.leaves() if step.input else ():
            if (leaf.repo, leaf.branch) in made_here:
                inputs.append(JobInput(leaf.repo, leaf.branch, made_here[leaf.repo, leaf.branch]))
                continue
            if (leaf.repo, leaf.branch) in pinned:
                inputs.append(JobInput(leaf.repo, leaf.branch, pinned[leaf.repo, leaf.branch]))
                continue
            unfinished = parts.store.load(Job, "unfinished_publishers", repo=leaf.repo)
            if unfinished and leaf.branch == default_branch(parts, leaf.repo):
                # An earlier run is still publishing there: its end decides which head this job reads.
                waiting[node].update((job.seq, "end") for job in unfinished)
                inputs.append(JobInput(leaf.repo, leaf.branch, None, open=True))
                continue
            head = resolve.branch(parts, leaf.repo, leaf.branch)
            inputs.append(JobInput(leaf.repo, leaf.branch, head.head if head else None))
        jobs.append(
            Job(
                seq=numbers[node],
                run=run.id,
                pipeline=node[0],
                version=version,
                step=node[1],
                repo=step.output,
                created=run.created,
                waits=len(waiting[node]),
                inputs=tuple(inputs),
                rest_of=_rest_of(step, spec, opening, node) if not waiting[node] else None,
            )
        )
    return jobs, [Edge(numbers[node], up, needs) for node in order for up, needs in waiting[node].items()]


def _rest_of(step: Step, spec: Pipeline, opening: Opening, node: Node) -> int | None:
    """The job whose good tasks the one of a plain step takes over; those of others are found by their fingerprints."""
    job = (opening.rest_of or {}).get(node)
    emptied = any(datum.ephemeral and datum.name in step.outputs_data for datum in spec.data)
    return None if job is None or step.reuse or emptied else job.seq


def _row(draft: Draft, new_id: str, now: int) -> Commit:
    return Commit(
        seq=0,
        id=new_id,
        repo=draft.repo,
        branch=draft.branch,
        parent=draft.parent,
        run=None,
        origin=draft.origin,
        root=draft.root,
        files=draft.files,
        size=draft.size,
        created=now,
        message=draft.message,
        finished=now,
        merged=draft.merged,
    )


def default_branch(parts: Parts, repo: str) -> str:
    found = parts.store.load(Repo, "repo", name=repo)
    return found[0].default_branch if found else DEFAULT_BRANCH


def ensure_repos(
    parts: Parts, names: Iterable[str | None], now: int, default_branch: str = DEFAULT_BRANCH
) -> list[Repo]:
    """Make the repos that are missing, with their default branch; call inside a transaction."""
    have = {repo.name for repo in parts.store.load(Repo, "repos")}
    made = []
    for name in dict.fromkeys(name for name in names if name is not None):
        if name not in have:
            made.append(Repo(0, parts.project, parts.owner, name, None, default_branch, now))
            parts.store.insert([made[-1], Branch(name, default_branch, None, now)])
    return made
