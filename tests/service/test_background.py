"""Engines that stay: in the background until all is done, or watching linked directories and the clock."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import Any

import pytest

from penstock.model.errors import Refused
from penstock.service.answers.status import status
from penstock.service.driving import background, troubles
from penstock.service.role import Holder, holder

UP = "cp -r $PENSTOCK_IN/*/. $PENSTOCK_OUT"


@pytest.fixture
def lab(lab: Any) -> Any:
    """Whoever still drives when a test is over is ended."""
    yield lab
    engine = holder(lab.parts.layout.lock)
    if engine is not None and engine.pid not in (0, os.getpid()):
        background.stop(lab.parts)


def gated(lab: Any) -> None:
    lab.pipeline(f"""
        steps:
          work:
            run: "until test -e {lab.root.parent}/go; do sleep 0.02; done; echo x > $PENSTOCK_OUT/f"
            output: out
        """)


def detach(lab: Any, *words: str) -> str:
    driver = lab.penstock("run", "--detach", *words)
    said, complaint = driver.communicate(timeout=60)
    assert driver.returncode == 0, complaint
    return str(said).strip()


def free(lab: Any) -> bool:
    return holder(lab.parts.layout.lock) is None


def log(lab: Any) -> str:
    return str((lab.parts.layout.logs / troubles.LOG).read_text())


def test_it_works_on_and_leaves_when_nothing_is_left(lab: Any) -> None:
    gated(lab)
    run = detach(lab)
    assert lab.project.run_view(run).state == "running"
    engine = status(lab.parts).engine
    assert engine is not None and engine.endswith("(in the background)")
    (lab.root.parent / "go").touch()
    assert lab.project.wait(run).state == "success"
    lab.wait_for(lambda: "leaves" in log(lab))  # said when the role is free already
    words = log(lab).split("\n")
    assert words[0].endswith("begins") and words[1].endswith(f"run {run} succeeded")
    assert words[2].endswith("leaves: nothing is left to do")


def test_stop_ends_it_and_gives_back_what_it_had(lab: Any) -> None:
    gated(lab)
    run = detach(lab)
    lab.wait_for(lambda: lab.project.run_view(run).jobs[0].state == "running")
    assert "has left" in background.stop(lab.parts)
    assert free(lab) and lab.alive() == []
    assert lab.project.run_view(run).state == "running", "the run is not stopped, only its engine"
    with pytest.raises(Refused, match="nobody drives the project"):
        background.stop(lab.parts)
    (lab.root.parent / "go").touch()
    assert lab.project.wait(run).state == "success"


def test_stop_waits_until_the_role_is_free_and_not_only_nameless(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who leaves takes back its name first and lets go of the lock after."""
    with subprocess.Popen(["sleep", "60"]) as engine:
        named, nameless = (Holder(pid, os.uname().nodename) for pid in (engine.pid, 0))
        looks = [named, named, nameless, None]
        monkeypatch.setattr(background, "holder", lambda lock: looks.pop(0) if looks else None)
        assert f"engine pid {engine.pid} has left" in background.stop(lab.parts)
        assert not looks and engine.wait() == -signal.SIGTERM


def test_two_of_them_do_no_harm_and_both_leave(lab: Any) -> None:
    gated(lab)
    first, second = detach(lab), detach(lab)
    assert first == second
    (lab.root.parent / "go").touch()
    assert lab.project.wait(first).state == "success"
    lab.wait_for(lambda: free(lab) and log(lab).count("leaves") == 2)


def test_one_that_waits_takes_over_when_the_first_dies(lab: Any) -> None:
    gated(lab)
    run = detach(lab)
    detach(lab)
    engine = holder(lab.parts.layout.lock)
    assert engine is not None
    os.kill(engine.pid, signal.SIGKILL)
    lab.wait_for(lambda: (now := holder(lab.parts.layout.lock)) is not None and now.pid not in (0, engine.pid))
    (lab.root.parent / "go").touch()
    assert lab.project.wait(run).state == "success"
    lab.wait_for(lambda: free(lab))


def test_what_is_held_does_not_keep_it(lab: Any) -> None:
    from penstock.service.driving.control import hold, release

    gated(lab)
    run = lab.project.begin().run.id
    hold(lab.parts, run)
    driver = lab.penstock("run", "--detach", "--json")
    said, _ = driver.communicate(timeout=60)
    again = json.loads(said)
    assert again["run"] == run and again["engine"]
    lab.wait_for(lambda: free(lab))
    release(lab.parts, run)
    (lab.root.parent / "go").touch()
    assert lab.project.wait(run).state == "success"


def test_watching_commits_what_changes_and_runs_it(lab: Any) -> None:
    lab.write("photos/a", "1")
    lab.pipeline(f"""
        repos: {{photos: {{path: photos}}}}
        steps: {{up: {{input: "photos:/*", run: "{UP}"}}}}
        """)
    driver = lab.penstock("run", "--watch")
    try:
        lab.wait_for(lambda: lab.project.runs() and lab.project.runs()[0].state == "success")
        lab.write("photos/b", "2")
        lab.wait_for(lambda: len(lab.project.runs()) == 2 and lab.project.runs()[0].state == "success")
        assert lab.files("up") == {"a": "1", "b": "2"}
        assert lab.project.commit("photos").origin == "link"
        lab.put("other", {"x": "1"})
        assert len(lab.project.runs()) == 2
    finally:
        driver.send_signal(signal.SIGINT)
        said, complaint = driver.communicate(timeout=60)
    assert driver.returncode == 130, complaint
    assert "stopped watching" in complaint and said.count("success") >= 2
    assert free(lab)


def test_watching_in_the_background(lab: Any) -> None:
    (lab.root / "photos").mkdir()
    lab.pipeline(f"""
        repos: {{photos: {{path: photos}}}}
        steps: {{up: {{input: "photos:/*", run: "{UP}"}}}}
        """)
    detach(lab, "--watch")
    engine = status(lab.parts).engine
    assert engine is not None and engine.endswith("(watching)")
    lab.write("photos/b", "2")
    lab.wait_for(lambda: lab.project.runs()[0].origin == "put" and lab.project.runs()[0].state == "success")
    assert lab.files("up") == {"b": "2"}
    background.stop(lab.parts)
    assert free(lab)


def test_it_says_why_it_fails(lab: Any) -> None:
    gated(lab)
    lab.project.begin()
    (lab.parts.layout.home / "format").write_text("999 x\n")
    try:
        assert background.main([str(lab.root)]) == 1
    finally:
        (lab.parts.layout.home / "format").write_text(f"1 {lab.parts.layout.id}\n")
