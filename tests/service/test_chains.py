"""Lone commands that follow one upon the other, which workers go on with by themselves."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from penstock.service.driving.control import hold, release, retry

LENGTH = 120


def chained(lab: Any, command: str, length: int = LENGTH) -> Path:
    """A chain of commands; each may call its place in it $PENSTOCK_PARAM_N, and writes it into a file."""
    story = Path(lab.root.parent / "story")
    steps = []
    for place in range(length):
        after = f"after: [s{place - 1}], " if place else ""
        steps.append(f"  s{place}: {{{after}params: {{n: {place}}}, run: {command.replace('STORY', str(story))!r}}}")
    lab.pipeline("steps:\n" + "\n".join(steps))
    return story


def told(story: Path) -> list[int]:
    return [int(line) for line in story.read_text().splitlines()] if story.exists() else []


def test_each_runs_once_and_in_order(lab: Any) -> None:
    story = chained(lab, "echo $PENSTOCK_PARAM_N >> STORY")
    view = lab.run()
    assert view.state == "success"
    assert told(story) == list(range(LENGTH))
    assert all((job.tasks.total, job.tasks.processed) == (1, 1) for job in view.jobs)
    starts = [job.started for job in view.jobs]
    assert starts == sorted(starts)


def test_behind_a_failure_nothing_runs(lab: Any) -> None:
    story = chained(lab, "echo $PENSTOCK_PARAM_N >> STORY; test $PENSTOCK_PARAM_N != 60")
    view = lab.run()
    assert told(story) == list(range(61))
    assert [job.state for job in view.jobs] == ["success"] * 60 + ["failure"] + ["unrunnable"] * (LENGTH - 61)
    story.unlink()
    lab.project.wait(retry(lab.parts, view.run).id)
    assert told(story) == [60]


def test_a_try_that_failed_is_no_end(lab: Any) -> None:
    command = "echo $PENSTOCK_PARAM_N >> STORY; test $PENSTOCK_ATTEMPT != ${PENSTOCK_TASK}-1"
    story = chained(lab, command, 12)
    lab.pipeline((lab.root / "pipeline.yaml").read_text().replace("params:", "retry: {tries: 2}, params:"))
    assert lab.run().state == "success"
    assert told(story) == [place for place in range(12) for _ in (1, 2)]


def test_what_is_behind_one_that_ended_badly_goes_on_where_it_only_needs_the_end(lab: Any) -> None:
    lab.pipeline("""
        steps:
          a: {run: "sleep 0.01"}
          b: {run: "exit 3", after: [a]}
          c: {run: "true", after: {b: end}}
          d: {run: "true", after: [b]}
          e: {run: "true", after: [b], on_upstream_failure: continue}
        """)
    view = lab.run()
    assert {job.step: job.state for job in view.jobs} == {
        "a": "success",
        "b": "failure",
        "c": "success",
        "d": "unrunnable",
        "e": "success",
    }


def test_when_their_worker_dies_they_go_on_elsewhere(lab: Any) -> None:
    command = "echo $PENSTOCK_PARAM_N >> STORY; test $PENSTOCK_PARAM_N = 40 && mkdir STORY.dead && kill -9 $PPID; true"
    story = chained(lab, command)
    assert lab.run().state == "success"
    assert sorted(set(told(story))) == list(range(LENGTH))
    first = [told(story).index(place) for place in range(LENGTH)]
    assert first == sorted(first)
    assert lab.alive() == []


def test_held_ones_wait(lab: Any) -> None:
    gate = "until test -e STORY.go -o $PENSTOCK_PARAM_N -ne 1; do sleep 0.02; done"
    story = chained(lab, f"echo $PENSTOCK_PARAM_N >> STORY; {gate}")
    driver = lab.penstock("run")
    try:
        lab.wait_for(lambda: told(story) == [0, 1])
        hold(lab.parts, "s100")
        Path(f"{story}.go").touch()
        lab.wait_for(lambda: lab.project.run_view("last").jobs[99].state == "success")
        assert told(story) == list(range(100))
        release(lab.parts, "s100")
        driver.communicate(timeout=60)
    finally:
        if driver.poll() is None:
            os.kill(driver.pid, signal.SIGKILL)
            driver.wait()
    assert driver.returncode == 0
    assert told(story) == list(range(LENGTH))
