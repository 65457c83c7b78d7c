"""Draws what the documents must not say by hand: layers, state diagrams, and the words people see.

`python docs/draw.py` rewrites every block between `<!-- drawn: NAME -->` and `<!-- end -->` in the documents beside it.
A test fails when a committed block is not what the code gives.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path

from penstock.engine.explain import OUTCOMES, REASONS
from penstock.model import moves
from penstock.model.words import job_word, run_word, task_word

DOCS = Path(__file__).parent
PROJECT = DOCS.parent / "pyproject.toml"
BLOCK = re.compile(r"(<!-- drawn: (?P<name>[a-z ]+) -->\n).*?(<!-- end -->)", re.DOTALL)
#: `NAME = "value"  #: what it means`, as the state tables are written.
_MEANING = re.compile(r'^    [A-Z]+ = "(?P<value>\w+)"(?:  #: (?P<meaning>.+))?$', re.MULTILINE)
_CLASS = re.compile(r"^class (?P<name>\w+)\(StrEnum\):\n(?P<body>(?:    .*\n)+)", re.MULTILINE)


def layers() -> str:
    """The import rule, as the tool that checks it reads it."""
    contract = tomllib.loads(PROJECT.read_text())["tool"]["importlinter"]["contracts"][0]
    lines = [layer for layer in contract["layers"] if "testing" not in layer]
    return "\n".join(["```text", *lines, "```"])


def diagram(noun: str) -> str:
    """The state diagram of one noun, as a table of its states and a mermaid block of its arrows."""
    enum = moves.STATES[noun]
    arrows = moves.MOVES[noun]
    left = {source for source, _ in arrows}
    meanings = _meanings()[enum.__name__]
    rows = [(f"`{state}`", meanings[state] or "over") for state in enum]
    lines = [f"    [*] --> {next(iter(enum))}"]
    lines += [f"    {source} --> {target}: {why}" for (source, target), why in arrows.items()]
    lines += [f"    {state} --> [*]" for state in enum if state not in left]
    return table(("State", "Means"), rows) + "\n\n" + "\n".join(["```mermaid", "stateDiagram-v2", *lines, "```"])


def _meanings() -> dict[str, dict[str, str]]:
    """What the comments beside the states say: enum -> value -> text."""
    source = Path(moves.__file__).read_text()
    return {
        found["name"]: {line["value"]: line["meaning"] or "" for line in _MEANING.finditer(found["body"])}
        for found in _CLASS.finditer(source)
    }


def outcomes() -> str:
    """How something ended, and why."""
    ends = table(("Outcome", "It"), [(f"`{name}`", OUTCOMES[name]) for name in moves.Outcome])
    whys = table(("Reason", "Means"), [(f"`{name}`", REASONS[name]) for name in moves.Reason])
    return f"{ends}\n\n{whys}"


def words() -> str:
    """Every combination of core state and the word people see for it."""
    rows: list[tuple[str, str, str]] = []
    for state in moves.JobState:
        if state == moves.JobState.OPEN:
            reached = [None, *moves.AttemptState]
            by_word = _grouped((job_word(state, reached=place), place or "nothing yet") for place in reached)
            rows += [("job", f"`{state}`, furthest attempt: {listed(places)}", word) for word, places in by_word]
        elif state != moves.JobState.DONE:
            rows.append(("job", f"`{state}`", job_word(state)))
    pending = [state for state in moves.JobState if state != moves.JobState.DONE]
    rows.append(("job", "not done, held by a user", _one(job_word(state, hold="user") for state in pending)))
    rows.append(("job", "not done, held by its site", _one(job_word(state, hold="site") for state in pending)))
    rows.append(("job", "not done, its site does not answer", _one(job_word(state, doubt=True) for state in pending)))
    rows += [("run", f"`{state}`", run_word(state)) for state in moves.RunState if state != moves.RunState.DONE]
    rows.append(("run", "not done, held", run_word("active", hold="user")))
    rows += [("task", f"`{state}`", task_word(state)) for state in moves.TaskState if state != moves.TaskState.DONE]
    for outcome in moves.Outcome:
        reasons = [None, *moves.Reason]
        by_word = _grouped((_over(outcome, reason), reason or "none") for reason in reasons)
        usual = max(by_word, key=lambda found: len(found[1]))[0]
        for word, places in by_word:
            suffix = "" if word == usual else f", reason {listed(places)}"
            rows.append(("each", f"over, `{outcome}`{suffix}", word))
    return table(("Noun", "Core state", "Word"), [(noun, state, f"`{word}`") for noun, state, word in rows])


def _over(outcome: str, reason: str | None) -> str:
    """The word for an end; jobs, runs and tasks end in the same words."""
    return _one(
        (job_word("done", outcome, reason), run_word("done", outcome, reason), task_word("done", outcome, reason))
    )


def _one(found: Iterable[str]) -> str:
    """The word that all of some states share."""
    (word,) = set(found)
    return word


def _grouped(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    found: dict[str, list[str]] = {}
    for word, place in pairs:
        found.setdefault(word, []).append(place)
    return list(found.items())


def listed(values: Iterable[str]) -> str:
    """Values as code, with commas."""
    return ", ".join(f"`{value}`" if " " not in value else value for value in values)


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


DRAWN: dict[str, Callable[[], str]] = {
    "layers": layers,
    **{f"{noun} states": lambda noun=noun: diagram(noun) for noun in moves.MOVES},  # type: ignore[misc]
    "outcomes": outcomes,
    "words": words,
}


def redraw(text: str) -> str:
    """A document with every drawn block made anew. Raises KeyError for a block that nothing draws."""
    return BLOCK.sub(lambda found: found[1] + DRAWN[found["name"]]() + "\n" + found[3], text)


def main() -> None:
    """Rewrite the documents."""
    for page in sorted(DOCS.rglob("*.md")):
        text = page.read_text()
        if redraw(text) != text:
            page.write_text(redraw(text))
            print(f"drawn anew: {page.relative_to(DOCS)}")


if __name__ == "__main__":
    main()
