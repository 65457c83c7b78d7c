"""`plan`: what `run` would do and why. No row is written; bytes that were hashed for it stay for the run to find."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from penstock.engine.explain import differences, nothing_matches
from penstock.engine.graph import Node, arrows, read_by, readers, wave
from penstock.model.data import EMPTY
from penstock.model.run import Job, JobInput, Version
from penstock.model.spec import Pipeline, Step
from penstock.model.views import PlannedStep, PlanView
from penstock.objects.blobs import Pages
from penstock.service import resolve
from penstock.service.bindings import work
from penstock.service.data import reading
from penstock.service.opening.begin import check_params, with_this
from penstock.service.opening.freeze import Frozen, freeze, link_drafts
from penstock.service.opening.launch import Draft
from penstock.service.parts import Parts

#: How many changed inputs an answer names.
FEW = 3


def plan(parts: Parts, named: Path | None, params: Mapping[str, Any]) -> PlanView:
    """Raises what `run` would raise: BadSpec, NotFound, UsageError."""
    frozen = freeze(parts, named)
    check_params(frozen.pipeline, params)
    drafts = link_drafts(parts, frozen.pipeline.repos)
    in_force = with_this(parts.pipelines(), frozen)
    specs = [spec for _, spec in in_force.values()]
    seeds = {(frozen.pipeline.name, step.name) for step in frozen.pipeline.steps}
    seeds |= readers(specs, {(draft.repo, draft.branch) for draft in drafts})
    planner = _Planner(parts, frozen, params, drafts)
    steps = []
    for node in wave(seeds, arrows(specs)):
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
    changes = [item.change for item in reading.diff(parts, head.root if head else EMPTY, draft.root)]
    return {"repo": draft.repo, **{kind: changes.count(kind) for kind in ("added", "modified", "removed")}}


class _Planner:
    """Goes down the wave; a step below one that will run cannot be known yet."""

    def __init__(self, parts: Parts, frozen: Frozen, params: Mapping[str, Any], drafts: Sequence[Draft]) -> None:
        self.parts, self.frozen, self.params = parts, frozen, params
        self.roots = {(draft.repo, draft.branch): draft.root for draft in drafts}
        self.unknown: set[str] = set()  #: repos whose next commit is not known

    def step(self, node: Node, number: int, pipeline: Pipeline) -> PlannedStep:
        step = pipeline.step(node[1])
        depends = sorted(self.unknown & read_by(step))
        if depends:
            self._will_change(step)
            return PlannedStep(*node, None, None, None, tuple(f"depends on what {repo} will hold" for repo in depends))
        found = self._find(node, number, pipeline, step)
        runs = len(found.must_run)
        if runs or found.gone or found.reused:
            self._will_change(step)
        total = found.kept + len(found.reused) + runs
        return PlannedStep(*node, total, runs, total - runs, tuple(self._why(step, found, runs)))

    def _will_change(self, step: Step) -> None:
        if step.output is not None:
            self.unknown.add(step.output)

    def _find(self, node: Node, number: int, pipeline: Pipeline, step: Step) -> work.Found:
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
            return work.find(self.parts, pages, job, step, params, code, salt, self.roots)

    def _salt(self) -> str:
        known = self.parts.store.load(Version, "versions", pipeline=self.frozen.pipeline.name)
        return known[0].salt if known else ""

    def _why(self, step: Step, found: work.Found, runs: int) -> Collection[str]:
        if not step.reuse:
            return ["`reuse` is off, as it is for plain commands: it runs every time"]
        if not runs and not found.kept and not found.reused:
            return [nothing_matches(step)]
        if not runs and found.reused:
            return ["the same work was done in an earlier run"]
        if not runs:
            return ["nothing it depends on changed"] if not found.gone else [f"{len(found.gone)} bindings are gone"]
        if found.base is None:
            return ["it never ran before"]
        base = self.parts.store.load(Job, "job", seq=found.base)[0]
        lines = differences(base.parts, found.recipe.parts)
        changed = ["/".join(part for part in binding.key if part) or "/" for binding, _ in found.must_run]
        if not lines:
            again = " or failed last time" if base.failed or base.cancelled else ""
            lines = [f"{path} is new or changed{again}" for path in changed[:FEW]]
            if len(changed) > FEW:
                lines.append(f"and {len(changed) - FEW} more")
        return lines
