"""What an input finds, leaves out and has to look at, in words: pure answers about bindings."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.engine.expand import NOTHING, LeftOut
from penstock.model.spec import InputSpec, Step

#: How many keys of joins are looked at for an answer.
KEYS = 20_000


def show_key(key: Sequence[str]) -> str:
    """A binding as one word per part of its key: the path, `/` for a whole repo, the key of a group.

    >>> show_key(("a.png", "", "//"))
    'a.png × / × nothing'
    """
    return " × ".join("nothing" if part == NOTHING else part or "/" for part in key)


def show_input(spec: InputSpec) -> str:
    """What a node reads: its globs.

    >>> show_input(InputSpec("glob", repo="texts", glob="/*.csv"))
    'texts:/*.csv'
    """
    return " × ".join(f"{leaf.repo}:{leaf.glob}" for leaf in spec.leaves())


def nothing_matches(step: Step) -> str:
    """That a step's input is empty; of one that waits for its first tick, how to make one."""
    if step.input is None:
        return "nothing matches"
    ticks = [leaf.repo for leaf in step.input.leaves() if leaf.cron is not None]
    hint = f"; `penstock repo tick {ticks[0]}` makes a tick now" if ticks else ""
    return f"nothing matches {show_input(step.input)}{hint}"


def without_partner(left_out: LeftOut, few: int) -> list[str]:
    """What joins leave out, naming a few."""
    lines = [f"join key {value!r} has no partner in {show_input(part)}" for value, part in left_out.keys[:few]]
    if lines and len(left_out.keys) > few:
        lines[-1] += f"; nor have {len(left_out.keys) - few} more (`outer: true` keeps what has none)"
    if left_out.more:
        lines.append(f"only the first {left_out.looked_at:,} keys of its joins were looked at for partners")
    return lines


def looked_at(spec: InputSpec | None, bindings: int, why: str) -> str:
    """That all bindings are looked at, and what else has to be for that."""
    again = ", and the keys of its joins and groups are found again" if spec and _keyed(spec) else ""
    return f"all {bindings:,} bindings are looked at, because {why}{again}"


def _keyed(spec: InputSpec) -> bool:
    return spec.kind in ("join", "group") or any(_keyed(part) for part in spec.parts)
