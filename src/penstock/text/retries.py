"""How often a task is tried: one number, or rules about how a try ended."""

from __future__ import annotations

import re
from collections.abc import Callable

from penstock.model.moves import Reason
from penstock.model.spec import Retry, Rule
from penstock.text import fields
from penstock.text.nodes import Node

MAX_TRIES = 1000
#: Reasons of a try that a rule may be about, beside exit codes.
REASONS = (Reason.EXIT, Reason.SIGNAL, Reason.TIMEOUT, Reason.MEMORY, Reason.OUTPUT, Reason.COMMAND, Reason.INPUT)
_FACTOR = re.compile(r"([0-9]+(?:\.[0-9]+)?)x?")
_RULE = ("on", "tries", "memory", "time", "between")


def read_retry(node: Node, what: str, command: Callable[[Node, str], tuple[str, ...]]) -> Retry:
    """A mapping `{tries, timeout, on, memory, time, between, crashes}`, or a list of rules, each with `on`, `tries`,
    `memory`, `time` and `between`, of which the first that fits decides; `timeout` and `crashes` stand in one of them
    and hold for all. `command` reads an argv. Raises BadSpec.
    """
    if not isinstance(node.value, list):
        values = fields.keys_of(node, what, (*_RULE, "timeout", "crashes"))
        shared = _shared(values, what)
        if not {"on", "memory", "time", "between"} & values.keys():
            return Retry(_tries(values, what, 1), *shared[:1], crashes=shared[1])
        return Retry(1, shared[0], (_rule(values, what, command),), shared[1])
    rules, timeout, crashes = [], None, Retry().crashes
    said: dict[str, Node] = {}
    for item in node.value:
        values = fields.keys_of(item, what, (*_RULE, "timeout", "crashes"))
        for key in {"timeout", "crashes"} & values.keys():
            if key in said:
                values[key].fail(f"{what}: `{key}` holds for all rules, and stands at {said[key].where} already")
            said[key] = values[key]
        mine = _shared(values, what)
        timeout = mine[0] if "timeout" in values else timeout
        crashes = mine[1] if "crashes" in values else crashes
        rules.append(_rule(values, what, command))
    if not rules:
        node.fail(f"{what}: expected at least one rule, such as {{on: [137], tries: 3, memory: 1.5x}}")
    return Retry(1, timeout, tuple(rules), crashes)


def _shared(values: dict[str, Node], what: str) -> tuple[float | None, int]:
    timeout = fields.seconds(values["timeout"], f"{what}.timeout") if "timeout" in values else None
    crashes = Retry().crashes
    if "crashes" in values:
        crashes = fields.whole(values["crashes"], f"{what}.crashes", 1, MAX_TRIES)
    return timeout, crashes


def _tries(values: dict[str, Node], what: str, default: int) -> int:
    return fields.whole(values["tries"], f"{what}.tries", 1, MAX_TRIES) if "tries" in values else default


def _rule(values: dict[str, Node], what: str, command: Callable[[Node, str], tuple[str, ...]]) -> Rule:
    ends = fields.items(values["on"], f"{what}.on", "exit codes and reasons") if "on" in values else ()
    return Rule(
        on=tuple(_end(item, f"{what}.on") for item in ends),
        tries=_tries(values, what, 2),
        memory=_factor(values["memory"], f"{what}.memory") if "memory" in values else 1.0,
        time=_factor(values["time"], f"{what}.time") if "time" in values else 1.0,
        between=command(values["between"], f"{what}.between") if "between" in values else (),
    )


def _end(node: Node, what: str) -> int | str:
    if isinstance(node.value, str):
        return fields.choice(node, what, tuple(map(str, REASONS)))
    return fields.whole(node, what, 0, 255)


def _factor(node: Node, what: str) -> float:
    match = _FACTOR.fullmatch(node.text or str(node.value)) if isinstance(node.value, (str, int, float)) else None
    factor = float(match[1]) if match else 0.0
    if not 1.0 <= factor <= 1000.0:
        node.fail(f"{what}: expected how many times as much the next try gets, such as 1.5x")
    return factor
