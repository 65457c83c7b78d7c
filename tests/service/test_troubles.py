"""What a batch system refuses is told where people look, once per change, whoever drives."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import pytest

from penstock.model.errors import NotNow, PenstockError, Refused
from penstock.runner.queue import Ask, Kind, Seen
from penstock.service.answers.sites import site
from penstock.service.answers.status import status
from penstock.service.driving.loop import Engine
from penstock.service.driving.troubles import LOG, Troubles
from penstock.service.role import engine_role

LIMIT = "QOSMaxSubmitJobPerUserLimit"


class Desk:
    """A batch system that refuses as it is told to."""

    def __init__(self, error: PenstockError) -> None:
        self.error = error

    def submit(self, ask: Ask) -> str:
        raise self.error

    def look(self, names: Collection[str]) -> list[Seen]:
        return []

    def remove(self, ids: Collection[str]) -> None:
        """Nothing was given."""

    def kinds(self) -> list[Kind]:
        return [Kind("p", True, 8, 4, 1 << 30, 0, None)]

    def close(self) -> None:
        """Nothing is held."""


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    desk = Desk(NotNow(LIMIT))
    monkeypatch.setattr("penstock.service.driving.sites.queue_of", lambda site: desk)
    return desk


def begun(lab: Any, place: str) -> str:
    lab.pipeline(f"""
        sites: {{far: {{kind: slurm}}}}
        steps:
          a: {{run: "true"{place}}}
        """)
    return str(lab.project.begin().run.id)


@pytest.fixture(params=[", site: far", ""], ids=["named", "instead"])
def engine(lab: Any, desk: Desk, told: list[str], request: pytest.FixtureRequest) -> Iterator[Engine]:
    """One that drives a step at a site: the step names it, or whoever drives does."""
    begun(lab, request.param)
    instead = None if request.param else "far"
    with engine_role(lab.parts.layout.lock, site=instead):
        engine = Engine(lab.parts, site=instead, tell=told.append)
        yield engine
        engine.close()


def turn(engine: Engine, until: Any) -> None:
    for _ in range(400):
        engine.turn()
        if until():
            return
    raise AssertionError("it never came to it")


def test_it_is_told_where_people_look_once(lab: Any, engine: Engine, desk: Desk, told: list[str]) -> None:
    turn(engine, lambda: told)
    for _ in range(10):
        engine.turn()
    assert len(told) == 1 and LIMIT in told[0] and "site far is waited for" in told[0]
    assert any(LIMIT in note for note in status(lab.parts).notes)
    assert LIMIT in lab.explain(status(lab.parts).runs[0].jobs[0].job)
    assert [view.trouble for view in site(lab.parts, "far")[0]] == told
    log = lab.parts.layout.logs / LOG
    assert log.read_text().count(LIMIT) == 1
    engine.close()
    assert not any(LIMIT in note for note in status(lab.parts).notes), "nobody asks any more"


def test_another_refusal_is_told_and_so_is_its_end(lab: Any, told: list[str]) -> None:
    troubles = Troubles(lab.parts, "site", told.append)
    for found in ({"a": "one", "b": "two"}, {"a": "one", "b": "two"}, {"a": "other"}, {}):
        troubles.now(found)
    assert told == ["one", "two", "other", "site b: all is well again", "site a: all is well again"]


def test_what_a_killed_engine_left_is_forgotten_by_the_next(lab: Any) -> None:
    Troubles(lab.parts, "site").now({"far": "one"})
    Troubles(lab.parts, "repo").now({"d": "two"})
    Troubles(lab.parts, "site")
    assert [note.partition(" (")[0] for note in status(lab.parts).notes] == ["two"]


def test_one_that_never_gives_anything_is_told_too(lab: Any, desk: Desk) -> None:
    desk.error = Refused("Invalid account")
    begun(lab, ", site: far")
    (job,) = lab.run().jobs
    assert job.state == "unrunnable" and "Invalid account" in job.message
    assert "Invalid account" in (lab.parts.layout.logs / LOG).read_text()
