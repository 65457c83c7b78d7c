"""Whether there is another try, and what it gets: pure answers from a step's rules and how a try ended."""

from __future__ import annotations

from penstock.model.moves import Outcome, Reason
from penstock.model.spec import Retry, Rule

#: Ends after which another try would only end the same.
_FINAL = frozenset({Reason.COLLISION, Reason.USER, Reason.UNRUNNABLE})


def next_try(retry: Retry, tries: int, outcome: str, reason: str | None, exit_code: int | None) -> Rule | None:
    """The rule by which a task that has had `tries` tries, with the one that ended so, gets another one; else None.

    >>> next_try(Retry(tries=2), 1, "failed", "exit", 3) is not None, next_try(Retry(tries=2), 2, "failed", "exit", 3)
    (True, None)
    >>> rules = Retry(rules=(Rule((137, "memory"), 3, memory=1.5), Rule(("timeout",), 2)))
    >>> next_try(rules, 1, "failed", "memory", -9).memory, next_try(rules, 1, "failed", "exit", 1)
    (1.5, None)
    """
    if outcome != Outcome.FAILED or reason in _FINAL:
        return None
    rules = retry.rules or (Rule(tries=retry.tries),)
    rule = next((rule for rule in rules if not rule.on or reason in rule.on or exit_code in rule.on), None)
    return rule if rule is not None and tries < rule.tries else None


def grown(rule: Rule, reason: str | None, memory: int, seconds: float | None) -> tuple[int, float | None]:
    """What the next try asks for: more of what this one, which asked for so much, had too little of.

    >>> grown(Rule(memory=1.5, time=2.0), "memory", 1000, 60.0), grown(Rule(time=2.0), "timeout", 0, 60.0)
    ((1500, 60.0), (0, 120.0))
    """
    if reason == Reason.MEMORY:
        memory = int(memory * rule.memory)
    if reason in (Reason.TIMEOUT, Reason.WALLTIME) and seconds is not None:
        seconds *= rule.time
    return memory, seconds
