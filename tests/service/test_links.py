"""Linked directories that are watched: what cannot be taken in keeps nothing else back, and what feeds itself ends."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.model.run import Run
from penstock.service.answers.status import status
from penstock.service.driving.background import stop
from penstock.service.driving.watch import follow_or_drive
from penstock.service.opening.links import Links
from penstock.service.role import holder

UP = "cat $PENSTOCK_IN/*/* > $PENSTOCK_OUT/all"


def two(lab: Any) -> None:
    """Two linked directories, each with a step that reads it."""
    lab.write("d/f", "1\n")
    lab.write("e/f", "1\n")
    lab.pipeline(f"""
        repos: {{d: {{path: d}}, e: {{path: e}}}}
        steps:
          a: {{input: "d:/", run: '{UP}', output: a}}
          b: {{input: "e:/", run: '{UP}', output: b}}
        """)
    lab.ok()


def look(links: Links) -> list[str]:
    """What is committed once nobody is in the middle of writing it."""
    return [commit.repo for _ in range(2) for commit in links.look()]


def finish(lab: Any) -> None:
    """Drive until nothing is left."""
    runs = [run.id for run in lab.parts.store.load(Run, "active_runs")]
    follow_or_drive(lab.parts, runs, None, 60.0)


def put_back(directory: Path) -> None:
    directory.unlink()
    directory.with_name("old").rename(directory)


ODD: dict[str, tuple[Callable[[Any], None], Callable[[Any], None]]] = {
    "pipe": (lambda d: os.mkfifo(d / "x"), lambda d: (d / "x").unlink()),
    "absolute link": (lambda d: (d / "x").symlink_to("/etc"), lambda d: (d / "x").unlink()),
    "name": (lambda d: (d / "a\nb").touch(), lambda d: (d / "a\nb").unlink()),
    "bytes": (lambda d: open(os.fsencode(d) + b"/\xff", "w").close(), lambda d: os.unlink(os.fsencode(d) + b"/\xff")),
    "gone": (lambda d: d.rename(d.with_name("old")), lambda d: d.with_name("old").rename(d)),
    "file": (lambda d: d.rename(d.with_name("old")).with_name("d").touch(), put_back),
}


@pytest.mark.parametrize("odd", ODD)
def test_what_cannot_be_taken_in_keeps_nothing_else_back(lab: Any, odd: str) -> None:
    two(lab)
    spoil, heal = ODD[odd]
    links = Links(lab.parts)
    spoil(lab.root / "d")
    lab.write("e/f", "2\n")
    assert look(links) == ["e"]
    assert list(links.troubles) == ["d"] and "'d'" in links.troubles["d"]
    heal(lab.root / "d")
    lab.write("d/f", "2\n")
    assert look(links) == ["d"] and not links.troubles
    finish(lab)
    assert lab.files("a") == {"all": "2\n"} and lab.files("b") == {"all": "2\n"}


def test_a_run_that_is_watched_leaves_what_is_odd_to_the_watch(lab: Any) -> None:
    two(lab)
    os.mkfifo(lab.root / "d/x")
    lab.write("e/f", "2\n")
    watcher = lab.penstock("run", "--watch")
    try:
        lab.wait_for(lambda: lab.files("b") == {"all": "2\n"})
        lab.wait_for(lambda: any("'d' is not committed" in note for note in status(lab.parts).notes))
        (lab.root / "d/x").unlink()
        lab.write("d/f", "3\n")
        lab.wait_for(lambda: lab.files("a") == {"all": "3\n"})
        assert status(lab.parts).notes == ()
    finally:
        stop(lab.parts)
        said = watcher.communicate(timeout=60)[1]
    assert said.count("warning: repo 'd' is not committed for now: ") == 1, said
    assert said.count("repo d: all is well again") == 1
    log = (lab.parts.layout.logs / "engine.log").read_text()
    assert log.count("'d' is not committed") == log.count("repo d: all is well again") == 1
    assert holder(lab.parts.layout.lock) is None


def feeding(lab: Any, write: str) -> None:
    lab.write("d/f", "1\n")
    lab.pipeline(f"""
        repos: {{d: {{path: d}}}}
        steps:
          a: {{input: "d:/", run: '{UP}', output: a}}
          b: {{after: [a], run: "{write}"}}
        """)
    lab.ok()


@pytest.mark.parametrize("write", ["date +%N > d/stamp", "date > d/$(date +%N)", "rm -f d/f; date +%N > d/f"])
def test_a_step_that_feeds_what_starts_it_does_not_run_for_ever(lab: Any, write: str) -> None:
    feeding(lab, write)
    links = Links(lab.parts)
    for _ in range(10):
        look(links)
        finish(lab)
    assert "would run for ever" in links.troubles["d"]
    runs = len(lab.parts.store.load(Run, "runs", before=1 << 62, limit=100))
    assert runs < 10
    lab.write("d/mine", "x")
    assert look(links) == ["d"] and not links.troubles, "somebody else changed something"
    finish(lab)
    assert look(links) == [] and "would run for ever" in links.troubles["d"]


def test_data_that_comes_while_runs_go_on_is_no_feeding(lab: Any) -> None:
    two(lab)
    links = Links(lab.parts)
    for number in range(12):
        lab.write(f"d/{number}", "x")
        assert look(links) == ["d"]
        finish(lab)
    assert not links.troubles
