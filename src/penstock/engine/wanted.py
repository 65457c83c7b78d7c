"""Which jobs of unfinished runs are still wanted, now that their pipeline is asked for again.

What is asked of a step is a `Question`: jobs with equal ones have tasks with the same fingerprints.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum

from msgspec import Struct

from penstock.engine.graph import Node


class Question(Struct, frozen=True):
    """What is asked of a step."""

    work: bytes  #: command, counted code, environment, salt, parameters and shape, as one digest
    waits: frozenset[tuple[Node, str]]  #: the steps it waits for, and what it needs of each
    reads: tuple[str | Node | None, ...]  #: for each glob of its input the commit, or the step that makes it


class Asked(Struct, frozen=True):
    """A job of an unfinished run, and what it was asked."""

    job: int
    node: Node
    question: Question
    as_noted: bool = True  #: whether all it depends on beside is as it was when it began
    alike: bool = True  #: whether its run is for the parameters that are asked for now


class Verdict(Enum):
    WANTED = "wanted"  #: what it gives is the answer to what is asked now
    OLDER = "older"  #: it does what would be done now, on older data
    OTHER = "other"  #: it does what would be done now, with parameters that somebody else asked for
    UNWANTED = "unwanted"  #: nobody asks for what it does any more


def judge(jobs: Iterable[Asked], now: Mapping[Node, Question]) -> dict[int, Verdict]:
    """A verdict for each job. `jobs` stand in the order they were made, so each after what it waits for."""
    verdicts: dict[int, Verdict] = {}
    newest: dict[Node, Verdict] = {}
    for job in jobs:
        question = now.get(job.node)
        upstream = {newest[node] for node, _ in job.question.waits if node in newest}
        same = question is not None and job.as_noted and _work(question) == _work(job.question)
        if question is None or not same or Verdict.UNWANTED in upstream:
            found = Verdict.UNWANTED
        elif not job.alike:
            found = Verdict.OTHER
        elif question.reads != job.question.reads or upstream - {Verdict.WANTED}:
            found = Verdict.OLDER
        else:
            found = Verdict.WANTED
        verdicts[job.job] = newest[job.node] = found
    return verdicts


def _work(question: Question) -> tuple[bytes, frozenset[tuple[Node, str]]]:
    return question.work, question.waits
