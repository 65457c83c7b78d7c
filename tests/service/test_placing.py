"""What is ready together goes where it says, and in the order that its pipeline says."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest

from penstock.model.errors import Refused
from penstock.model.run import Job
from penstock.runner.queue import Ask, Kind, Seen
from penstock.service.driving.crew import Node
from penstock.service.driving.local import LocalCrew
from penstock.service.driving.loop import Engine


class Closed:
    """A batch system that gives nothing."""

    def submit(self, ask: Ask) -> str:
        raise Refused("Invalid account or account/partition combination specified")

    def look(self, names: Collection[str]) -> list[Seen]:
        return []

    def remove(self, ids: Collection[str]) -> None:
        """Nothing was given."""

    def kinds(self) -> list[Kind]:
        return [Kind("p", True, 8, 4, 1 << 30, 0, None)]

    def close(self) -> None:
        """Nothing is held."""


@pytest.mark.parametrize(("here", "there"), [("a", "b"), ("b", "a")])
def test_steps_that_differ_in_their_site_alone_go_to_their_sites(
    lab: Any, monkeypatch: pytest.MonkeyPatch, here: str, there: str
) -> None:
    monkeypatch.setattr("penstock.service.driving.sites.queue_of", lambda site: Closed())
    lab.pipeline(f"""
        sites: {{far: {{kind: slurm}}}}
        steps:
          {here}: {{run: "true"}}
          {there}: {{run: "true", site: far}}
        """)
    said = {job.job.partition("@")[0]: (job.state, job.message) for job in lab.run().jobs}
    assert said[here][0] == "success"
    assert said[there][0] == "unrunnable" and "Invalid account" in said[there][1]


def one_at_a_time(lab: Any) -> list[str]:
    """The steps in the order in which one processor runs them, each of which writes its name down."""
    run = lab.project.begin().run
    engine = Engine(lab.parts, LocalCrew(lab.parts.layout, Node(1, 1 << 40)))
    try:
        engine.drive(lambda world: not world.runs)
    finally:
        engine.close()
    assert {job.outcome for job in lab.parts.store.load(Job, "jobs_of_run", run=run.id)} == {"succeeded"}
    return str((lab.root / "order").read_text()).split()


def test_without_a_sort_the_order_of_the_file_is_the_order(lab: Any) -> None:
    lab.pipeline("""
        sort: none
        steps:
          z: {run: "echo z >> order"}
          m: {run: "echo m >> order", resources: {memory: 1GiB}}
          y: {run: "echo y >> order"}
          b: {run: "echo b >> order", each: {i: [1, 2]}}
          a: {run: "echo a >> order", resources: {memory: 1GiB, time: 1h}}
          first: {run: "echo first >> order", priority: 1}
        """)
    assert one_at_a_time(lab) == ["first", "z", "m", "y", "b", "b", "a"]


def test_what_sort_says_is_the_order(lab: Any) -> None:
    lab.pipeline("""
        sort: gpus_memory_runtime
        steps:
          z: {run: "echo z >> order"}
          long: {run: "echo long >> order", resources: {time: 1h}}
          large: {run: "echo large >> order", resources: {memory: 1GiB}}
        """)
    assert one_at_a_time(lab) == ["large", "long", "z"]
