"""`explain` and `trace`: the look-ups around the pure answers of `engine.explain`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from penstock.engine.expand import left_out
from penstock.engine.explain import Around, differences, explain_job, explain_run, explain_task
from penstock.engine.matching import KEYS, show_key, without_partner
from penstock.model.errors import BadReference, NotFound, PenstockError, UsageError
from penstock.model.ids import Reference
from penstock.model.inplace import own_reads, shared_reads
from penstock.model.moves import JobState, Outcome, TaskState
from penstock.model.run import Attempt, Commit, Edge, Job, Run, Task
from penstock.model.spec import LOCAL
from penstock.model.views import TraceView
from penstock.model.words import left_out_words
from penstock.objects import map as pages_map
from penstock.objects import tree
from penstock.service import resolve
from penstock.service.answers.sites import standing, trouble
from penstock.service.bindings import opened
from penstock.service.bindings.keys import KeyMap
from penstock.service.bindings.ledger import Done, Ledger
from penstock.service.bindings.reading import Read, Reader, read_then
from penstock.service.data import comparing
from penstock.service.parts import Parts
from penstock.service.role import holder

#: How many changed paths and failed tasks an answer names.
FEW = 5
#: How many files of a directory a trace follows one by one.
MANY = 100


def explain(parts: Parts, target: str) -> list[str]:
    """Why a run, a job (`step@run`, or `step` for its newest) or a task is as it is."""
    engine = holder(parts.layout.lock)
    who = str(engine) if engine else None
    if target == "last" or resolve.is_id(target):
        try:
            run = resolve.run(parts, target)
        except NotFound:
            return _task(parts, resolve.task(parts, target), who)
        jobs = parts.store.load(Job, "jobs_of_run", run=run.id)
        commits = [item for item in parts.store.load(Commit, "commits_of_run", run=run.id) if item.id == run.id]
        return explain_run(run, jobs, commits, Around(engine=who))
    if ":" in target:
        raise UsageError(f"{target!r} is a file; `penstock trace {target}` says what it was made of")
    return _job(parts, resolve.job(parts, target), who)


def _job(parts: Parts, job: Job, engine: str | None) -> list[str]:
    store = parts.store
    run = store.load(Run, "run", id=job.run)[0]
    upstream = [store.load(Job, "job", seq=edge.upstream)[0] for edge in store.load(Edge, "edges_to", job=job.seq)]
    base = _before(parts, job)
    ahead = store.load(Job, "jobs_ahead", repo=job.repo, seq=job.seq) if job.repo is not None else []
    failed = store.load(Task, "first_tasks", job=job.seq, outcome=Outcome.FAILED, limit=FEW)
    without = store.load(Task, "first_tasks", job=job.seq, outcome=Outcome.RECOVERED, limit=FEW)
    around = Around(
        engine=engine,
        waits_for=[item.id for item in upstream if item.state != JobState.DONE],
        ahead=[item.id for item in ahead],
        run_hold=run.hold,
        run_stop=run.stop,
        plain=not parts.step(job).reuse,
        base=base.id if base else None,
        differences=_differences(parts, base, job) if base else (),
        left_out=without_partner(left_out(parts.step(job).input, KeyMap(parts.objects.pages, job.keys), KEYS), FEW),
        site=_site(parts, job),
        failures=[
            *(f"task {task.id[:12]} ({show_key(task.key)}): {task.message}" for task in failed),
            *(f"task {task.id[:12]} ({show_key(task.key)}) is {left_out_words(task.message)}" for task in without),
            *([f"and {job.recovered - FEW} more are left out"] if job.recovered > FEW else []),
        ],
    )
    return explain_job(job, around)


def _differences(parts: Parts, base: Job, job: Job) -> list[str]:
    code = parts.code(job.pipeline, job.version)
    try:
        found = differences(*opened.compared(parts.objects.pages, base, job.parts, code))
    except NotFound:  # what was opened cannot be read any more; what was found in the command is in the row
        found = differences(base.parts, job.parts)
    return [*found, *_changed_inputs(parts, base, job)]


def _before(parts: Parts, job: Job) -> Job | None:
    """The job that one is compared with: whose ledger it took over, or the one before it of a step that has none."""
    if job.base is not None:
        return parts.store.load(Job, "job", seq=job.base)[0]
    if not parts.step(job).reuse or parts.step(job).publishes:
        return None
    return next(iter(parts.store.load(Job, "base_job", pipeline=job.pipeline, step=job.step, before=job.seq)), None)


def _site(parts: Parts, job: Job) -> str | None:
    """What is to be said of where a job runs, if that is a site."""
    if job.state == JobState.DONE or (job.state == JobState.WAITING and job.waits):
        return None
    name, driver = parts.step(job).site, holder(parts.layout.lock)
    if name == LOCAL and driver is not None:
        name = driver.site or name
    found = parts.pipeline(job.pipeline, job.version).site(name)
    return None if found is None else "; ".join(filter(None, (standing(parts, found), trouble(parts, found.name))))


def _changed_inputs(parts: Parts, base: Job, job: Job) -> list[str]:
    lines = []
    source = parts.step(job).input
    for leaf, old, new in zip(source.leaves() if source else (), base.inputs, job.inputs, strict=False):
        if old.commit == new.commit or old.repo != new.repo:
            continue
        try:
            before, after = _root(parts, old.repo, old.commit), _root(parts, new.repo, new.commit)
        except NotFound as error:
            lines.append(f"input {new.repo} changed; how cannot be told: {error}")
            continue
        changes = list(comparing.diff(parts, before, after))
        why_not = "" if leaf.counts else "; it is a reference: what stands in it is no reason to run again"
        lines += [f"input {new.repo}:/{item.path} was {item.change}{why_not}" for item in changes[:FEW]]
        if len(changes) > FEW:
            lines.append(f"input {new.repo}: {len(changes) - FEW} more files differ")
    return lines


def _root(parts: Parts, repo: str, commit: str | None) -> bytes:
    found = resolve.commit_by_id(parts, repo, commit) if commit else None
    return resolve.readable(parts, found).root if found else b""


def _task(parts: Parts, task: Task, engine: str | None) -> list[str]:
    store = parts.store
    job = store.load(Job, "job", seq=task.job)[0]
    twins = store.load(Task, "twin", fingerprint=task.fingerprint) if task.state == TaskState.READY else []
    made_by = [
        f"{known.id[:12]} of {_job_of(parts, known).id}" for known in _made(parts, task.fingerprint, task.output)
    ]
    around = Around(
        engine=engine,
        run_hold=store.load(Run, "run", id=job.run)[0].hold,
        twin=twins[0].id if twins and task.reuse else None,
        made_by=made_by[0] if made_by else None,
        site=_site(parts, job),
    )
    return explain_task(task, job, store.load(Attempt, "attempts", task=task.seq), around)


# Provenance.


def trace(parts: Parts, reference: Reference) -> TraceView:
    """A file back to the task that wrote it, its inputs, code, parameters and run, down to what people put."""
    if not reference.path:
        raise BadReference(f"{reference}: name a file, for example {reference.repo}:/montage.png")
    commit = resolve.readable(parts, resolve.commit(parts, reference))
    if tree.lookup(parts.objects.pages, commit.root, reference.path) is None:
        raise NotFound(f"{reference}: there is no such file; see `penstock ls {reference.repo}`")
    return _trace(parts, commit, reference.path)


def _made(parts: Parts, fingerprint: bytes, output: bytes) -> list[Task]:
    """The tasks whose results stand for a fingerprint and left this, newest first."""
    found = parts.store.load(Task, "success", fingerprint=fingerprint)
    return [task for task in found if task.output == output]


def _job_of(parts: Parts, task: Task) -> Job:
    return parts.store.load(Job, "job", seq=task.job)[0]


def _trace(parts: Parts, commit: Commit, path: str) -> TraceView:
    name = f"{commit.repo}@{commit.id}:/{path}"
    job = next((job for job in _jobs_of(parts, commit) if job.repo == commit.repo), None)
    if commit.origin != "job" or job is None:
        return TraceView(name, commit.id, commit.origin, commit.run)
    pages = parts.objects.pages
    ledger = Ledger(job.ledger, job.owners, job.tree)
    key = ledger.owner(pages, path)
    done = ledger.get(pages, key) if key is not None else None
    if key is None or done is None:
        raise PenstockError(f"{name}: no binding of {job.id} owns it; run `penstock fsck`")
    made = _made(parts, done.fingerprint, done.output)
    return TraceView(
        file=name,
        commit=commit.id,
        origin=commit.origin,
        run=commit.run,
        job=job.id,
        task=made[0].id if made else None,
        made_by=_job_of(parts, made[0]).id if made else None,
        pipeline=job.pipeline,
        version=job.version,
        command=tuple(job.parts.get("command", ())),
        params=made[0].params if made else dict(job.parts.get("params", {})),
        code=tuple(sorted(job.parts.get("code", {}))),
        inputs=tuple(_inputs(parts, _read(parts, job, key, done, made))),
        files=_in_place(parts, made),
    )


def _in_place(parts: Parts, made: Sequence[Task]) -> tuple[str, ...]:
    """What the task that gave a result read in place."""
    steps = [(parts.step(_job_of(parts, task)), task.params) for task in made[:1]]
    return tuple(file.path for step, params in steps for file in (*shared_reads(step), *own_reads(step, params)))


def _jobs_of(parts: Parts, commit: Commit) -> Sequence[Job]:
    return parts.store.load(Job, "jobs_of_run", run=commit.run) if commit.run else ()


def _inputs(parts: Parts, read: Sequence[Read]) -> list[TraceView]:
    """What a binding read, traced on: each file, and of a directory its files, or itself when it holds many."""
    views: list[TraceView] = []
    for item, path in read:
        commit = resolve.commit_by_id(parts, item.repo, item.commit) if item.commit else None
        if commit is None:
            continue
        if commit.forgotten is not None:
            views.append(TraceView(f"{item.repo}@{commit.id}:/{path}", commit.id, commit.origin, commit.run))
            continue
        if path and pages_map.get(parts.objects.pages, commit.root, path.encode()) is not None:
            views.append(_trace(parts, commit, path))
            continue
        below = list(islice(tree.files(parts.objects.pages, commit.root, path), MANY + 1))
        if len(below) > MANY:
            views.append(TraceView(f"{item.repo}@{commit.id}:/{path}/", commit.id, commit.origin, commit.run))
        else:
            views += [_trace(parts, commit, name) for name, _ in below]
    return views


def _read(parts: Parts, job: Job, key: str, done: Done, made: Sequence[Task]) -> list[Read]:
    """What a binding read; of commits whose bytes were given up by the names of what the task was given."""
    try:
        return Reader(parts, job).read(key, done.fingerprint)
    except NotFound:
        return [item for task in made[:1] for item in read_then(parts, job, task)]
