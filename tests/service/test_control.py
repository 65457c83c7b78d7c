"""stop, hold, release, and several processes on one project: one drives, the others follow or take over."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from penstock import Project
from penstock.model.errors import Refused, WaitTimeout
from penstock.service.answers import lists
from penstock.service.answers.status import status
from penstock.service.driving import watch
from penstock.service.driving.control import hold, release, retry, stop
from penstock.service.role import engine_role, holder

UP = "cp -r $PENSTOCK_IN/*/. $PENSTOCK_OUT"
#: Waits until the file `go` is there; tasks and tests wait for each other by files.
GATE = """
echo at the gate
echo x >> HERE/arrived
until test -e HERE/go; do sleep 0.02; done
cp -r $PENSTOCK_IN/in/. $PENSTOCK_OUT
"""


def wait_for(condition: Callable[[], Any], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to it"
        time.sleep(0.01)


@pytest.fixture
def gate(lab: Any) -> Any:
    """Two inputs; each task waits for `go()`."""
    lab.here = lab.root.parent
    lab.write("gate.sh", GATE.replace("HERE", str(lab.here)))
    lab.pipeline(f"""
        pipeline: work
        steps:
          gate: {{input: "in:/*", run: [sh, gate.sh]}}
          below: {{input: "gate:/*", run: {UP}}}
        """)
    lab.put("in", {"a": "1", "b": "2"})
    lab.go = lambda: (lab.here / "go").touch()
    lab.arrived = lambda: (lab.here / "arrived").exists()
    return lab


def states(lab: Any, run: str) -> list[tuple[str, str, str | None]]:
    return [(job.step, job.state, job.reason) for job in lab.project.run_view(run).jobs]


def test_a_run_nobody_drives_is_stopped_at_once(gate: Any) -> None:
    run = gate.project.begin().run.id
    assert stop(gate.parts, run) == f"run {run} is stopped"
    assert states(gate, run) == [("gate", "killed", "user"), ("below", "killed", "user")]
    assert gate.project.run_view(run).state == "killed"
    with pytest.raises(Refused, match="is done already"):
        stop(gate.parts, run)
    assert "somebody stopped it" in gate.explain(run)


def test_a_job_nobody_drives_is_stopped_and_what_needs_it_cannot_run(gate: Any) -> None:
    run = gate.project.begin().run.id
    stop(gate.parts, f"gate@{run}")
    assert states(gate, run) == [("gate", "killed", "user"), ("below", "unrunnable", "upstream")]


def test_a_running_run_is_stopped_by_somebody_else(gate: Any) -> None:
    with gate.penstock("run") as driver:
        wait_for(gate.arrived)
        run = gate.project.runs()[0].run
        wait_for(lambda: "running" in {job.state for job in gate.project.run_view(run).jobs})
        assert "asked to stop; engine is pid" in stop(gate.parts, run)
        _, said = driver.communicate(timeout=30)
        assert driver.returncode == 1, said
    assert states(gate, run) == [("gate", "killed", "user"), ("below", "killed", "user")]
    assert all(task.outcome == "cancelled" for task in gate.tasks(gate.project.run_view(run).jobs[0]))
    gate.go()
    again = retry(gate.parts, run)
    assert gate.project.wait(again.id).state == "success"
    assert gate.files("below") == {"a": "1", "b": "2"}


def test_what_is_held_starts_nothing_until_it_is_released(gate: Any) -> None:
    gate.go()
    run = gate.project.begin().run.id
    hold(gate.parts, run)
    assert gate.project.run_view(run).state == "paused"
    with pytest.raises(WaitTimeout):
        gate.project.wait(run, timeout=0.2)
    assert states(gate, run) == [("gate", "paused", None), ("below", "paused", None)]
    assert not gate.arrived()
    assert "held by user" in gate.explain(run) and "held by user" in gate.explain(f"gate@{run}")
    release(gate.parts, run)
    assert gate.project.wait(run).state == "success"


def test_a_held_job_holds_what_is_below(gate: Any) -> None:
    gate.go()
    run = gate.project.begin().run.id
    hold(gate.parts, f"below@{run}")
    with pytest.raises(WaitTimeout):
        gate.project.wait(run, timeout=1.0)
    assert [state for _, state, _ in states(gate, run)] == ["success", "paused"]
    release(gate.parts, f"below@{run}")
    assert gate.project.wait(run).state == "success"


def test_a_held_run_is_released_under_a_running_engine(gate: Any) -> None:
    gate.go()
    run = gate.project.begin().run.id
    hold(gate.parts, run)
    with gate.penstock("wait", run) as driver:
        wait_for(lambda: holder(gate.parts.layout.lock))
        release(gate.parts, run)
        _, said = driver.communicate(timeout=30)
        assert driver.returncode == 0, said
    assert gate.project.run_view(run).state == "success"


def test_waiting_ends_when_its_time_is_over_and_gives_back_what_is_in_flight(gate: Any) -> None:
    run = gate.project.begin().run.id
    with pytest.raises(WaitTimeout):
        gate.project.wait(run, timeout=0.5)
    assert gate.alive() == [] and gate.arrived()
    view = gate.project.run_view(run)
    assert view.state == "running" and view.jobs[0].tasks.left == 2
    assert {task.state for task in gate.tasks(view.jobs[0])} == {"ready"}
    (note,) = status(gate.parts).notes
    assert note.startswith("1 run is not done and nobody drives the project")
    gate.go()
    last = gate.run()
    assert last.run == run, "it is the same run that goes on"
    assert {task.tries for task in gate.tasks(last.jobs[0])} == {1}, "being interrupted costs no try"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_leaves_nobody_and_goes_on(gate: Any, number: int) -> None:
    with gate.penstock("run") as driver:
        wait_for(gate.arrived)
        driver.send_signal(number)
        _, said = driver.communicate(timeout=30)
    assert driver.returncode == 130, said
    assert gate.alive() == []
    assert len(said.strip().splitlines()[-1]) > 10 and "Traceback" not in said
    run = gate.project.runs()[0].run
    assert gate.project.run_view(run).state == "running"
    gate.go()
    assert gate.run().run == run
    assert gate.files("below") == {"a": "1", "b": "2"}


def test_a_second_run_follows_and_takes_over_when_the_first_dies(gate: Any) -> None:
    with gate.penstock("run", "--json") as first:
        wait_for(gate.arrived)
        with gate.penstock("run", "--json") as second:
            run = gate.project.runs()[0].run
            who = holder(gate.parts.layout.lock)
            assert who is not None and who.pid == first.pid
            assert status(gate.parts).engine == f"pid {first.pid}"
            assert f"engine is pid {first.pid}" in gate.explain(run)
            time.sleep(0.3)  # let it follow for a while; it may die before it does, too
            first.kill()
            first.wait()
            wait_for(lambda: (now := holder(gate.parts.layout.lock)) is not None and now.pid == second.pid)
            gate.go()
            told, said = second.communicate(timeout=30)
            assert second.returncode == 0, said
    assert run in told
    assert len(gate.project.runs(100)) == 1
    assert gate.files("below") == {"a": "1", "b": "2"}
    assert [view.commit for view in gate.project.log("gate")] == [run]


def test_many_at_once_make_one_run(gate: Any) -> None:
    gate.go()
    with contextlib.ExitStack() as stack:
        started = [stack.enter_context(gate.penstock("run")) for _ in range(4)]
        for process in started:
            _, said = process.communicate(timeout=60)
            assert process.returncode == 0, said
    assert gate.files("below") == {"a": "1", "b": "2"}
    assert (
        sum(job.tasks.processed for run in gate.project.runs(100) for job in gate.project.run_view(run.run).jobs) == 4
    )


def test_many_puts_at_once_lose_nothing(lab: Any) -> None:
    lab.pipeline(f"steps: {{copy: {{input: 'in:/*', run: {UP}}}}}")
    lab.put("in", {"first": "x"})
    lab.ok()
    with contextlib.ExitStack() as stack:
        started = []
        for number in range(6):
            lab.write(f"files/{number}", str(number))
            started.append(stack.enter_context(lab.penstock("put", "in", f"files/{number}")))
        for process in started:
            _, said = process.communicate(timeout=60)
            assert process.returncode == 0, said
    expected = {"first": "x", **{str(number): str(number) for number in range(6)}}
    assert lab.files("in") == expected
    assert len(lab.project.log("in")) == 7
    assert lab.run().state == "success"
    assert lab.files("copy") == expected
    assert len(lab.project.log("copy")) == 8


def test_progress_is_told_to_who_drives_and_to_who_follows(gate: Any) -> None:
    run = gate.project.begin().run.id
    seen: list[watch.Progress] = []
    with engine_role(gate.parts.layout.lock) as mine:
        assert mine
        with Project.open(gate.root) as other:
            with pytest.raises(WaitTimeout):
                other.wait(run, seen.append, timeout=0.3)
    assert seen and str(seen[0].following) == f"pid {os.getpid()}"
    gate.go()
    seen.clear()
    gate.project.wait(run, seen.append)
    assert seen[-1].following is None
    assert [(job.step, job.left) for job in seen[-1].jobs] == [("gate", 0), ("below", 0)]


def test_an_engine_outside_the_main_thread(gate: Any) -> None:
    gate.go()
    ended: list[str] = []

    def work() -> None:
        with Project.open(gate.root) as other:
            ended.append(other.run().state)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(30)
    assert ended == ["success"]


def test_the_story_of_a_run_is_written_down(gate: Any) -> None:
    gate.go()
    run = gate.run().run
    kinds = [row["kind"] for row in gate.parts.store.fetch("events_of_run", run=run)]
    assert kinds[0] == "run.active" and kinds[-1] == "run.done"
    assert kinds.count("job.done") == 2
    assert lists.job(gate.parts, "gate").started is not None


def test_what_plain_steps_write_beside_their_code_is_no_new_version(lab: Any) -> None:
    lab.pipeline("""
        steps:
          make: {run: "date +%N > made.txt"}
          bad: {after: [make], reuse: true, run: "sh tool.sh; test -e fixed"}
        """)
    (lab.root / "tool.sh").write_text("one\n")
    first = lab.project.run()
    assert first.state == "failure"
    lab.project.run()
    assert lab.parts.pipelines()[first.pipeline][0] == 1, "made.txt is a result, not code"
    (lab.root / "tool.sh").write_text("two\n")
    lab.project.run()
    assert lab.parts.pipelines()[first.pipeline][0] == 2, "tool.sh counts: the step that names it would be reused"
