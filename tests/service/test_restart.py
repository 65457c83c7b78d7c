"""A restart keeps what is good, and does what failed or changed with all that waits for it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from penstock import Project
from penstock.model.run import Job
from penstock.model.views import RunView
from penstock.service import resolve
from penstock.service.answers import views
from penstock.service.opening.freeze import freeze
from penstock.service.opening.restart import look, restart

PIPELINE = """
    steps:
      prep:
        input: {file: "data/*.csv"}
        outputs: [work/all.csv]
        run: "mkdir -p work; cat data/*.csv > work/all.csv"
      count:
        input: [{file: work/all.csv, hash: true}]
        outputs: [{file: work/count.txt}]
        run: "wc -l < work/all.csv > work/count.txt"
      last: {after: [count], run: "true"}
      other: {run: "true"}
    """


@pytest.fixture
def work(lab: Any) -> Any:
    lab.write("data/1.csv", "a\n")
    lab.write("data/2.csv", "b\n")
    lab.pipeline(PIPELINE)
    assert lab.run().state == "success"
    return lab


def again(lab: Any, **how: bool) -> dict[str, str]:
    return dict(look(lab.parts, freeze(lab.parts, None), **how).again)


def restarted(lab: Any, **how: bool) -> RunView | None:
    run = restart(lab.parts, freeze(lab.parts, None), **how)
    if run is None:
        return None
    lab.project.wait(run.id)
    found = resolve.run(lab.parts, run.id)
    return views.run_view(found, lab.parts.store.load(Job, "jobs_of_run", run=run.id))


def kept(view: RunView | None) -> set[str]:
    assert view is not None and view.state == "success"
    return {job.step for job in view.jobs if job.kept is not None}


def test_files_order_the_steps(work: Any) -> None:
    assert (work.root / "work/count.txt").read_text().strip() == "2"
    finished = {job.step: job.finished for job in work.runs[0].jobs}
    assert finished["prep"] <= finished["count"] <= finished["last"]


def test_where_nothing_changed_nothing_runs(work: Any) -> None:
    assert again(work) == {}
    assert restarted(work) is None
    assert len(work.project.runs()) == 1


def test_a_changed_input_runs_again_with_all_downstream(work: Any) -> None:
    work.write("data/3.csv", "c\n")
    work.write("data/1.csv", "x\n")
    (work.root / "data/2.csv").unlink()
    assert again(work) == {
        "prep": "file data/1.csv changed",
        "count": "it waits for prep, which runs again",
        "last": "it waits for count, which runs again",
    }
    assert kept(restarted(work)) == {"other"}
    assert (work.root / "work/count.txt").read_text().strip() == "2"
    assert again(work) == {}


def test_a_hashed_input_is_the_same_whenever_it_was_written(work: Any) -> None:
    os.utime(work.root / "work/all.csv", ns=(1, 1))
    assert again(work) == {}
    work.write("work/all.csv", "a\nb\nc\n")
    assert again(work)["count"] == "file work/all.csv changed"


def test_a_missing_output_is_made_again(work: Any) -> None:
    (work.root / "work/count.txt").unlink()
    assert again(work)["count"] == "its output work/count.txt is missing"
    assert kept(restarted(work)) == {"prep", "other"}


def test_a_changed_command_runs_again(work: Any) -> None:
    work.pipeline(
        PIPELINE.replace(
            'other: {run: "true"}', 'other: {run: "exit 0"}, more: {run: "true"}'.replace(", more", "\n      more")
        )
    )
    assert again(work) == {
        "other": "the command changed: sh -c true became sh -c exit 0",
        "more": "it has not run",
    }
    assert kept(restarted(work)) == {"prep", "count", "last"}
    assert again(work) == {}


def test_user_data_counts_but_not_what_a_step_wrote_itself(lab: Any) -> None:
    lab.pipeline("""
        data: {settings: {value: {depth: 1}}, found: {}}
        steps:
          work:
            inputs_data: [settings]
            outputs_data: [found]
            run: "cp $PENSTOCK_DATA/settings.json $PENSTOCK_DATA_OUT/found.json"
        """)
    assert lab.run().state == "success"
    assert again(lab) == {}
    lab.project.data_set("settings", {"depth": 2})
    assert again(lab) == {"work": "its user data changed"}
    assert kept(restarted(lab)) == set()
    assert lab.project.data_get("found").value == {"depth": 2}


def test_what_failed_runs_again_and_the_rest_is_kept(lab: Any) -> None:
    gate = lab.root.parent / "gate"
    lab.pipeline(f"""
        steps:
          a: {{run: "true"}}
          b: {{run: "test -e {gate}", after: [a]}}
          c: {{run: "true", after: [b]}}
          d: {{run: "true", after: [a]}}
        """)
    assert lab.run().state == "failure"
    gate.touch()
    lab.pipeline((lab.root / "pipeline.yaml").read_text().replace('d: {run: "true"', 'd: {run: "exit 0"'))
    assert set(again(lab)) == {"b", "c", "d"}
    assert set(again(lab, failed_only=True)) == {"b", "c"}
    view = restarted(lab, failed_only=True)
    assert kept(view) == {"a", "d"}
    assert {job.step: job.kept for job in view.jobs if job.kept} == dict.fromkeys(("a", "d"), lab.runs[0].run)
    assert "its work was done in run" in lab.explain(f"a@{view.run}")


def test_a_step_that_does_not_make_its_outputs_has_failed(lab: Any) -> None:
    lab.pipeline("steps: {s: {run: 'true', outputs: [made.txt]}}")
    (job,) = lab.run().jobs
    assert job.state == "failure" and "made.txt, which is in its `outputs`" in lab.tasks(job)[0].message


def test_a_restart_goes_on_with_a_run_that_is_not_done(lab: Any) -> None:
    lab.pipeline(f"steps: {{s: {{run: 'until test -e {lab.root.parent}/go; do sleep 0.02; done'}}}}")
    driver = lab.penstock("run")
    lab.wait_for(lambda: lab.project.runs())
    run = restart(lab.parts, freeze(lab.parts, None))
    assert run is not None and run.id == lab.project.runs()[0].run
    (lab.root.parent / "go").touch()
    driver.communicate(timeout=60)
    assert driver.returncode == 0


def test_many_good_jobs_are_kept_in_one_statement(lab: Any) -> None:
    steps = "\n".join(f"  s{place}: {{run: 'true'}}" for place in range(300))
    lab.pipeline(f"steps:\n{steps}\n  bad: {{run: 'false'}}")
    assert lab.run().state == "failure"
    statements: list[str] = []
    lab.parts.store._db.set_trace_callback(statements.append)
    view = restarted(lab)
    lab.parts.store._db.set_trace_callback(None)
    assert view is not None and sum(job.kept is not None for job in view.jobs) == 300
    assert sum("coalesce(kept, run)" in statement for statement in statements) == 1


def test_code_that_a_plain_step_names_counts_and_what_it_writes_does_not(lab: Any) -> None:
    lab.write("work.py", "print(1)")
    lab.write("same.py", "print(1)")
    lab.pipeline("""
        steps:
          named: {run: [python3, work.py], code: work.py}
          same: {run: "python3 same.py | tee -a log.txt", code: ["*.py"], after: [named]}
          writes: {run: "date > out.txt; date >> log.txt"}
        """)
    assert lab.run().state == "success"
    assert again(lab) == {}
    lab.write("same.py", "print(2)")
    assert again(lab) == {"same": "code file same.py changed"}
    lab.write("work.py", "print(2)")
    assert again(lab)["named"] == "code file work.py changed"
    assert kept(restarted(lab)) == {"writes"}
    assert again(lab) == {}


def test_what_a_start_empties_is_written_again_for_who_reads_it(lab: Any) -> None:
    lab.pipeline("""
        data: {first: {ephemeral: true}, second: {ephemeral: true}, lasting: {}}
        steps:
          begin: {run: "echo 1 > $PENSTOCK_DATA_OUT/first.json", outputs_data: [first]}
          go:
            run: "cp $PENSTOCK_DATA/first.json $PENSTOCK_DATA_OUT/second.json"
            inputs_data: [first]
            outputs_data: [second]
          end: {run: "test -e fine && cat $PENSTOCK_DATA/second.json", inputs_data: [second]}
          keep: {run: "echo 1 > $PENSTOCK_DATA_OUT/lasting.json", outputs_data: [lasting]}
          read: {run: "test -e fine && cat $PENSTOCK_DATA/lasting.json", inputs_data: [lasting]}
        """)
    assert lab.run().state == "failure"
    lab.write("fine", "")
    found = again(lab)
    assert found.keys() == {"begin", "go", "end", "read"}
    assert found["begin"] == "a start empties first, which go reads"
    assert kept(restarted(lab)) == {"keep"}


def test_each_task_makes_its_own_of_paths_with_places(lab: Any) -> None:
    lab.pipeline("""
        steps:
          use: {run: [cat, "o-{i:02d}"], each: {i: "1..3"}, input: {file: "o-{i:02d}"}}
          make: {run: [sh, -c, 'sleep 0.$1; touch o-0$1', x, "{i}"], each: {i: "1..3"}, outputs: ["o-{i:02d}"]}
          one: {run: cat o-02, input: {file: o-02}}
          bad: {run: [touch, "x-{i}"], each: {i: [1, 2]}, outputs: ["x-{i}", "y-{i}"]}
        """)
    states = {job.step: job.state for job in lab.run().jobs}
    assert states == {"bad": "failure", "make": "success", "one": "success", "use": "success"}
    assert again(lab).keys() == {"bad"}
    (lab.root / "o-02").unlink()
    assert again(lab)["make"] == "its output o-02 is missing"


def test_a_restart_sees_new_data_and_changed_steps_that_publish(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a").write_text("one")
    (tmp_path / "s.sh").write_text("cat $PENSTOCK_IN/d/* > $PENSTOCK_OUT/x\n")
    (tmp_path / "pipeline.yaml").write_text(
        "pipeline: p\nrepos: {d: {path: d}}\nsteps:\n  copy: {input: 'd:/', run: s.sh}\n  plain: {run: 'echo >> ran'}\n"
    )
    with Project.create(tmp_path) as project:
        assert project.run().state == "success"

        def restarted() -> dict[str, str]:
            with project.parts.objects.session():
                frozen = freeze(project.parts, None)
                found = look(project.parts, frozen)
                run = restart(project.parts, frozen)
            if run is not None:
                assert project.wait(run.id).state == "success"
            return found.again

        assert restarted() == {}
        (tmp_path / "d" / "a").write_text("two")
        assert restarted() == {"copy": "input d changed"}
        assert project.read("copy:/x") == b"two"
        (tmp_path / "s.sh").write_text(
            "cat $PENSTOCK_IN/d/* - < /dev/null > $PENSTOCK_OUT/x; echo >> $PENSTOCK_OUT/x\n"
        )
        assert restarted() == {"copy": "code file s.sh changed"}
        assert project.read("copy:/x") == b"two\n"
        assert restarted() == {}
        assert (tmp_path / "ran").read_text() == "\n"
