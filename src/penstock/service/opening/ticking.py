"""Repos of ticks: each time of a step's clock becomes a file, and its commit a run."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.engine.ticks import due, next_tick, tick_name
from penstock.model.data import EMPTY, Entry
from penstock.model.errors import NotFound
from penstock.model.run import Clock, Run
from penstock.model.spec import DEFAULT_BRANCH, Pipeline
from penstock.objects import tree
from penstock.objects.blobs import Pages
from penstock.service import resolve
from penstock.service.opening import firing, launch
from penstock.service.opening.launch import Draft, ensure_repos
from penstock.service.parts import Parts


def set_clocks(parts: Parts, pipeline: Pipeline, now: int) -> None:
    """Let a pipeline's clocks go as it says now. A new one begins with its next time. Call inside a transaction."""
    known = {clock.repo: clock.ticked for clock in clocks(parts) if clock.pipeline == pipeline.name}
    parts.store.execute("delete_clocks", pipeline=pipeline.name)
    for step in pipeline.steps:
        for leaf in step.input.leaves() if step.input else ():
            if leaf.cron is not None:
                ensure_repos(parts, [leaf.repo], now)
                cron, ticked = leaf.cron, known.get(leaf.repo, now)
                parts.store.insert(
                    [Clock(leaf.repo, pipeline.name, cron.expression, cron.tz, cron.overwrite, cron.catchup, ticked)]
                )


def clocks(parts: Parts) -> list[Clock]:
    """The clocks of all pipelines in force."""
    return parts.store.load(Clock, "clocks")


def follow_clock(parts: Parts) -> None:
    """Make the ticks that are due, and move the branches for which it is time; call inside a durable transaction."""
    now = parts.now()
    ticks: dict[int, list[Clock]] = {}
    for clock in clocks(parts):
        moments, ticked = due(clock, now)
        if ticked != clock.ticked:
            parts.store.execute("ticked", repo=clock.repo, moment=ticked)
        for moment in moments:
            ticks.setdefault(moment, []).append(clock)
    for moment in sorted(ticks):
        _tick(parts, ticks[moment], moment)
    launch.follow_clock(parts)


def tick(parts: Parts, repo: str) -> Run | None:
    """Make a tick of a repo now, out of turn; the run that it opens. Raises NotFound."""
    with parts.store.transaction(durable=True):
        known = {clock.repo: clock for clock in clocks(parts)}
        if repo not in known:
            message = f"no pipeline in force has a `cron` input with repo {repo!r}"
            raise NotFound(f"{message}{resolve.suggestion(repo, known)}")
        return _tick(parts, [known[repo]], parts.now())


def _tick(parts: Parts, beating: Sequence[Clock], moment: int) -> Run | None:
    """One commit over all clocks with a tick at a moment."""
    name = tick_name(moment)
    drafts = []
    with parts.objects.writer() as writer:
        pages = Pages(parts.objects.blobs, writer)
        for clock in beating:
            head = resolve.head(parts, clock.repo, DEFAULT_BRANCH)
            before = EMPTY if head is None or clock.overwrite else head.root
            files = 1 if head is None or clock.overwrite else head.files + (tree.lookup(pages, before, name) is None)
            root = tree.edit(pages, before, {name: Entry()})
            parent = head.id if head else None
            drafts.append(Draft(clock.repo, DEFAULT_BRANCH, parent, root, files, 0, "put", f"tick of {clock.cron}"))
    return launch.commit(parts, drafts, parts.new_id())[1]


def next_time(parts: Parts) -> int | None:
    """When (UTC microseconds) something happens although nobody commits; None: nothing does."""
    times = [firing.next_time(parts), *(next_tick(clock) for clock in clocks(parts))]
    return min((when for when in times if when is not None), default=None)
