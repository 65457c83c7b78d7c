"""stop, hold, release and retry on one task or one job; waiting for commits; what is shown of a wave."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

import pytest

from penstock.model.errors import NotFound, Refused
from penstock.model.views import AttemptView
from penstock.service import resolve
from penstock.service.answers import lists, views
from penstock.service.answers.waiting import awaited
from penstock.service.driving.control import hold, release, retry, stop

#: Says that it is there and waits for its gate.
GATED = """
    steps:
      work:
        each: {n: "1..3"}
        run: |
          echo $PENSTOCK_ATTEMPT >> HERE/arrived$PENSTOCK_PARAM_N
          until test -e HERE/go$PENSTOCK_PARAM_N; do sleep 0.02; done
          echo $PENSTOCK_PARAM_N > $PENSTOCK_OUT/$PENSTOCK_PARAM_N
        output: kept
    """


@pytest.fixture
def gated(lab: Any) -> Any:
    lab.here = lab.root.parent
    lab.pipeline(GATED.replace("HERE", str(lab.here)))
    lab.go = lambda *numbers: [(lab.here / f"go{n}").touch() for n in numbers]
    lab.arrivals = lambda n: (
        (lab.here / f"arrived{n}").read_text().splitlines() if (lab.here / f"arrived{n}").exists() else []
    )
    return lab


def ids(lab: Any) -> dict[int, str]:
    return {task.params["n"]: task.id for task in lab.tasks(lists.job(lab.parts, "work"))}


def driven(lab: Any, *words: str) -> Any:
    return lab.penstock("run", *words)


def test_a_task_in_flight_is_stopped_alone(gated: Any) -> None:
    with driven(gated) as driver:
        gated.wait_for(lambda: gated.arrivals(1) and gated.arrivals(2))
        assert "is asked to stop; engine is pid" in stop(gated.parts, ids(gated)[1])
        gated.wait_for(lambda: resolve.task(gated.parts, ids(gated)[1]).state == "done")
        gated.go(2, 3)
        driver.communicate(timeout=60)
        assert driver.returncode == 1
    job = lists.job(gated.parts, "work")
    assert (job.state, job.tasks.processed, job.tasks.cancelled) == ("failure", 2, 1)
    assert job.message == "1 of 3 tasks were stopped"
    task = resolve.task(gated.parts, ids(gated)[1])
    assert (task.outcome, task.reason) == ("cancelled", "user")
    with pytest.raises(Refused, match="done already"):
        stop(gated.parts, task.id)
    again = retry(gated.parts, task.id)
    assert not isinstance(again, str)
    gated.go(1)
    view = gated.project.wait(again.id)
    assert (view.state, view.jobs[0].tasks.processed, view.jobs[0].tasks.reused) == ("success", 1, 2)


def test_a_task_that_waits_is_stopped_before_it_begins(gated: Any) -> None:
    with driven(gated) as driver:
        gated.wait_for(lambda: gated.arrivals(1) and gated.arrivals(2) and len(ids(gated)) == 3)
        waiting = ids(gated)[3]
        hold(gated.parts, waiting)
        stop(gated.parts, waiting)
        gated.go(1, 2)
        driver.communicate(timeout=60)
    assert gated.arrivals(3) == []
    job = lists.job(gated.parts, "work")
    assert (job.tasks.processed, job.tasks.cancelled) == (2, 1)


def test_a_held_task_waits_for_its_release(gated: Any) -> None:
    gated.go(1, 3)
    with driven(gated) as driver:
        gated.wait_for(lambda: gated.arrivals(2) and attempts(gated, 2))
        held = ids(gated)[2]
        hold(gated.parts, held)
        assert views.task_view(gated.parts, resolve.task(gated.parts, held), resolve.job(gated.parts, "work")).held
        assert "ends, and another one follows" in str(retry(gated.parts, held))
        gated.wait_for(lambda: resolve.task(gated.parts, held).state == "ready")
        assert "it is held by user" in gated.explain(held)
        gated.go(2)
        gated.wait_for(lambda: lists.job(gated.parts, "work").tasks.left == 1)
        assert len(gated.arrivals(2)) == 1
        release(gated.parts, held)
        driver.communicate(timeout=60)
        assert driver.returncode == 0
    assert len(gated.arrivals(2)) == 2
    assert gated.files("kept") == {"1": "1\n", "2": "2\n", "3": "3\n"}


def test_a_task_in_flight_is_tried_again_without_using_up_its_tries(gated: Any) -> None:
    gated.go(2, 3)
    with driven(gated) as driver:
        gated.wait_for(lambda: gated.arrivals(1) and attempts(gated, 1))
        retry(gated.parts, ids(gated)[1])
        gated.wait_for(lambda: len(gated.arrivals(1)) == 2)
        gated.go(1)
        driver.communicate(timeout=60)
        assert driver.returncode == 0
    task = resolve.task(gated.parts, ids(gated)[1])
    assert (task.outcome, task.attempts, task.tries) == ("succeeded", 2, 1)


def test_retry_refuses_what_makes_no_sense(gated: Any) -> None:
    gated.go(1, 2, 3)
    gated.ok()
    for target in ("work", ids(gated)[1], "last"):
        with pytest.raises(Refused, match="succeeded; there is nothing to try again"):
            retry(gated.parts, target)
    run = gated.project.begin().run.id
    with pytest.raises(Refused, match="is not done"):
        retry(gated.parts, run)
    stop(gated.parts, run)


def test_retry_of_one_job_leaves_the_others(lab: Any) -> None:
    here = lab.root.parent
    lab.pipeline(f"""
        steps:
          a: {{run: test -e {here}/a, output: a}}
          b: {{run: test -e {here}/b, output: b}}
        """)
    assert lab.run().state == "failure"
    (here / "a").touch()
    again = retry(lab.parts, "a")
    assert not isinstance(again, str)
    view = lab.project.wait(again.id)
    assert [(job.step, job.state) for job in view.jobs] == [("a", "success")]


def test_the_engine_counts_what_it_lost(gated: Any) -> None:
    gated.go(2, 3)
    with driven(gated) as driver:
        gated.wait_for(lambda: gated.arrivals(1) and attempts(gated, 1))
        worker = attempts(gated, 1)[0].worker
        (pid,) = [int(name) for name in os.listdir("/proc") if name.isdigit() and _is_worker(name, worker)]
        os.kill(pid, signal.SIGKILL)
        gated.wait_for(lambda: len(gated.arrivals(1)) == 2)
        gated.go(1)
        driver.communicate(timeout=60)
        assert driver.returncode == 0
    assert lists.job(gated.parts, "work").restarts >= 1


def attempts(gated: Any, number: int) -> tuple[AttemptView, ...]:
    """Those of a task that are stored by now."""
    task = resolve.task(gated.parts, ids(gated)[number])
    return views.task_view(gated.parts, task, resolve.job(gated.parts, "work")).attempts


def _is_worker(pid: str, name: str) -> bool:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return name.encode() in file.read().split(b"\0")
    except OSError:
        return False


def test_a_job_is_starting_until_something_runs(gated: Any) -> None:
    seen: list[str] = []
    with driven(gated) as driver:
        gated.wait_for(lambda: gated.project.runs())
        gated.wait_for(lambda: seen.append(lists.job(gated.parts, "work").state) or seen[-1] == "running")
        gated.go(1, 2, 3)
        driver.communicate(timeout=60)
    order = ["created", "starting", "running"]
    assert [order.index(word) for word in seen] == sorted(order.index(word) for word in seen)


def test_waiting_for_a_commit(lab: Any) -> None:
    lab.pipeline("""
        steps:
          up: {input: in:/*, run: "cp $PENSTOCK_IN/in/* $PENSTOCK_OUT", output: copies}
        """)
    first = lab.put("in", {"a": "1"})
    assert awaited(lab.parts, f"in@{first}").id == first, "nothing is downstream yet: the commit itself"
    run = lab.project.begin().run.id
    for target in (f"copies@{run}", "copies", "copies@main", f"copies@{run[:12]}"):
        assert awaited(lab.parts, target).id == f"up@{run}"
    lab.project.wait(run)
    assert awaited(lab.parts, "copies@main").id == f"up@{run}"
    second = lab.put("in", {"a": "2"})
    assert awaited(lab.parts, "in@main").id == second
    done = threading.Thread(target=lambda: lab.penstock("wait", "in@main").communicate(timeout=60))
    done.start()
    waiter = lab.penstock("wait", "copies@main", "--json")
    said, _ = waiter.communicate(timeout=60)
    done.join()
    assert waiter.returncode == 0 and f'"job": "up@{second}"' in said
    for wrong in ("gone@main", "in@nothing", "copies:/a"):
        with pytest.raises((NotFound, Exception)):
            awaited(lab.parts, wrong)


def test_a_wave_is_shown_whole(lab: Any) -> None:
    lab.pipeline("""
        steps:
          up: {input: in:/*, run: "cp $PENSTOCK_IN/in/* $PENSTOCK_OUT"}
          down: {input: up:/, run: "ls $PENSTOCK_IN/up > $PENSTOCK_OUT/names"}
        """)
    lab.put("in", {"a": "1"})
    lab.ok()
    commit = lab.put("in", {"b": "1"})
    lab.project.wait(commit)
    wave = views.wave_view(lab.parts, resolve.run(lab.parts, commit))
    assert [(item.repo, item.commit, item.origin) for item in wave.commits] == [
        ("in", commit, "put"),
        ("up", commit, "job"),
        ("down", commit, "job"),
    ]
    assert [job.job for job in wave.jobs] == [f"up@{commit}", f"down@{commit}"]


@pytest.mark.parametrize(("backlog", "worked"), [("each", 4), ("latest", 2)])
def test_commits_that_wait(lab: Any, backlog: str, worked: int) -> None:
    here = lab.root.parent
    lab.pipeline(f"""
        backlog: {backlog}
        steps:
          up:
            input: in:/
            run: |
              cat $PENSTOCK_IN/in/a >> {here}/worked
              until test -e {here}/go; do sleep 0.02; done
              cp $PENSTOCK_IN/in/a $PENSTOCK_OUT
          down: {{input: up:/, run: "cp $PENSTOCK_IN/up/a $PENSTOCK_OUT/b"}}
        """)
    lab.put("in", {"a": "0\n"})
    with lab.penstock("run") as driver:
        lab.wait_for(lambda: (here / "worked").exists())
        runs = [lab.put("in", {"a": f"{n}\n"}) for n in (1, 2, 3)]
        (here / "go").touch()
        driver.communicate(timeout=60)
    with lab.penstock("wait") as waiter:
        waiter.communicate(timeout=60)
    assert (here / "worked").read_text() == ("0\n1\n2\n3\n" if worked == 4 else "0\n3\n")
    assert lab.files("down") == {"b": "3\n"}
    states = [(lab.project.run_view(run).state, lab.project.run_view(run).reason) for run in runs]
    waiting = [("success", None)] * 2 if backlog == "each" else [("killed", "superseded")] * 2
    assert states == [*waiting, ("success", None)]
    log = [commit.run for commit in lab.project.log("up")]
    assert len(log) == worked
