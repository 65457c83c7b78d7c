"""An engine that begins where another one left nodes behind."""

from __future__ import annotations

import errno
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest

from penstock.model.run import Allocation
from penstock.model.spec import Site
from penstock.service.driving import sites as module
from penstock.service.driving.crew import Crew
from penstock.service.driving.sites import Sites
from penstock.service.parts import Parts
from penstock.service.project import Project

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
    assert "nodes of site far are left: site 'far' needs Dask" in sites.trouble
    sites.close()
