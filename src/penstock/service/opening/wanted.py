"""What unfinished runs still do for what is asked for now: the facts for `engine.wanted`, and what follows from it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from msgspec import Struct, structs

from penstock.engine.graph import Node, arrows
from penstock.engine.wanted import Asked, Question, Verdict, judge
from penstock.model import fingerprint
from penstock.model.moves import JobState, Outcome, Reason
from penstock.model.run import Job, JobInput, Run
from penstock.model.spec import Pipeline, Step
from penstock.objects.blobs import Pages
from penstock.service import resolve
from penstock.service.bindings.opened import Holding
from penstock.service.bindings.recipes import code_of, counts_code, recipe_of
from penstock.service.opening import marks
from penstock.service.opening.firing import Heads
from penstock.service.opening.launch import InForce, default_branch, opened_by
from penstock.service.parts import Parts
from penstock.service.userdata.exchange import Exchange

#: The origins of runs that were asked for by people and answer when they ask again.
_ASKED_FOR = ("run", "retry")


class Standing(Struct, frozen=True):
    """What there is of what is asked for now."""

    verdicts: Mapping[int, Verdict]
    jobs: Sequence[Job]  #: those that were judged, oldest first
    runs: Mapping[str, Run]
    wanted: Mapping[Node, Job]  #: the newest job of each step that is still wanted
    rest: frozenset[Node]  #: the steps that no job is wanted of

    @property
    def going_on(self) -> list[Run]:
        """The unfinished runs with jobs that are wanted, oldest first."""
        found = {job.run: self.runs[job.run] for job in self.wanted.values()}
        return sorted((run for run in found.values() if run.finished is None), key=lambda run: run.seq)

    @property
    def undone(self) -> set[Node]:
        """The steps that a new run works on: those no job is wanted of, or whose job did not succeed."""
        bad = {node for node, job in self.wanted.items() if job.outcome not in (None, Outcome.SUCCEEDED)}
        return {*self.rest, *bad}

    def given_up(self, driven: bool) -> list[Job]:
        """The jobs that end: unwanted ones, and what nobody works on and would be done on older data."""
        return [job for job in self.jobs if job.state != JobState.DONE and self._gives_way(job, driven)]

    def _gives_way(self, job: Job, driven: bool) -> bool:
        verdict = self.verdicts[job.seq]
        return verdict is Verdict.UNWANTED or (verdict is Verdict.OLDER and not driven)


def look(
    parts: Parts, seeds: Collection[Node], in_force: InForce, params: Mapping[str, Any], heads: Heads | None = None
) -> Standing:
    """Judge the jobs of unfinished runs by what a run over `seeds` would ask for. `heads`: commits about to be made."""
    runs = {run.id: run for run in parts.store.load(Run, "active_runs") if run.stop is None}
    found = parts.store.load(Job, "active_jobs") if runs else []
    asleep = parts.stopped() - {pipe for pipe, _ in seeds}
    specs = [spec for _, spec in in_force.values() if spec.name not in asleep]
    order = opened_by(parts, specs, seeds)[1]
    nodes, asked_for = set(order), {pipe for pipe, _ in seeds}
    mine = [job for job in found if job.pipeline in asked_for or (job.pipeline, job.step) in nodes]
    jobs = [job for job in mine if job.run in runs and job.stop is None]
    if not jobs:
        return Standing({}, (), runs, {}, frozenset(order))
    jobs = [*_taken_over(parts, runs, jobs, order), *jobs]
    facts = _Facts(parts, in_force, runs, jobs, order, params, heads or {})
    verdicts = judge([facts.asked(job) for job in jobs], facts.now)
    newest = {(job.pipeline, job.step): job for job in jobs}
    wanted = {node: job for node, job in newest.items() if verdicts[job.seq] is Verdict.WANTED and node in facts.now}
    return Standing(verdicts, jobs, runs, wanted, frozenset(order) - wanted.keys())


def end(parts: Parts, jobs: Sequence[Job], standing: Standing) -> dict[str, tuple[str, ...]]:
    """End jobs; of each run the steps that ended, none for a whole run. Call inside a transaction."""
    ending = {job.seq for job in jobs}
    given_up: dict[str, tuple[str, ...]] = {}
    for run in dict.fromkeys(job.run for job in jobs):
        mine = [job for job in standing.jobs if job.run == run and job.state != JobState.DONE]
        if all(job.seq in ending for job in mine):
            parts.store.execute("stop_run", id=run, reason=Reason.SUPERSEDED)
            given_up[run] = ()
            continue
        steps = [job for job in mine if job.seq in ending]
        for job in steps:
            parts.store.execute("stop_job", seq=job.seq, reason=Reason.SUPERSEDED)
        given_up[run] = tuple(job.step for job in steps)
    return given_up


def outdated(parts: Parts, runs: Sequence[str]) -> set[Node]:
    """The steps that were done in some runs with code which is not so in the version in force."""
    pages = Pages(parts.objects.blobs, None)
    in_force = {row["name"]: row["version"] for row in parts.store.fetch("pipelines")}
    holdings = {name: Holding(pages, parts.code(name, number)) for name, number in in_force.items()}
    jobs = [job for run in runs for job in parts.store.load(Job, "jobs_of_run", run=run)]
    return {
        (job.pipeline, job.step)
        for job in jobs
        if job.outcome == Outcome.SUCCEEDED
        and job.version != in_force.get(job.pipeline, job.version)
        and not _holds(parts, holdings[job.pipeline], job)
    }


def later(parts: Parts, standing: Standing, in_force: InForce) -> tuple[str, ...]:
    """What of the steps that go on was changed and counts from the next run on, in words."""
    found = []
    for (pipe, name), job in standing.wanted.items():
        if job.state != JobState.DONE and job.version != in_force[pipe][0]:
            keys = _changed_keys(parts.step(job), in_force[pipe][1].step(name))
            found += [f"{name}: {', '.join(keys)}"] if keys else []
    return tuple(found)


def _changed_keys(old: Step, new: Step) -> list[str]:
    names = (field for field in structs.asdict(new) if field != "where")
    return [name for name in names if getattr(old, name) != getattr(new, name)]


def _taken_over(parts: Parts, runs: dict[str, Run], jobs: Sequence[Job], order: Sequence[Node]) -> list[Job]:
    """Good jobs of runs that ended after the oldest unfinished one was opened over what was left: it relied on them."""
    asked_for = [run.created for run in runs.values() if run.origin in _ASKED_FOR]
    there = {(job.pipeline, job.step) for job in jobs}
    missing = set(order) - there
    found = []
    for pipeline in sorted({pipe for pipe, _ in missing}) if asked_for else ():
        for job in parts.store.load(Job, "newest_of_steps", pipeline=pipeline):
            relied_on = job.outcome == Outcome.SUCCEEDED and (job.finished or 0) > min(asked_for)
            if relied_on and (pipeline, job.step) in missing:
                run = runs.get(job.run) or parts.store.load(Run, "run", id=job.run)[0]
                runs[run.id] = run
                found.append(job)
    return sorted(found, key=lambda job: job.seq)


class _Facts:
    """What was asked of jobs, and what would be asked now."""

    def __init__(
        self,
        parts: Parts,
        in_force: InForce,
        runs: Mapping[str, Run],
        jobs: Sequence[Job],
        order: Sequence[Node],
        params: Mapping[str, Any],
        heads: Heads,
    ) -> None:
        self._parts, self._in_force, self._runs, self._heads = parts, in_force, runs, heads
        self._given = params
        self._pages = Pages(parts.objects.blobs, None)
        self._exchange = Exchange(parts)
        self._waits: dict[tuple[tuple[str, int], ...], dict[Node, frozenset[tuple[Node, str]]]] = {}
        self._holdings: dict[str, Holding] = {}
        self._makers = {(job.repo, job.run): (job.pipeline, job.step) for job in jobs if job.repo is not None}
        self._versions: dict[str, dict[str, int]] = {}
        for job in jobs:
            self._versions.setdefault(job.run, {})[job.pipeline] = job.version
        publishers = {in_force[pipe][1].step(step).output: (pipe, step) for pipe, step in order}
        waits = self._waits_of({})
        self.now = {node: self._question(node, waits.get(node, frozenset()), publishers) for node in order}

    def asked(self, job: Job) -> Asked:
        """What a job was asked, and whether that is still so."""
        node = (job.pipeline, job.step)
        now, run = self.now.get(node), self._runs[job.run]
        waits = self._waits_of(self._versions[job.run]).get(node, frozenset())
        if now is None:
            return Asked(job.seq, node, Question(b"", waits, ()))
        spec = self._in_force[job.pipeline][1]
        given = run.params if run.pipeline in (None, job.pipeline) else {}
        likewise = [*now.reads, *[None] * len(job.inputs)]  # where it reads more than now, that is told by its shape
        reads = tuple(self._read(item, likewise[place]) for place, item in enumerate(job.inputs))
        alike = run.origin in _ASKED_FOR and _params(spec, job.step, given) == _params(spec, job.step, self._given)
        question = Question(now.work if self._same_work(job, given) else b"", waits, reads)
        return Asked(job.seq, node, question, self._as_noted(job, spec.step(job.step)), alike)

    def _same_work(self, job: Job, given: Mapping[str, Any]) -> bool:
        """Whether the version in force asks for what a job does, if it is given the same parameters."""
        number = self._in_force[job.pipeline][0]
        versions = (job.version, number)
        return job.version == number or len({self._work(job, version, given) for version in versions}) == 1

    def _question(
        self, node: Node, waits: frozenset[tuple[Node, str]], publishers: Mapping[str | None, Node]
    ) -> Question:
        step = self._in_force[node[0]][1].step(node[1])
        reads: list[str | Node | None] = []
        for leaf in step.input.leaves() if step.input else ():
            at = (leaf.repo, leaf.branch)
            if at in self._heads:
                reads.append(self._heads[at])
            elif leaf.repo in publishers and leaf.branch == default_branch(self._parts, leaf.repo):
                reads.append(publishers[leaf.repo])
            else:
                head = resolve.branch(self._parts, leaf.repo, leaf.branch)
                reads.append(head.head if head else None)
        return Question(b"now", waits, tuple(reads))

    def _read(self, item: JobInput, now: str | Node | None) -> str | Node | None:
        """What a job reads: of what is decided when it begins, what anybody would read now."""
        if item.open:
            return now
        return self._makers.get((item.repo, item.commit or ""), item.commit)

    def _work(self, job: Job, number: int, given: Mapping[str, Any]) -> bytes:
        spec = self._spec(job.pipeline, number)
        step, params = spec.step(job.step), _params(spec, job.step, given)
        version = self._parts.version(job.pipeline, number)
        files = code_of(self._pages, step, version.code) if counts_code(step) else []
        recipe = recipe_of(step, params, files, version.salt)
        return fingerprint.digest(
            "work", recipe.digest.hex(), json.dumps(params, sort_keys=True), recipe.parts["shape"]
        )

    def _waits_of(self, versions: Mapping[str, int]) -> Mapping[Node, frozenset[tuple[Node, str]]]:
        """What each step waits for where these versions of pipelines stand in place of those in force."""
        numbers = {name: number for name, (number, _) in self._in_force.items()}
        key = tuple(sorted({**numbers, **versions}.items()))
        if key not in self._waits:
            disabled = self._parts.disabled()
            found: dict[Node, set[tuple[Node, str]]] = {}
            for edge in arrows([self._spec(name, number) for name, number in key]):
                if edge.node not in disabled and edge.upstream not in disabled:
                    found.setdefault(edge.node, set()).add((edge.upstream, edge.needs))
            self._waits[key] = {node: frozenset(waits) for node, waits in found.items()}
        return self._waits[key]

    def _spec(self, name: str, number: int) -> Pipeline:
        known = self._in_force.get(name)
        return known[1] if known is not None and known[0] == number else self._parts.pipeline(name, number)

    def _as_noted(self, job: Job, step: Step) -> bool:
        """Whether files in place, user data and what was read of the code are as a job that has begun found them."""
        if job.state in (JobState.WAITING, JobState.EXPANDING) or not job.total:
            return True
        return marks.as_noted(self._parts, self._exchange, job, step) and self._holds(job)

    def _holds(self, job: Job) -> bool:
        number = self._in_force[job.pipeline][0]
        if job.version == number:
            return True
        if job.pipeline not in self._holdings:
            self._holdings[job.pipeline] = Holding(self._pages, self._parts.code(job.pipeline, number))
        return _holds(self._parts, self._holdings[job.pipeline], job)


def _holds(parts: Parts, holding: Holding, job: Job) -> bool:
    """Whether what tasks of a job opened of the code is as they found it."""
    rows = parts.store.fetch("readings_of_job", job=job.seq)
    return all(map(holding.holds, [job.reading, *(row["reading"] for row in rows)]))


def _params(spec: Pipeline, step: str, given: Mapping[str, Any]) -> dict[str, Any]:
    params = {**spec.params, **spec.step(step).params}
    return params | {name: value for name, value in given.items() if name in params}
