"""Tasks of one job that write the same path: one is told so, the others stay good."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.service.driving import expanding

UP = "cp -r $PENSTOCK_IN/*/. $PENSTOCK_OUT"


def test_two_tasks_with_one_path_are_named(lab: Any) -> None:
    lab.pipeline("steps: {s: {input: 'in:/*', run: echo x > $PENSTOCK_OUT/same}}")
    lab.put("in", {"a": "1", "b": "2"})
    (job,) = lab.run().jobs
    (message,) = lab.failures(job)
    assert message.startswith("same: written by task ") and "task a" in message and "task b" in message
    assert (job.tasks.processed + job.tasks.reused, job.tasks.failed) == (1, 1)
    assert "same: written by task" in lab.explain(job.job)


@pytest.mark.parametrize("first", ["file", "directory"])
def test_a_file_against_a_directory(lab: Any, first: str) -> None:
    second = {"file": "directory", "directory": "file"}[first]
    make = {"file": "echo > $PENSTOCK_OUT/x", "directory": "mkdir $PENSTOCK_OUT/x && echo > $PENSTOCK_OUT/x/y"}
    lab.write("file.sh", make["file"])
    lab.write("directory.sh", make["directory"])
    lab.pipeline("steps: {s: {input: 'in:/*', code: '*.sh', run: [sh, -c, 'sh $(cat $PENSTOCK_IN/in/*).sh']}}")
    lab.put("in", {"first": first})
    lab.ok()
    lab.put("in", {"second": second})
    (job,) = lab.run().jobs
    (message,) = lab.failures(job)
    assert (
        "written by task first and by task second" in message or "written by task second and by task first" in message
    )
    assert lab.files("s").keys() == ({"x"} if first == "file" else {"x/y"}), "the head stays"


def test_a_new_binding_against_a_kept_one(lab: Any) -> None:
    lab.pipeline("steps: {s: {input: 'in:/*', run: 'cd $PENSTOCK_IN/in; ls > $PENSTOCK_OUT/$(cat *)'}}")
    lab.put("in", {"a": "x", "b": "y"})
    lab.ok()
    lab.put("in", {"b": "x"})
    (job,) = lab.run().jobs
    (message,) = lab.failures(job)
    assert message.startswith("x: ") and "task a" in message and "task b" in message
    assert lab.files(f"s@{lab.runs[-1].run}") == {"x": "a\n"}
    lab.put("in", {"a": "y"})
    lab.run()
    assert lab.runs[-1].state == "success", "they changed places"
    assert lab.files("s") == {"x": "b\n", "y": "a\n"}


def test_reused_results_that_collide_are_named_too(lab: Any) -> None:
    """Both were good on their own, in different jobs."""
    lab.pipeline("steps: {s: {input: 'in:/*', run: echo x > $PENSTOCK_OUT/same}}")
    lab.put("in", {"a": "1"})
    lab.ok()
    lab.put("in", {"b": "1"})
    lab.project.remove("in:/a")
    assert lab.run().state == "success"
    lab.put("in", {"a": "1"})
    view = lab.run()
    assert view.state == "failure"
    (task,) = lab.tasks(view.jobs[0])
    assert (task.outcome, task.reason, task.attempts) == ("failed", "collision", 0)
    assert "task a" in task.message and "task b" in task.message
    lab.project.remove("in:/b")
    assert lab.run().state == "success"
    assert lab.files("s") == {"same": "x\n"}


def collided(lab: Any, view: Any, step: str = "s") -> list[tuple[str, ...]]:
    """The bindings of a job that failed because of what others had written, and did not run."""
    (job,) = [job for job in view.jobs if job.step == step]
    failed = [task for task in lab.tasks(job) if task.outcome == "failed"]
    assert {(task.reason, task.attempts) for task in failed} <= {("collision", 0)}
    assert job.tasks.failed == len(failed) and job.reason == ("tasks" if failed else None)
    return [task.key for task in failed]


#: Writes each input under what its name has before the dash.
BEFORE_DASH = "'f=$(ls $PENSTOCK_IN/in); cp $PENSTOCK_IN/in/* $PENSTOCK_OUT/${f%%-*}'"


@pytest.fixture
def dashed(lab: Any) -> Any:
    """A project that knows the results of `a-1` and of `a-2`, which collide; it holds the second."""
    lab.pipeline(f"steps: {{s: {{input: 'in:/*', run: {BEFORE_DASH}}}}}")
    lab.put("in", {"a-1": "1"})
    lab.ok()
    lab.project.remove("in:/a-1")
    lab.put("in", {"a-2": "2"})
    assert lab.ok() == {"s": (1, 0, 1)}
    return lab


def test_known_results_that_collide_keep_nobody_from_running(dashed: Any) -> None:
    run = dashed.put("in", {"a-1": "1", "z": "z"})
    dashed.run()
    view = dashed.project.run_view(run)
    assert collided(dashed, view) == [("a-1",)]
    assert (view.jobs[0].tasks.total, view.jobs[0].tasks.processed, view.jobs[0].tasks.reused) == (3, 1, 1)
    assert dashed.files(f"s@{run}") == {"a": "2", "z": "z"}
    assert collided(dashed, dashed.run()) == [("a-1",)], "it is told again until the data changes"
    dashed.project.remove("in:/a-2")
    assert dashed.ok() == {"s": (2, 0, 2)}
    assert dashed.files("s") == {"a": "1", "z": "z"}


@pytest.mark.parametrize("chunk", [1, 5000])
def test_of_known_results_the_later_binding_collides_where_nothing_is_kept(
    dashed: Any, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expanding, "CHUNK", chunk)
    dashed.pipeline(f"steps: {{s: {{input: {{repo: in, glob: '/*'}}, output: other, run: {BEFORE_DASH}}}}}")
    dashed.put("in", {"a-1": "1", "y": "y", "z": "z"})
    view = dashed.run()
    assert collided(dashed, view) == [("a-2",)]
    tasks = view.jobs[0].tasks
    assert (tasks.total, tasks.processed + tasks.reused) == (4, 3)
    assert dashed.files(f"other@{view.run}") == {"a": "1", "y": "y", "z": "z"}


def test_known_results_that_collide_obey_fail_fast(dashed: Any) -> None:
    dashed.pipeline(f"steps: {{s: {{input: 'in:/*', fail: fast, run: {BEFORE_DASH}}}}}")
    dashed.ok()
    run = dashed.put("in", {"a-1": "1", "z": "z"})
    dashed.run()
    view = dashed.project.run_view(run)
    assert collided(dashed, view) == [("a-1",)]
    assert (view.jobs[0].tasks.cancelled, view.jobs[0].tasks.processed) == (1, 0)


def test_equal_files_of_two_branches_collide(lab: Any) -> None:
    branches = ", ".join(f"{{repo: in, branch: {name}, glob: '/*'}}" for name in ("main", "side"))
    lab.pipeline("steps: {s: {input: 'in:/*', run: cp $PENSTOCK_IN/in/* $PENSTOCK_OUT}}")
    lab.put("in", {"a": "1"})
    lab.put("in@side", {"a": "1", "b": "2"})
    lab.ok()
    lab.pipeline(f"steps: {{s: {{input: {{union: [{branches}]}}, run: cp $PENSTOCK_IN/in/* $PENSTOCK_OUT}}}}")
    view = lab.run()
    assert collided(lab, view) == [("in=in@side:/a",)]
    assert lab.files(f"s@{view.run}") == {"a": "1", "b": "2"}


def test_twins_of_one_job_collide(lab: Any) -> None:
    """The second waits for the result of the first, and cannot have it."""
    branches = ", ".join(f"{{repo: in, branch: {name}, glob: '/*'}}" for name in ("main", "side"))
    lab.pipeline(
        f"""
        steps:
          s: {{input: {{union: [{branches}]}}, run: sleep 0.2; cp $PENSTOCK_IN/in/* $PENSTOCK_OUT}}
          t: {{input: {{union: [{branches}]}}, run: sleep 0.1; cp $PENSTOCK_IN/in/* $PENSTOCK_OUT}}
        """
    )
    lab.put("in", {"a": "1"})
    lab.put("in@side", {"a": "1", "b": "2"})
    view = lab.run()
    for step in ("s", "t"):
        assert collided(lab, view, step) == [("in=in@side:/a",)]
        assert lab.files(f"{step}@{view.run}") == {"a": "1", "b": "2"}
