"""Triggers: which branches follow a head that moved, or move because it is time."""

from __future__ import annotations

from collections import deque

from penstock.engine.due import due_at
from penstock.model.run import Branch, Commit, Trigger
from penstock.service import resolve
from penstock.service.parts import Parts

#: (repo, branch) -> the commit it points to
Heads = dict[tuple[str, str], str]


def due(parts: Parts, trigger: Trigger) -> tuple[int | None, Commit | None]:
    """When a trigger fires if nothing more is committed (0: at once, None: never), and the commit it moves to."""
    watched = resolve.head(parts, trigger.repo, trigger.watches)
    own = resolve.head(parts, trigger.repo, trigger.branch)
    if watched is None or (own is not None and own.id == watched.id):
        return None, watched
    most = trigger.commits or 1
    since = own.id if own else None
    found = parts.store.fetch("commits_since", repo=trigger.repo, id=watched.id, since=since, most=most)
    return due_at(trigger, watched.size - (own.size if own else 0), found[0]["commits"]), watched


def fire(parts: Parts, heads: Heads, now: int) -> Heads:
    """Move every branch whose trigger watches one of these heads and is due, and those that watch it in turn.

    Call inside a transaction, when the heads stand already. Returns them with what moved.
    """
    moved = dict(heads)
    todo = deque(heads)
    while todo:
        repo, name = todo.popleft()
        for trigger in parts.store.load(Trigger, "triggers", repo=repo):
            # It ends: branches that would follow each other in a circle are refused.
            if trigger.watches == name and _move(parts, trigger, moved, now):
                todo.append((repo, trigger.branch))
    return moved


def fire_timed(parts: Parts, now: int) -> Heads:
    """Move the branches for which it is time, and those that watch them; call inside a transaction."""
    moved: Heads = {}
    for trigger in parts.store.load(Trigger, "timed_triggers"):
        if (trigger.repo, trigger.branch) not in moved and _move(parts, trigger, moved, now):
            moved |= fire(parts, {(trigger.repo, trigger.branch): moved[trigger.repo, trigger.branch]}, now)
    return moved


def _move(parts: Parts, trigger: Trigger, moved: Heads, now: int) -> bool:
    when, watched = due(parts, trigger)
    if watched is None or when is None or when > now:
        return False
    parts.store.execute("set_head", repo=trigger.repo, name=trigger.branch, head=watched.id, created=now)
    parts.store.execute("fired", repo=trigger.repo, branch=trigger.branch, now=now)
    moved[trigger.repo, trigger.branch] = watched.id
    return True


def next_time(parts: Parts) -> int | None:
    """When (UTC microseconds) the next branch moves although nobody commits; None: none does."""
    times = (due(parts, trigger)[0] for trigger in parts.store.load(Trigger, "timed_triggers"))
    return min((when for when in times if when is not None), default=None)


def waiting(parts: Parts) -> list[tuple[Trigger, int]]:
    """The triggers that will fire by time alone, with when."""
    found = ((trigger, due(parts, trigger)[0]) for trigger in parts.store.load(Trigger, "timed_triggers"))
    return [(trigger, when) for trigger, when in found if when is not None]


def set_heads(parts: Parts, heads: Heads, now: int) -> None:
    """Let branches point to commits, making those that are missing."""
    for (repo, name), head in heads.items():
        parts.store.execute("set_head", repo=repo, name=name, head=head, created=now)


def circle(parts: Parts, new: Trigger) -> list[str]:
    """The branches that would follow each other in a circle with a new trigger, empty if none would."""
    follows = {item.branch: item.watches for item in parts.store.load(Trigger, "triggers", repo=new.repo)}
    follows[new.branch] = new.watches
    chain = [new.branch]
    while (before := follows.get(chain[-1])) is not None:
        chain.append(before)
        if before == new.branch:
            return chain
    return []


def set_trigger(parts: Parts, new: Trigger) -> None:
    """Let a branch follow another one, in place of how it moved before; both are made if they are missing."""
    for name in (new.branch, new.watches):
        if resolve.branch(parts, new.repo, name) is None:
            parts.store.insert([Branch(new.repo, name, None, parts.now())])
    parts.store.execute("delete_trigger", repo=new.repo, branch=new.branch)
    parts.store.insert([new])


def trigger_of(parts: Parts, repo: str, name: str) -> Trigger | None:
    """The trigger that moves a branch."""
    return next((item for item in parts.store.load(Trigger, "triggers", repo=repo) if item.branch == name), None)


def watchers(parts: Parts, repo: str, name: str) -> list[Trigger]:
    """The triggers that watch a branch."""
    return [item for item in parts.store.load(Trigger, "triggers", repo=repo) if item.watches == name]
