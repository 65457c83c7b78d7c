"""Of a plain step of many tasks, `retry` and `restart` run those that did not succeed, and keep the others."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.model.run import Job
from penstock.model.views import RunView
from penstock.service.driving.control import retry
from penstock.service.opening.freeze import freeze
from penstock.service.opening.restart import look, restart

SWEEP = """
    steps:
      sim: {each: {n: "1..6"}, run: 'echo $PENSTOCK_PARAM_N >> ran; test $PENSTOCK_PARAM_N != 3 -o -e fixed'}
      last: {after: [sim], run: "touch last"}
    """
OWN = """
    steps:
      sim:
        each: {n: "1..3"}
        outputs: ["out/{n}"]
        run: 'echo $PENSTOCK_PARAM_N >> ran; test $PENSTOCK_PARAM_N != 2 -o -e fixed && touch out/$PENSTOCK_PARAM_N'
    """


def ran(lab: Any) -> list[str]:
    """The tasks that ran since this was asked last."""
    file = lab.root / "ran"
    found = sorted(file.read_text().split())
    file.unlink()
    return found


def again(lab: Any, how: str) -> RunView:
    """A retry of the newest run, or a restart, seen through."""
    run = retry(lab.parts, "last") if how == "retry" else restart(lab.parts, freeze(lab.parts, None))
    return lab.project.wait(run.id)


@pytest.fixture(params=[SWEEP, OWN])
def sweep(lab: Any, request: Any) -> Any:
    lab.pipeline(request.param)
    (lab.root / "out").mkdir()
    assert lab.run().state == "failure"
    lab.bad = "3" if request.param == SWEEP else "2"
    assert len(ran(lab)) > 1
    return lab


@pytest.mark.parametrize("how", ["retry", "restart"])
def test_only_what_failed_runs_again(sweep: Any, how: str) -> None:
    still = again(sweep, how)
    assert still.state == "failure" and ran(sweep) == [sweep.bad], "it is not repaired"
    sweep.write("fixed", "")
    if how == "restart":
        assert "sim" in look(sweep.parts, freeze(sweep.parts, None)).again
    view = again(sweep, how)
    assert view.state == "success" and ran(sweep) == [sweep.bad]
    sim = view.jobs[0].tasks
    assert (sim.processed, sim.reused, sim.failed) == (1, sim.total - 1, 0)
    assert not restart(sweep.parts, freeze(sweep.parts, None)), "nothing is left"
    assert sweep.fsck() == []


def test_a_good_task_whose_file_is_gone_runs_again(lab: Any) -> None:
    lab.pipeline(OWN)
    (lab.root / "out").mkdir()
    lab.run()
    ran(lab)
    lab.write("fixed", "")
    (lab.root / "out" / "3").unlink()
    assert again(lab, "restart").state == "success" and ran(lab) == ["2", "3"]


def test_all_run_again_where_the_step_changed(lab: Any) -> None:
    lab.pipeline(SWEEP)
    lab.run()
    ran(lab)
    lab.pipeline(SWEEP.replace("-e fixed", "-e fixed -o 1 = 1"))
    assert again(lab, "restart").state == "success" and len(ran(lab)) == 6


def test_all_run_again_behind_a_step_that_does(lab: Any) -> None:
    sim = "sim: {after: [a], on_upstream_failure: continue, each: {n: '1..2'}, run: RUN}"
    bad = f"steps: {{a: {{run: 'test -e fixed'}}, {sim}}}"
    lab.pipeline(bad.replace("RUN", "'echo $PENSTOCK_PARAM_N >> ran; test $PENSTOCK_PARAM_N = 1 -o -e fixed'"))
    lab.run()
    ran(lab)
    lab.write("fixed", "")
    assert again(lab, "retry").state == "success" and ran(lab) == ["1", "2"]


def test_who_fills_what_a_start_empties_runs_too(lab: Any) -> None:
    lab.pipeline("""
        data: {note: {ephemeral: true}}
        steps:
          fill: {outputs_data: [note], run: 'echo fill >> ran; echo 1 > $PENSTOCK_DATA_OUT/note.json'}
          use: {inputs_data: [note], run: 'echo use >> ran; test -s $PENSTOCK_DATA/note.json -a -e fixed'}
          other: {run: 'echo other >> ran'}
        """)
    lab.run()
    ran(lab)
    lab.write("fixed", "")
    view = again(lab, "retry")
    assert ran(lab) == ["fill", "use"] and view.state == "success"


def test_a_restart_goes_on_with_what_is_unfinished_and_does_the_rest(lab: Any) -> None:
    lab.pipeline("steps: {a: {run: 'true'}, b: {run: 'true'}}")
    first = lab.project.begin()
    run = restart(lab.parts, freeze(lab.parts, None))
    assert run is not None and run.id == first.run.id, "all of it is wanted"
    lab.pipeline("steps: {a: {run: 'true'}, b: {run: ':'}}")
    assert look(lab.parts, freeze(lab.parts, None)).again.keys() == {"b"}
    run = restart(lab.parts, freeze(lab.parts, None))
    assert run is not None and [job.step for job in lab.parts.store.load(Job, "jobs_of_run", run=run.id)] == ["b"]
    assert lab.project.wait(run.id).state == "success" and lab.project.wait(first.run.id).state != "success"
