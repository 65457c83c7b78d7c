"""Every row has an answer: all combinations are walked, and each part of the answer is looked for."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.engine.explain import OUTCOMES, REASONS, Around, differences, explain_job, explain_run, explain_task
from penstock.model.moves import AttemptState, JobState, Outcome, Reason, RunState, TaskState
from penstock.model.run import Attempt, Job, Run, Task

AROUNDS = [
    Around(),
    Around(engine="pid 7 on host"),
    Around(engine="pid 7 on host", waits_for=("up@r",), run_hold="user", base="old@r", differences=("x changed",)),
    Around(ahead=("first@r",), base="old@r", failures=("task t: bad",), twin="twin", made_by="maker"),
]
#: (state, outcome) as the schema allows them.
OVER = [("done", outcome) for outcome in Outcome]
REASONED = [None, *Reason]
ASKED = [None, Reason.USER, Reason.SUPERSEDED]


def run(state: str = RunState.ACTIVE, **values: Any) -> Run:
    return Run(1, "r" * 32, "p", "o", None, None, {}, "run", 1, state=state, **values)


def job(state: str = JobState.OPEN, **values: Any) -> Job:
    return Job(1, "r" * 32, "p", 1, "edges", "edges", 1, state=state, **values)


def task(state: str = TaskState.READY, **values: Any) -> Task:
    return Task(1, 1, "t" * 40, ("a", ""), b"f", {}, b"", True, 1, state=state, **values)


def told(lines: Iterable[str]) -> str:
    """The answer as one text, after what must hold for each."""
    lines = list(lines)
    assert lines and all(lines)
    assert not [line for line in lines if "\n" in line or "None" in line]
    return "\n".join(lines)


def test_every_reason_and_outcome_has_a_sentence() -> None:
    assert set(REASONS) == set(Reason)
    assert set(OUTCOMES) == set(Outcome)
    assert len(set(REASONS.values())) == len(REASONS)


def test_every_run_has_an_answer() -> None:
    states = [(RunState.DRAFT, None), (RunState.ACTIVE, None), *OVER]
    jobs = [job(JobState.DONE, outcome=Outcome.FAILED, reason=Reason.TASKS, message="1 of 2 tasks failed"), job()]
    for (state, outcome), reason, stop, hold, around in product(states, REASONED, ASKED, (None, "user"), AROUNDS):
        text = told(explain_run(run(state, outcome=outcome, reason=reason, stop=stop, hold=hold), jobs, (), around))
        if state == RunState.ACTIVE:
            assert "1 of 2 jobs are done" in text
            assert (stop or hold or around.engine or "nobody drives it") in text
        elif state == RunState.DONE:
            assert outcome and OUTCOMES[outcome] in text
            assert reason is None or REASONS[reason] in text
            assert "edges@" in text and "1 of 2 tasks failed" in text
        else:
            assert "was not started" in text


def test_every_job_has_an_answer() -> None:
    states = [(state, None) for state in JobState if state != JobState.DONE] + OVER
    for (state, outcome), reason, stop, hold, expanded, around in product(
        states, REASONED, ASKED, (None, "site"), (False, True), AROUNDS
    ):
        row = job(
            state, outcome=outcome, reason=reason, stop=stop, hold=hold, expanded=expanded, total=9, reused=4, left=2
        )
        text = told(explain_job(row, around))
        assert row.id in text
        if state == JobState.DONE:
            assert outcome and OUTCOMES[outcome] in text
            assert reason is None or REASONS[reason] in text
            assert "nobody drives" not in text and "held" not in text
        elif stop:
            assert REASONS[stop] in text
        elif hold or around.run_hold:
            assert f"held by {hold or around.run_hold}" in text
        elif around.engine is None:
            assert "nobody drives" in text
        if state == JobState.WAITING:
            assert all(name in text for name in around.waits_for or around.ahead or ["can start"])
        if expanded:
            assert "5 of 9 tasks had to run" in text
            assert (around.base or "it is the first job") in text
            assert all(
                line in text for line in around.differences or ["nothing changed since old@r"][: bool(around.base)]
            )
        assert all(line in text for line in around.failures)


def test_why_a_job_ran_is_said_for_every_count() -> None:
    def why(total: int, reused: int, **around: Any) -> str:
        row = job(JobState.DONE, outcome=Outcome.SUCCEEDED, expanded=True, total=total, reused=reused)
        return told(explain_job(row, Around(**around)))

    assert "nothing matched its input" in why(0, 0)
    assert "no task had to run: all 4 were done before" in why(4, 4)
    assert "all 4 tasks had to run" in why(4, 0)
    assert "3 of 4 tasks had to run" in why(4, 1)
    assert "runs every time" in why(4, 0, plain=True)


def test_every_task_has_an_answer() -> None:
    states = [(TaskState.READY, None), (TaskState.ACTIVE, None), *OVER]
    live = Attempt(1, 2, 9, "w3")
    for (state, outcome), reason, reused, tries, hold, around in product(
        states, REASONED, (False, True), (0, 1), (None, "user"), AROUNDS
    ):
        over = Attempt(1, 1, 8, "w2", state=AttemptState.ENDED, outcome=outcome or Outcome.FAILED, reason=reason)
        for attempts in ([], [over], [over, live]):
            row = task(state, outcome=outcome, reason=reason, reused=reused, tries=tries, message="bad luck")
            text = told(explain_task(row, job(hold=hold), attempts, around))
            assert "task tttttttttttt (a × /) of edges@" in text
            if state == TaskState.READY:
                assert not tries or "attempt 1 failed (bad luck); it will be tried again" in text
                held = hold or around.run_hold
                why = around.twin or held or ("worker" if around.engine else "nobody drives")
                assert why in text
            elif state == TaskState.ACTIVE:
                assert not attempts or attempts[-1].worker in text
            else:
                assert outcome and OUTCOMES[outcome] in text and "bad luck" in text
                assert reason is None or REASONS[reason] in text
                assert (
                    (around.made_by or "before") in text
                    if reused
                    else all(f"attempt {attempt.number}" in text for attempt in attempts)
                )


PARTS: dict[str, Any] = {
    "command": ["python", "edges.py"],
    "code": {"edges.py": "aa", "lib.py": "bb"},
    "params": {"k": 1, "mode": "fast"},
    "vars": {"LANG": "C"},
    "environment": "inherited",
    "shape": "s1",
    "salt": "",
}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"command": ["python", "other.py"]}, "the command changed: python edges.py became python other.py"),
        ({"code": {"edges.py": "cc", "lib.py": "bb"}}, "code file edges.py changed"),
        ({"code": {"lib.py": "bb"}}, "code file edges.py is gone"),
        ({"code": {"edges.py": "aa", "lib.py": "bb", "new.py": "dd"}}, "code file new.py is new"),
        ({"params": {"k": 2, "mode": "fast"}}, "parameter k changed: 1 became 2"),
        ({"params": {"mode": "fast"}}, "parameter k is gone"),
        ({"vars": {"LANG": "C", "X": ""}}, "variable X is new"),
        ({"environment": "bare"}, "the environment changed: inherited became bare"),
        ({"shape": "s2"}, "the step's input or `each` changed"),
        ({"salt": "x"}, "the pipeline was applied to be reprocessed"),
    ],
)
def test_each_change_is_named(change: dict[str, Any], line: str) -> None:
    assert differences(PARTS, {**PARTS, **change}) == [line]


NAMES = st.dictionaries(st.sampled_from("abc"), st.integers(0, 1), max_size=3)
RECIPES = st.fixed_dictionaries(
    {
        "command": st.sampled_from([["a"], ["b"]]),
        "code": NAMES,
        "params": NAMES,
        "vars": NAMES,
        "environment": st.sampled_from(["inherited", "bare"]),
        "shape": st.sampled_from(["1", "2"]),
        "salt": st.sampled_from(["", "x"]),
    }
)


@given(RECIPES, RECIPES)
def test_as_many_lines_as_changes(old: dict[str, Any], new: dict[str, Any]) -> None:
    count = sum(old[name] != new[name] for name in ("command", "environment", "shape", "salt"))
    for name in ("code", "params", "vars"):
        count += sum(old[name].get(key) != new[name].get(key) for key in "abc")
    assert len(set(differences(old, new))) == count
    assert differences(new, new) == []
    assert differences({}, {}) == []
