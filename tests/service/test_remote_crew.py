"""The crew of a site whose batch system does as it is told: what it is asked for, and who is given back."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from penstock.engine.pack import Needs, Wish
from penstock.model.errors import Doubt, NotNow, PenstockError, Refused
from penstock.model.moves import AllocationState
from penstock.model.run import Allocation
from penstock.model.spec import Site
from penstock.model.wire import Hello, Report
from penstock.runner.mailbox import Mailbox, session_of
from penstock.runner.queue import Ask, Kind, Seen
from penstock.service.driving import allocations as module
from penstock.service.driving.allocations import AGAIN, FORGOTTEN, LATE, LOOK, Allocations, Member
from penstock.service.driving.crew import Heard, Node
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
def parts(tmp_path: Path) -> Iterator[Parts]:
    with Project.create(tmp_path / "p") as project:
        yield project.parts


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


def test_a_worker_that_is_heard_keeps_a_site_whose_other_nodes_end_at_once(asking: Asking) -> None:
    asking.those.hear(asking.ask())
    for _ in range(4):
        asking.now += AGAIN
        asking.stillborn("FAILED (1:0)")
    assert not asking.those.refused and not asking.those.may_ask
    assert "end before they say a word (FAILED (1:0))" in asking.those.doubt or asking.those.members
    asking.now += AGAIN
    assert asking.those.may_ask


@pytest.mark.parametrize("why", ["CANCELLED by 1000", "PREEMPTED", "NODE_FAIL", "BOOT_FAIL"])
def test_what_others_end_says_nothing_of_a_site(asking: Asking, why: str) -> None:
    for _ in range(4):
        asking.stillborn(why)
    assert not asking.those.refused and asking.those.may_ask and not asking.those.members


def test_one_empty_answer_after_an_outage_gives_nothing_up(asking: Asking) -> None:
    member = asking.ask()
    asking.turn(LOOK)
    asking.desk.down = True
    asking.turn(FORGOTTEN * 2)
    asking.desk.down = False
    said, asking.desk.said = asking.desk.said, {}
    asking.turn(FORGOTTEN / 2)
    assert asking.those.members == {member.name: member}
    asking.desk.said = said
    asking.turn(LOOK)
    asking.desk.said = {}
    asking.turn(FORGOTTEN - 3 * LOOK)
    assert asking.those.members
    asking.turn(5 * LOOK)
    assert not asking.those.members


def test_an_end_that_was_told_just_now_is_not_sure(asking: Asking) -> None:
    member = asking.ask()
    asking.desk.says(member, "ended", "COMPLETED")
    asking.turn(LOOK)
    assert member.over is not None and not asking.those.surely_over(member)
    asking.now += LATE + LOOK
    assert asking.those.surely_over(member)


def test_what_was_never_known_is_forgotten_by_engines_that_are_short(
    asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their own time is not enough to see it."""
    asking.desk.refusal = Doubt("lost")
    asking.ask()
    asking.those.close()
    now = asking.parts.now
    monkeypatch.setattr(asking.parts, "now", lambda: now() + int(FORGOTTEN * 2e6))
    asking.begin()
    asking.turn(LOOK)
    assert asking.parts.store.load(Allocation, "live_allocations")
    asking.turn(3 * LOOK)
    assert asking.parts.store.load(Allocation, "live_allocations") == []


def test_who_does_not_answer_is_not_waited_for_at_the_end(asking: Asking) -> None:
    asking.ask()
    asking.desk.down = True
    asking.turn(2 * LOOK)
    calls = asking.desk.calls
    asking.those.close()
    assert asking.desk.calls == calls
    assert [row.state for row in asking.parts.store.load(Allocation, "live_allocations")] == [AllocationState.PARTING]


def test_a_disk_that_is_full_is_waited_for(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as full:
        full.setattr(Path, "write_text", no_space)
        assert asking.those.ask(2, Node(4), 600, "s") == []
    assert "No space left" in asking.those.doubt and not asking.those.may_ask
    assert asking.parts.store.load(Allocation, "live_allocations") == []
    assert list((asking.parts.layout.home / "mail").iterdir()) == []
    asking.now += AGAIN
    assert asking.those.may_ask
    asking.ask()


def no_space(*_: Any, **__: Any) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


class Place:
    """A crew at a desk, and the workers that a test plays."""

    def __init__(self, parts: Parts, site: Site, desk: Desk) -> None:
        self.crew, self.site = RemoteCrew(parts, site, desk, "s", 60.0, AtOnce()), site
        self.boxes: dict[str, Mailbox] = {}

    def turn(self, wishes: Sequence[Wish] = (), times: int = 1) -> Heard:
        heard = Heard()
        for _ in range(times):
            if wishes:
                self.crew.workers(wishes)
            self.crew._listen_at = self.crew.allocations._look_at = 0.0
            self.crew.listen(heard)
        return heard

    def come(self, cpus: int = 4, seconds: float | None = None) -> None:
        """All that were asked for and are not there yet say what they have."""
        for name in self.crew.allocations.members.keys() - self.boxes.keys():
            self.boxes[name] = Mailbox(self.crew.allocations.mailbox(name), "s-worker", "s-engine", 60.0)
            self.boxes[name].send(Hello(name, 1, cpus, 1 << 30, 0, seconds))

    def told_to_leave(self) -> int:
        return sum(guest.leaving for guest in self.crew._guests.values())


@pytest.fixture
def at(parts: Parts) -> Iterator[Callable[..., Place]]:
    """`at(nodes=3)` is a crew at such a site."""
    made: list[Place] = []

    def at(desk: Desk | None = None, **site: Any) -> Place:
        made.append(Place(parts, replace(SITE, **{"idle": 0.05, **site}), desk or Desk()))
        return made[-1]

    yield at
    for place in made:
        for box in place.boxes.values():
            box.close()
        place.crew.close()


def test_who_works_goes_on_although_the_site_gives_nothing_more(at: Callable[..., Place]) -> None:
    desk = Desk()
    place = at(desk)
    wishes = [Wish(0, Needs(4), 2)]
    place.turn(wishes, 4)
    place.come()
    place.turn(wishes)
    desk.refusal = Refused("Slurm does not take it: Invalid account")
    place.turn([Wish(0, Needs(4), 4)], 4)
    assert place.crew.allocations.refused
    assert place.crew.never(Needs(4)) is None
    for box in place.boxes.values():
        box.close()
    place.turn()
    assert "Invalid account" in str(place.crew.never(Needs(4)))


def test_a_refusal_for_now_ends_nothing(at: Callable[..., Place]) -> None:
    desk = Desk()
    place = at(desk)
    desk.refusal = NotNow("Slurm does not take it: QOSMaxSubmitJobPerUserLimit")
    place.turn([Wish(0, Needs(4), 4)], 4)
    assert place.crew.never(Needs(4)) is None and "QOSMax" in place.crew.allocations.doubt


def test_a_letter_that_waits_is_read_before_silence_counts(
    at: Callable[..., Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine may have been busy for longer than mail is waited for."""
    monkeypatch.setattr(module, "LATE", 0.05)
    desk = Desk()
    place = at(desk, nodes=1, idle=60.0)
    place.turn([Wish(0, Needs(4))], 4)
    place.come()
    place.turn()
    (member,) = place.crew.allocations.members.values()
    desk.says(member, "ended", "NODE_FAIL")
    place.turn(times=2)
    assert member.over is not None
    time.sleep(0.1)
    place.boxes[member.name].send(Report(1, (), ("pack",), ()))
    assert place.turn().packs == ["pack"]
    assert place.crew.allocations.members
    time.sleep(0.1)
    place.turn()
    assert not place.crew.allocations.members


def wait_until_idle(place: Place, wishes: Sequence[Wish], asked: int, desk: Desk) -> None:
    until = time.monotonic() + 10
    while len(desk.asked) < asked and time.monotonic() < until:
        place.turn(wishes)
        time.sleep(0.005)
    assert len(desk.asked) == asked


def test_a_node_that_nothing_fits_on_makes_room_for_one_that_is_large_enough(at: Callable[..., Place]) -> None:
    desk = Desk()
    place = at(desk, nodes=1, per="task")
    place.turn([Wish(0, Needs(2))], 4)
    place.come(cpus=2)
    place.turn()
    wait_until_idle(place, [Wish(1, Needs(4))], 2, desk)
    assert [ask.cpus for ask in desk.asked] == [2, 4]


def test_a_node_with_too_little_time_left_makes_room_for_a_new_one(at: Callable[..., Place]) -> None:
    desk = Desk()
    place = at(desk, nodes=1, min_nodes=1, walltime=86400.0)
    wishes = [Wish(0, Needs(4, seconds=13 * 3600.0), 3)]
    place.turn(wishes, 4)
    place.come(seconds=11 * 3600.0)
    wait_until_idle(place, wishes, 2, desk)
    assert place.told_to_leave() == 1


def test_a_task_now_and_then_keeps_one_node_and_not_all(at: Callable[..., Place]) -> None:
    place = at(nodes=4)
    place.turn([Wish(0, Needs(4), 4)], 4)
    place.come()
    until = time.monotonic() + 10
    while place.told_to_leave() < 3 and time.monotonic() < until:
        place.turn([Wish(0, Needs(1))])
        time.sleep(0.005)
    for _ in range(20):
        place.turn([Wish(0, Needs(1))])
        time.sleep(0.005)
    assert place.told_to_leave() == 3


def test_nodes_that_work_or_have_room_for_what_waits_stay(at: Callable[..., Place]) -> None:
    place = at(nodes=2)
    wishes = [Wish(0, Needs(4), 2)]
    place.turn(wishes, 4)
    place.come()
    place.turn(wishes)
    time.sleep(0.1)
    place.turn(wishes, 3)
    assert place.told_to_leave() == 0


@pytest.mark.parametrize(("cpus", "given_back"), [(4, 0), (2, 1)])
def test_a_node_stays_if_what_waits_finds_no_room_beside_what_runs(
    at: Callable[..., Place], cpus: int, given_back: int
) -> None:
    place = at(nodes=3)
    place.turn([Wish(0, Needs(4), 3)], 4)
    place.come()
    place.turn()
    first, second, _ = place.crew.workers([Wish(0, Needs(4), 3)])
    for number, worker in enumerate((first, second)):
        worker.hold(f"a{number}", number, Needs(2))
    time.sleep(0.06)
    for _ in range(10):
        place.turn([Wish(0, Needs(cpus))])
        time.sleep(0.01)
    assert place.told_to_leave() == given_back
    first.holds.clear()
    second.holds.clear()


def test_memory_that_nobody_configured_forbids_nothing(
    at: Callable[..., Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk()
    monkeypatch.setattr(desk, "kinds", lambda: [Kind("p", True, 2, 4, 0, 0, None)])
    place = at(desk, memory=1 << 34)
    place.turn([Wish(0, Needs(1, memory=1 << 33))], 4)
    assert [ask.memory for ask in desk.asked] == [1 << 34]


def test_a_mailbox_that_cannot_be_taken_over_now_is_taken_over_later(
    at: Callable[..., Place], parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk()
    first = at(desk)
    first.turn([Wish(0, Needs(4))], 4)
    (member,) = first.crew.allocations.members.values()
    first.crew.allocations.open(member.name, "old")
    with monkeypatch.context() as full:
        full.setattr(Path, "write_text", no_space)
        second = at(desk)
    second.turn()
    assert session_of(second.crew.allocations.mailbox(member.name)) == "s"
