"""Setting and ending triggers: a branch that follows another one of its repo once enough has gathered there."""

from __future__ import annotations

from penstock.model import times
from penstock.model.errors import NotFound, Refused, UsageError
from penstock.model.ids import Reference, check_name
from penstock.model.run import Trigger
from penstock.service import resolve
from penstock.service.data.committing import check_movable, open_commit
from penstock.service.opening import firing
from penstock.service.parts import Parts
from penstock.text.cron import check_cron
from penstock.text.units import parse_seconds, parse_size


def set_trigger(
    parts: Parts,
    target: Reference,
    watches: str,
    *,
    size: str | int | None = None,
    commits: int | None = None,
    every: str | float | None = None,
    cron: str | None = None,
    all_of: bool = False,
) -> Trigger:
    """Let a branch follow `watches`, a branch of the same repo, from now on; both are made if they are missing.

    It moves when the watched tree has grown by `size` bytes since it moved last, when `commits` were made there, when
    `every` seconds are over, or at the times of `cron` (UTC, if it names no zone): when any of those given says so,
    or with `all_of` only when all do. A trigger it had is replaced. Raises UsageError, Refused.
    """
    name = _branch(parts, target)
    repo = target.repo
    check_name(watches, "branch")
    fields = None if cron is None else check_cron(cron)
    distance = None if fields is None else times.period(fields)
    if distance is not None:
        if every is not None:
            raise UsageError(f"cron {cron!r} and every {every!r} say the same thing twice")
        every, fields = distance, None
    if size is None and commits is None and every is None and fields is None:
        raise UsageError(f"{target}: say when it shall move: by size, commits, every or cron")
    if commits is not None and commits < 1:
        raise UsageError(f"{target}: expected at least 1 commit")
    grown = None if size is None else parse_size(size)
    if grown is not None and grown < 1:
        raise UsageError(f"{target}: size {size!r} is reached at once; expected at least 1 byte")
    period = None if every is None else int(parse_seconds(every) * 1_000_000)
    if period == 0:
        raise UsageError(f"{target}: every {every!r} is no time at all")
    new = Trigger(
        repo=repo,
        branch=name,
        watches=watches,
        size=grown,
        commits=commits,
        every=period,
        cron=fields,
        needs="all" if all_of else "any",
        fired=parts.now(),
    )
    with parts.store.transaction(durable=True):
        _check(parts, new)
        firing.set_trigger(parts, new)
    return new


def _branch(parts: Parts, target: Reference) -> str:
    resolve.repo(parts, target.repo)
    if target.ref is None or target.path is not None:
        raise UsageError(f"{target}: expected REPO@BRANCH, for example {target.repo}@nightly")
    return check_name(target.ref, "branch")


def _check(parts: Parts, new: Trigger) -> None:
    at = f"{new.repo}@{new.branch}"
    there = resolve.repo(parts, new.repo)
    if new.branch == there.default_branch:
        owners = [row["step"] for row in parts.store.fetch("publishers") if row["repo"] == new.repo]
        if owners:
            raise Refused(f"{at} is written by step {owners[0]!r}; a trigger may move another branch of {new.repo!r}")
        if there.path is not None:
            raise Refused(f"{at} is filled from {there.path}/; a trigger may move another branch of {new.repo!r}")
    if open_commit(parts, new.repo, new.branch) is not None:
        check_movable(parts, new.repo, new.branch)
    _check_owner(firing.trigger_of(parts, new.repo, new.branch))
    if chain := firing.circle(parts, new):
        raise Refused(f"{at}: a circle of triggers: {' watches '.join(chain)}")


def _check_owner(trigger: Trigger | None) -> None:
    """What a pipeline file says is changed there."""
    if trigger is not None and trigger.pipeline is not None:
        at = f"{trigger.repo}@{trigger.branch}"
        raise Refused(f"{at} moves for an input of pipeline {trigger.pipeline!r}; change its `trigger` in that file")


def unset_trigger(parts: Parts, target: Reference) -> Trigger:
    """Let a branch stay where it is from now on. Raises NotFound."""
    name = _branch(parts, target)
    with parts.store.transaction(durable=True):
        found = firing.trigger_of(parts, target.repo, name)
        if found is None:
            raise NotFound(f"{target}: this branch has no trigger")
        _check_owner(found)
        parts.store.execute("delete_trigger", repo=target.repo, branch=name)
    return found
