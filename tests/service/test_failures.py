"""Tasks that fail, take too long or write where they must not: good work stays, the rest says why."""

from __future__ import annotations

import sys
import time
from typing import Any

import pytest

from penstock.model.errors import NotFound, PenstockError
from penstock.model.run import Attempt
from penstock.service.answers.logs import logs
from penstock.service.driving.local import LocalCrew, this_machine
from penstock.service.driving.loop import Engine

UP = "cp -r $PENSTOCK_IN/*/. $PENSTOCK_OUT"
#: Fails for inputs that say so, and notes every call.
PICKY = """
echo call >> HERE/calls
cat $PENSTOCK_IN/in/* | tee $PENSTOCK_OUT/$(ls $PENSTOCK_IN/in)
! grep -q bad $PENSTOCK_IN/in/*
"""


@pytest.fixture
def picky(lab: Any) -> Any:
    lab.write("picky.sh", PICKY.replace("HERE", str(lab.root.parent)))
    lab.pipeline("steps: {picky: {input: 'in:/*', run: [sh, picky.sh]}}")
    return lab


def calls(lab: Any) -> int:
    """How often a task was called since this was last asked."""
    path = lab.root.parent / "calls"
    text = path.read_text() if path.exists() else ""
    path.write_text("")
    return text.count("call")


def test_good_tasks_are_kept_and_only_the_others_run_again(picky: Any) -> None:
    picky.put("in", {"a": "good", "b": "bad", "c": "good"})
    view = picky.run()
    (job,) = view.jobs
    assert (view.state, job.state, job.reason, job.message) == ("failure", "failure", "tasks", "1 of 3 tasks failed")
    assert (job.tasks.processed, job.tasks.failed) == (2, 1)
    assert picky.failures(job) == ["sh ended with exit code 1"]
    assert "exit code" in picky.explain(job.job)
    assert calls(picky) == 3
    with pytest.raises(NotFound, match="no commit yet"):
        picky.files("picky")
    assert picky.project.commit(f"picky@{view.run}").error == "1 of 3 tasks failed"
    assert picky.files(f"picky@{view.run}") == {"a": "good", "c": "good"}

    assert picky.run().jobs[0].tasks.reused == 2
    assert calls(picky) == 1, "what failed is tried again"
    picky.put("in", {"b": "better"})
    assert picky.ok() == {"picky": (3, 0, 3)}
    assert calls(picky) == 1, "by the run that the put opened"
    assert picky.files("picky") == {"a": "good", "b": "better", "c": "good"}


def test_retry_goes_over_what_failed_and_what_is_below(picky: Any) -> None:
    from penstock.service.driving.control import retry

    picky.pipeline(f"""
        steps:
          picky: {{input: "in:/*", run: [sh, picky.sh]}}
          below: {{input: "picky:/*", run: {UP}}}
        """)
    picky.put("in", {"a": "good", "b": "bad"})
    failed = picky.run()
    assert [job.state for job in failed.jobs] == ["failure", "unrunnable"]
    calls(picky)
    again = retry(picky.parts, failed.run)
    view = picky.project.wait(again.id)
    assert view.run != failed.run and view.origin == "retry"
    assert [(job.tasks.total, job.tasks.reused, job.tasks.failed) for job in view.jobs] == [(2, 1, 1), (0, 0, 0)]
    assert calls(picky) == 1


def test_what_was_printed_is_kept(picky: Any) -> None:
    picky.put("in", {"a": "good words", "b": "bad words"})
    view = picky.run()
    said = {chunk.binding: chunk.data for chunk in logs(picky.parts, view.run)}
    assert said == {("a",): b"good words", ("b",): b"bad words"}
    (_, bad) = picky.tasks(view.jobs[0])
    assert [chunk.data for chunk in logs(picky.parts, bad.id)] == [b"bad words"]
    assert {chunk.binding for chunk in logs(picky.parts, picky.run().run)} == {("b",)}, "the other was reused"


def test_a_task_is_tried_as_often_as_asked(lab: Any) -> None:
    count = lab.root.parent / "count"
    lab.pipeline(f"""
        steps:
          third: {{run: 'echo x >> {count}; test $(wc -l < {count}) -ge 3', retry: {{tries: 3}}}}
          never: {{run: "echo no; exit 7", retry: {{tries: 2}}}}
        """)
    view = lab.run()
    assert {job.step: job.state for job in view.jobs} == {"third": "success", "never": "failure"}
    by_step = {job.step: lab.tasks(job)[0] for job in view.jobs}
    assert (by_step["third"].tries, by_step["third"].outcome) == (3, "succeeded")
    assert (by_step["never"].tries, by_step["never"].outcome) == (2, "failed")
    assert [chunk.attempt for chunk in logs(lab.parts, by_step["never"].id)] == [1, 2]
    assert lab.explain(by_step["third"].id).count("exit code 1") == 2


def test_a_task_that_takes_too_long_is_ended_with_all_it_started(lab: Any) -> None:
    lab.pipeline("steps: {slow: {run: 'echo begin; sleep 60 & sleep 60', retry: {timeout: 0.3}}}")
    started = time.monotonic()
    view = lab.run()
    assert time.monotonic() - started < 20
    (job,) = view.jobs
    (task,) = lab.tasks(job)
    assert (job.state, task.reason) == ("killed", "timeout")
    assert task.message == "sh took longer than 0.3 s"
    assert b"begin" in b"".join(chunk.data for chunk in logs(lab.parts, view.run))


@pytest.mark.parametrize(
    ("command", "reason", "message"),
    [
        ("[no-such-program, x]", "command", "no program of that name in PATH"),
        ("[./tool]", "command", "no such file"),
        ("'kill -SEGV $$'", "signal", "SIGSEGV"),
        ("'echo x > $PENSTOCK_IN/more; echo y > $PENSTOCK_OUT/y'", "output", "outside its output"),
        ("'echo x > stray; echo y > $PENSTOCK_OUT/y'", "output", "outside its output"),
        ("'echo x > $PENSTOCK_OUT/../stray'", "output", "outside its output"),
        ("'ln -s ../../etc $PENSTOCK_OUT/l'", "output", "leads out"),
        ("'ln -s /etc/passwd $PENSTOCK_OUT/l'", "output", "leads out"),
        ('[python3, -c, \'import os; open(os.environ["PENSTOCK_OUT"] + "/a\\nb", "w")\']', "output", "control"),
        ("'mkfifo $PENSTOCK_OUT/pipe'", "output", "neither a file"),
        ("'rm -rf $PENSTOCK_OUT; touch $PENSTOCK_OUT'", "output", "out"),
    ],
)
def test_one_clear_line_for_what_a_task_does_wrong(lab: Any, command: str, reason: str, message: str) -> None:
    lab.pipeline(f"steps: {{s: {{input: 'in:/*', run: {command}}}}}")
    lab.put("in", {"x": "1"})
    view = lab.run()
    (task,) = lab.tasks(view.jobs[0])
    assert view.state == "failure"
    assert (task.reason, task.message.count("\n")) == (reason, 0)
    assert message in task.message
    with pytest.raises(NotFound):
        lab.files("s")
    lab.pipeline("steps: {s: {input: 'in:/*', run: echo good > $PENSTOCK_OUT/y}}")
    assert lab.run().state == "success"
    assert lab.files("s") == {"y": "good\n"}


def test_a_task_cannot_leave_anybody_behind(lab: Any) -> None:
    lab.pipeline("steps: {s: {run: 'setsid sleep 300 & (sleep 300 &); echo x > $PENSTOCK_OUT/x'}}")
    lab.ok()
    assert lab.alive() == []


def test_a_worker_that_dies_is_replaced(lab: Any) -> None:
    """The task kills its worker the first time."""
    mark = lab.root.parent / "mark"
    lab.pipeline(f"""
        steps:
          s:
            input: in:/*
            run: 'test -e {mark} || {{ touch {mark}; kill -KILL $PPID; sleep 60; }}; cp $PENSTOCK_IN/in/* $PENSTOCK_OUT'
        """)
    lab.put("in", {name: name for name in "abcd"})
    view = lab.run()
    assert view.state == "success"
    assert lab.files("s") == {name: name for name in "abcd"}
    tasks = lab.tasks(view.jobs[0])
    assert max(task.attempts for task in tasks) == 2
    assert any("disappeared" in lab.explain(task.id) for task in tasks)


def test_a_task_that_kills_every_worker_fails_alone(lab: Any) -> None:
    lab.pipeline("""
        steps:
          s: {input: "in:/*", run: "cd $PENSTOCK_IN/in; grep -q bad * && kill -KILL $PPID; cp * $PENSTOCK_OUT"}
        """)
    lab.put("in", {**{name: name for name in "abcdefghij"}, "d": "bad"})
    view = lab.run()
    (job,) = view.jobs
    assert (job.tasks.processed, job.tasks.failed) == (9, 1)
    (task,) = (task for task in lab.tasks(job) if task.outcome == "failed")
    assert (task.key, task.reason) == (("d",), "lost") and task.attempts >= 3  # it may be given back unstarted, too
    assert "3 workers disappeared" in lab.explain(task.id)


def test_workers_that_cannot_start_end_the_run(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.pipeline("steps: {s: {run: 'true'}}")
    with monkeypatch.context() as patch:
        broken = (sys.executable, "-c", "raise SystemExit('this Python is broken')")
        patch.setattr("penstock.service.driving.local.python", lambda *_: broken)
        with pytest.raises(PenstockError, match="no worker can be started: this Python is broken"):
            lab.run()
    assert lab.alive() == []
    assert lab.ok() == {"s": (1, 1, 0)}
    assert len(lab.project.runs()) == 1


def test_what_a_task_does_to_its_inputs_is_its_own_business(lab: Any) -> None:
    lab.pipeline("""
        steps:
          s:
            input: {cross: ["in:/", "n:/*"]}
            run: "cd $PENSTOCK_IN; cat in/x > $PENSTOCK_OUT/$(ls n); echo y >> in/x"
        """)
    lab.put("in", {"x": "x"})
    lab.put("n", {name: name for name in "abcdefgh"})
    lab.ok()
    assert lab.files("s") == dict.fromkeys("abcdefgh", "x")
    assert lab.files("in") == {"x": "x"}


def test_a_job_too_large_for_this_machine_says_so(lab: Any) -> None:
    lab.pipeline("steps: {s: {run: 'true', resources: {cpus: 9999}}, t: {after: [s], run: 'true'}}")
    view = lab.run()
    assert [job.state for job in view.jobs] == ["unrunnable", "unrunnable"]
    assert "asks for 9999 CPUs" in lab.explain("s")


def test_a_task_can_be_ended_by_signals_its_worker_ignores(lab: Any) -> None:
    lab.pipeline("steps: {s: {run: [sh, -c, 'kill -TERM $$; sleep 5']}}")
    (task,) = lab.tasks(lab.run().jobs[0])
    assert task.message.endswith("SIGTERM (signal 15)")


def test_what_a_busy_worker_has_not_begun_is_shared_out_again(lab: Any) -> None:
    """The last tasks take long, which the first do not tell: one worker would sit on all of them."""
    lab.pipeline("""
        steps:
          s:
            each: {i: "1..60"}
            run: 'test $PENSTOCK_PARAM_I -le 52 || sleep 0.7'
        """)
    engine = Engine(lab.parts, LocalCrew(lab.parts.layout, this_machine(2)))
    begun = lab.project.begin()
    engine.refresh()
    try:
        engine.drive(lambda world: begun.run.id not in world.runs)
    finally:
        engine.close()
    (job,) = lab.project.run_view(begun.run.id).jobs
    tasks = lab.tasks(job)
    assert (job.state, job.tasks.processed) == ("success", 60)
    assert {task.attempts for task in tasks} == {1, 2} and {task.tries for task in tasks} == {1}
    slow = [task for task in tasks if task.params["i"] > 52]
    workers = {lab.parts.store.load(Attempt, "attempts", task=task.seq)[-1].worker for task in slow}
    assert len(workers) == 2


def test_a_small_command_that_fails_did_not_run_out_of_memory(lab: Any) -> None:
    lab.pipeline("steps: {s: {run: 'exit 3', resources: {memory: 10MB}}}")
    (job,) = lab.run().jobs
    (task,) = lab.tasks(job)
    assert task.reason == "exit" and "exit code 3" in task.message


def test_between_two_tries_something_may_be_mended(lab: Any) -> None:
    here = lab.root.parent
    lab.pipeline(f"""
        steps:
          s:
            run: "echo try >> {here}/story; test -e {here}/mended"
            retry: {{tries: 3, between: "echo $PENSTOCK_ATTEMPT >> {here}/story; touch {here}/mended"}}
          t:
            run: "exit 9"
            retry:
              - {{on: [8], between: ["false"]}}
              - {{on: [9], between: [sh, -c, "echo between; exit 1"]}}
        """)
    jobs = {job.step: job for job in lab.run().jobs}
    assert (jobs["s"].state, jobs["t"].state) == ("success", "failure")
    (task,) = lab.tasks(jobs["s"])
    assert (here / "story").read_text().split("\n") == ["try", f"{task.id}-1", "try", ""]
    (task,) = lab.tasks(jobs["t"])
    first, last = lab.parts.store.load(Attempt, "attempts", task=task.seq)
    assert first.message.endswith("exit code 9; what runs between tries failed, too")
    assert last.message.endswith("exit code 9")
    assert [attempt.exit_code for attempt in (first, last)] == [9, 9]
