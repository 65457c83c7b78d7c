"""Whose rows are whose in a database: a repo's, whatever the step that fills it is called."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from penstock.service import resolve
from penstock.service.answers.why import explain
from penstock.service.opening.begin import begin, delete

URL = "sqlite:///out.sqlite"


def load(lab: Any, step: str, mode: str = "replace", table: str = "people", repo: str = "out", name: str = "p") -> Any:
    lab.pipeline(f"""
        pipeline: {name}
        steps:
          {step}:
            input: in:/*
            run: "cp $PENSTOCK_IN/in/* $PENSTOCK_OUT"
            output: {repo}
            export: {{to: "{URL}", table: {table}, mode: {mode}, columns: [n]}}
        """)


def ask(lab: Any, query: str) -> list[Any]:
    with closing(sqlite3.connect(lab.root / "out.sqlite", isolation_level=None)) as opened:
        return [row[0] for row in opened.execute(query)]


@pytest.mark.parametrize("mode", ["replace", "append"])
def test_a_step_that_is_renamed_keeps_its_rows(lab: Any, mode: str) -> None:
    lab.put("in", {"a.csv": "1\n2\n"})
    load(lab, "load", mode)
    lab.ok()
    load(lab, "fill", mode)
    lab.ok()
    assert ask(lab, "select n from people order by n") == ["1", "2"]
    lab.put("in", {"a.csv": "3\n"})
    lab.ok()
    assert ask(lab, "select n from people order by n") == (["3"] if mode == "replace" else ["1", "2", "3"])
    assert all(tag.split("@")[0].endswith("/out") for tag in ask(lab, "select penstock from people"))


def test_rows_that_were_marked_by_a_step_are_its_repos(lab: Any) -> None:
    lab.put("in", {"a.csv": "1\n"})
    load(lab, "load")
    lab.ok()
    ask(lab, f"update people set penstock = '{lab.parts.layout.id}/p.load@1'")
    ask(lab, "insert into people (n, penstock) values ('9', 'others')")
    load(lab, "fill")
    lab.ok()
    assert ask(lab, "select n from people order by n") == ["1", "9"]


def test_what_stays_is_told(lab: Any) -> None:
    lab.put("in", {"a.csv": "1\n"})
    load(lab, "load")
    lab.ok()
    load(lab, "fill")
    assert begin(lab.parts, None, {}).warnings == ()
    lab.ok()
    load(lab, "fill", table="others")
    (warning,) = begin(lab.parts, None, {}).warnings
    assert "step 'fill' exported stays in sqlite:///out.sqlite, table people" in warning
    lab.ok()
    load(lab, "fill", table="others", repo="new")
    assert [f"{lab.parts.layout.id}/out@" in warning for warning in begin(lab.parts, None, {}).warnings] == [True]
    lab.ok()
    (stays,) = delete(lab.parts, "p")
    assert "table others: rows whose column `penstock` begins with" in stays and "/new@" in stays


def test_the_mark_of_a_row_leads_to_the_job_that_loaded_it(lab: Any) -> None:
    lab.put("in", {"a.csv": "1\n"})
    load(lab, "load")
    lab.ok()
    job = resolve.job(lab.parts, "load").id
    (mark,) = ask(lab, "select penstock from people")
    assert explain(lab.parts, mark) == explain(lab.parts, job)
    assert explain(lab.parts, job)[0] == f"{job} succeeded"
