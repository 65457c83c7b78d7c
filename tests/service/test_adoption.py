"""An engine that begins where another one left nodes behind."""

from __future__ import annotations

import errno
import gc
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest

from penstock.model.run import Allocation
from penstock.model.spec import Site
from penstock.runner.mailbox import Pulse
from penstock.service.driving import remote as driving
from penstock.service.driving import sites as module
from penstock.service.driving.allocations import Allocations
from penstock.service.driving.crew import Crew, Node
from penstock.service.driving.sites import Sites
from penstock.service.parts import Parts
from penstock.service.project import Project

from .test_allocations import AtOnce
from .test_remote_crew import Desk


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    with Project.create(tmp_path / "p") as project:
        yield project.parts


def leave(parts: Parts, site: Site, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let a worker of a site be there, that works; its name."""
    store = parts.store
    with store.transaction():
        row = Allocation(store.reserve(Allocation, 1), site.text, "n", 0, 1, 0, 0, 1, 60, parts.now(), "running", "7")
        store.insert([row])
    load = store.load
    busy = Mock(worker=row.worker)
    monkeypatch.setattr(
        store, "load", lambda kind, name, **more: [busy] if name == "live_attempts" else load(kind, name, **more)
    )
    return row.worker


def begin(parts: Parts, silence: float) -> Sites:
    return Sites(parts, Mock(spec=Crew, close=list), None, silence)


def test_its_workers_hear_of_it_before_all_of_them_are_there(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that never comes must not be the end of the others."""
    monkeypatch.setattr(module, "queue_of", lambda site: Desk())
    name = leave(parts, Site("far", "slurm"), monkeypatch)
    sites = begin(parts, 0.3)
    assert list((parts.layout.home / "mail" / name).glob("*-engine.post"))
    sites.close()


def test_nobody_beats_for_an_engine_that_failed_as_it_began(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Pulse] = []

    def pulse() -> Pulse:
        made.append(Pulse())
        return made[-1]

    monkeypatch.setattr(driving, "Pulse", pulse)
    monkeypatch.setattr(module, "queue_of", lambda site: Desk())
    leave(parts, Site("far", "slurm"), monkeypatch)
    sites = begin(parts, 0.01)
    thread = made[0]._thread
    assert thread is not None and thread.is_alive()
    del sites
    gc.collect()
    thread.join(5)
    assert not thread.is_alive()


def test_what_is_still_written_into_is_left_to_the_next_one(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    (parts.layout.home / "mail" / "old").mkdir(parents=True)

    def not_empty(path: Path) -> None:
        raise OSError(errno.ENOTEMPTY, "Directory not empty")

    with monkeypatch.context() as busy:
        busy.setattr(module, "remove", not_empty)
        begin(parts, 0.3).close()
    begin(parts, 0.3).close()
    assert not (parts.layout.home / "mail" / "old").exists()


def test_a_site_that_cannot_be_talked_to_any_more_is_told_and_waited_for(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What its workers ran for the other engine is over when that was silent for long enough."""
    monkeypatch.setitem(sys.modules, "penstock.runner.dask", None)
    leave(parts, Site("far", "dask", address="tcp://x:1"), monkeypatch)
    began = time.monotonic()
    sites = begin(parts, 0.3)
    assert time.monotonic() - began >= 0.3
    assert "nodes of site far are left: site 'far' needs Dask" in sites.troubles["far"]
    sites.close()


def test_what_was_written_down_and_not_sent_is_sent_by_the_next_one(parts: Parts) -> None:
    """What may have been sent is not, whatever became of the first one's notes."""
    desk = Desk()

    def engine() -> Allocations:
        return Allocations(parts, Site("far", "slurm"), desk, AtOnce(), lambda row: ("w",), lambda: 0.0)

    engine().ask(2, Node(1), 60, "one")
    then = engine()
    assert not then.may_ask
    then.turn()
    (asked,) = desk.asked
    assert asked.count == 2
    again = engine()
    again.turn()
    again.turn()
    assert len(desk.asked) == 1 and len(again.members) == 2


def test_what_cannot_be_noted_as_sent_is_not_sent(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()
    those = Allocations(parts, Site("far", "slurm"), desk, AtOnce(), lambda row: ("w",), lambda: 0.0)
    members = those.ask(2, Node(1), 60, "one")

    def failing(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", failing)
        those.turn()
    assert not desk.asked and those.given_up == members and "Input/output" in those.doubt and not those.may_ask
    assert parts.store.load(Allocation, "live_allocations") == []
