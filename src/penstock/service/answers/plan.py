"""`plan`: what `run` would do and why. No row is written; bytes that were hashed for it stay for the run to find."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from penstock.engine.expand import left_out
from penstock.engine.explain import differences
from penstock.engine.graph import Node, default_branches, read_by, readers
from penstock.engine.matching import KEYS, looked_at, nothing_matches, show_key, without_partner
from penstock.model.data import EMPTY
from penstock.model.inplace import apart
from penstock.model.run import Job, JobInput, Version
from penstock.model.spec import Pipeline, Step
from penstock.model.views import PlannedStep, PlanView
from penstock.objects.blobs import Pages
from penstock.service import resolve
from penstock.service.bindings import opened, work
from penstock.service.data import comparing
from penstock.service.opening.able import check_able
from penstock.service.opening.begin import check_params, with_this
from penstock.service.opening.freeze import Frozen, freeze, link_drafts
from penstock.service.opening.launch import Draft, opened_by
from penstock.service.parts import Parts
from penstock.service.userdata.exchange import Exchange

#: How many changed inputs an answer names.
FEW = 3


def plan(parts: Parts, named: Path | None, params: Mapping[str, Any]) -> PlanView:
    """Raises what `run` would raise: BadSpec, NotFound, UsageError."""
    with parts.objects.session():
        return _plan(parts, named, params)


def _plan(parts: Parts, named: Path | None, params: Mapping[str, Any]) -> PlanView:
    frozen = freeze(parts, named)
    check_params(frozen.pipeline, params)
    check_able(frozen.pipeline)
    drafts = link_drafts(parts, frozen.pipeline.repos)
    in_force = with_this(parts.pipelines(), frozen)
    asleep = parts.stopped() - {frozen.pipeline.name}
    specs = [spec for _, spec in in_force.values() if spec.name not in asleep]
    seeds = {(frozen.pipeline.name, step.name) for step in frozen.pipeline.steps}
    seeds |= readers(specs, {(draft.repo, draft.branch) for draft in drafts})
    planner = _Planner(parts, frozen, params, drafts, default_branches(specs))
    steps = []
    for node in opened_by(parts, specs, seeds)[1]:
        number, pipeline = in_force[node[0]]
        steps.append(planner.step(node, number, pipeline))
    return PlanView(
        pipeline=frozen.pipeline.name,
        version=in_force[frozen.pipeline.name][0],
        new_version=frozen.version is None,
        commits=tuple(_commit(parts, draft) for draft in drafts),
        steps=tuple(steps),
        warnings=frozen.warnings,
    )


def _commit(parts: Parts, draft: Draft) -> dict[str, Any]:
    head = resolve.head(parts, draft.repo)
    changes = [item.change for item in comparing.diff(parts, head.root if head else EMPTY, draft.root)]
    return {"repo": draft.repo, **{kind: changes.count(kind) for kind in ("added", "modified", "removed")}}


class _Planner:
    """Goes down the wave; a step below one that will run cannot be known yet."""

    def __init__(
        self,
        parts: Parts,
        frozen: Frozen,
        params: Mapping[str, Any],
        drafts: Sequence[Draft],
        defaults: Mapping[str, str],
    ) -> None:
        self.parts, self.frozen, self.params, self.defaults = parts, frozen, params, defaults
        self.roots = {(draft.repo, draft.branch): draft.root for draft in drafts}
        self.exchange = Exchange(parts)
        self.unknown: set[str] = set()  #: repos whose next commit is not known

    def step(self, node: Node, number: int, pipeline: Pipeline) -> PlannedStep:
        step = pipeline.step(node[1])
        depends = sorted(self.unknown & read_by(step, self.defaults))
        if depends:
            self._will_change(step)
            return PlannedStep(*node, None, None, None, tuple(f"depends on what {repo} will hold" for repo in depends))
        seen = self._look(node, number, pipeline, step)
        if seen.runs or seen.gone or seen.reused:
            self._will_change(step)
        total = seen.found.kept - seen.gone + seen.reused + seen.runs
        return PlannedStep(*node, total, seen.runs, total - seen.runs, tuple(self._why(node, step, seen, total)))

    def _will_change(self, step: Step) -> None:
        if step.output is not None:
            self.unknown.add(step.output)

    def _look(self, node: Node, number: int, pipeline: Pipeline, step: Step) -> _Seen:
        inputs = []
        for leaf in step.input.leaves() if step.input else ():
            head = resolve.head(self.parts, leaf.repo, leaf.branch)
            inputs.append(JobInput(leaf.repo, leaf.branch, head.id if head else None))
        job = Job(1 << 62, "", node[0], number, node[1], step.output, 0, inputs=tuple(inputs))
        given = {name: value for name, value in self.params.items() if name in {**pipeline.params, **step.params}}
        params = {**pipeline.params, **step.params, **(given if pipeline is self.frozen.pipeline else {})}
        version = None if pipeline is self.frozen.pipeline else self.parts.version(pipeline.name, number)
        code = version.code if version else self.frozen.code
        salt = version.salt if version else self._salt()
        with self.parts.objects.writer() as writer:
            pages = Pages(self.parts.objects.blobs, writer)
            others = apart(pipeline, step)
            find = work.find(self.parts, pages, job, step, params, code, salt, self.exchange, others, self.roots)
            seen = _Seen(find, code)
            for item in work.compared(self.parts, pages, seen.found, step, params):
                seen.add(item)
            seen.left_out = without_partner(left_out(step.input, seen.found.index, KEYS), 1)
        return seen

    def _salt(self) -> str:
        known = self.parts.store.load(Version, "versions", pipeline=self.frozen.pipeline.name)
        return known[0].salt if known else ""

    def _without_base(self, node: Node, seen: _Seen) -> Collection[str]:
        """The same of a step that has no ledger to start from."""
        if not seen.runs:
            return ["the same work was done in an earlier run"]
        before = self.parts.store.load(Job, "base_job", pipeline=node[0], step=node[1], before=1 << 62)
        if not before:
            return ["it never ran before"]
        lines = differences(before[0].parts, seen.found.recipe.parts)
        outputs = seen.found.outputs
        lost = outputs.changed() if outputs is not None else []
        return lines or lost or ["some of its tasks did not succeed yet"]

    def _why(self, node: Node, step: Step, seen: _Seen, total: int) -> Collection[str]:
        if not step.reuse:
            return ["`reuse` is off, as it is for plain commands: it runs every time", *seen.left_out]
        if not total and not seen.gone:
            return [nothing_matches(step), *seen.left_out]
        if seen.found.base is None:
            return [*self._without_base(node, seen), *seen.left_out]
        base = seen.found.base
        lines = differences(*opened.compared(self.parts.objects.pages, base, seen.found.recipe.parts, seen.code))
        if seen.found.whole:
            lines.append(looked_at(step.input, total, "what all its tasks are made of changed"))
        elif seen.runs:
            again = " or failed last time" if base.failed or base.cancelled else ""
            lines += [f"{path} is new or changed{again}" for path in seen.first]
            if seen.runs > FEW:
                lines.append(f"and {seen.runs - FEW} more")
        elif seen.reused:
            lines.append("the same work was done in an earlier run")
        elif seen.gone:
            lines.append("1 binding is gone" if seen.gone == 1 else f"{seen.gone} bindings are gone")
        return [*(lines or ["nothing it depends on changed"]), *seen.left_out]


class _Seen(Struct):
    """What a step's bindings come to, counted."""

    found: work.Found
    code: bytes
    gone: int = 0  #: of those that the base has, also for a new one to take its place
    reused: int = 0
    runs: int = 0
    first: list[str] = field(default_factory=list)  #: a few of what would run
    left_out: list[str] = field(default_factory=list)

    def add(self, item: work.Touched) -> None:
        self.gone += item.old is not None
        self.reused += item.known is not None
        if item.known is None and item.binding is not None:
            self.runs += 1
            if len(self.first) < FEW:
                self.first.append(show_key(item.binding.key))
