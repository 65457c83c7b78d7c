"""The crew of a site whose batch system does as it is told: what it is asked for, and who is given back."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

import pytest
from msgspec.structs import replace

from penstock.engine.pack import Needs, Wish
from penstock.model.errors import Doubt, NotNow, PenstockError, Refused
from penstock.model.moves import AllocationState
from penstock.model.run import Allocation
from penstock.model.spec import Site
from penstock.model.wire import Hello
from penstock.runner.mailbox import Mailbox
from penstock.runner.queue import Ask, Kind, Seen
from penstock.service.driving import allocations as module
from penstock.service.driving.allocations import AGAIN, FORGOTTEN, LATE, LOOK, Allocations, Member
from penstock.service.driving.crew import Heard, Node, Worker
from penstock.service.driving.remote import RemoteCrew
from penstock.service.parts import Parts
from penstock.service.project import Project

from .test_allocations import AtOnce

SITE = Site("far", "slurm", nodes=4)


class Desk:
    """A `Queue` that takes what it gets, and says of it what a test wants."""

    def __init__(self) -> None:
        self.asked: list[Ask] = []
        self.said: dict[str, Seen] = {}  # by worker
        self.refusal: PenstockError | None = None
        self.down = False
        self.calls = 0

    def submit(self, ask: Ask) -> str:
        self._call()
        if self.refusal is not None:
            raise self.refusal
        self.asked.append(ask)
        native = str(len(self.asked))
        for element in range(ask.count):
            id = f"{native}_{element}" if ask.count > 1 else native
            self.said[f"{ask.name}-{element}"] = Seen(id, ask.name, element, "pending", "PENDING (Priority)")
        return native

    def look(self, names: Collection[str]) -> list[Seen]:
        self._call()
        return [seen for seen in self.said.values() if seen.name in names]

    def remove(self, ids: Collection[str]) -> None:
        self._call()

    def kinds(self) -> list[Kind]:
        return [Kind("p", True, 8, 4, 1 << 30, 0, None)]

    def close(self) -> None:
        """Nothing is held."""

    def _call(self) -> None:
        self.calls += 1
        if self.down:
            raise Doubt("it hangs")

    def says(self, member: Member, state: str, why: str) -> None:
        self.said[member.name] = replace(self.said[member.name], state=state, why=why)


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    with Project.create(tmp_path / "p") as project:
        return project.parts


class Asking:
    """Allocations at a desk, and a clock."""

    def __init__(self, parts: Parts) -> None:
        self.desk, self.now = Desk(), 1000.0
        self.parts = parts
        self.begin()

    def begin(self) -> None:
        """An engine takes over."""
        self.those = Allocations(self.parts, SITE, self.desk, AtOnce(), lambda row: ("w",), lambda: self.now)

    def ask(self) -> Member:
        """One that the desk has taken."""
        (member,) = self.those.ask(1, Node(4), 600, "s")
        self.turn()
        return member

    def turn(self, seconds: float = 0.0) -> None:
        """Let time pass, and see to the desk."""
        until = self.now + seconds
        while True:
            self.those.turn()
            self.those.turn()
            if self.now >= until:
                return
            self.now += LOOK

    def stillborn(self, why: str) -> None:
        """One that the desk says has ended, and that nobody heard."""
        self.desk.says(self.ask(), "ended", why)
        self.turn(LATE + 3 * LOOK)


@pytest.fixture
def asking(parts: Parts) -> Asking:
    return Asking(parts)
