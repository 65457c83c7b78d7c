"""Nodes asked of a Slurm that lies: no false end, nobody left behind, nothing asked for twice."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from penstock.engine.pack import Needs, Wish
from penstock.model.errors import PenstockError
from penstock.model.moves import AllocationState
from penstock.model.run import Allocation
from penstock.model.spec import Site
from penstock.runner.slurm import Slurm
from penstock.service.driving.allocations import FORGOTTEN, LATE, SELDOM, Allocations
from penstock.service.driving.crew import Node
from penstock.service.driving.remote import RemoteCrew
from penstock.service.parts import Parts
from penstock.service.project import Project
from penstock.testing.fakeslurm import Cluster, Element, FakeJob

SITE = Site("far", "slurm", nodes=4, walltime=600.0)
NODE = Node(4, 1 << 30, 0)
#: Seconds a lying cluster is left alone at the end, until it has told all.
CALM = 4 * FORGOTTEN + LATE + 4 * SELDOM


class AtOnce:
    """Calls that are over before anybody asks."""

    def __init__(self) -> None:
        self._done: tuple[Any, PenstockError | None] | None = None

    def start(self, call: Callable[[], Any]) -> None:
        try:
            self._done = call(), None
        except PenstockError as error:
            self._done = None, error

    def done(self) -> tuple[Any, PenstockError | None] | None:
        done, self._done = self._done, None
        return done

    def close(self) -> None:
        """Nothing runs."""


class Life(Struct):
    """A worker as it really is."""

    job: FakeJob
    element: Element
    name: str


class Story:
    """An engine at one site, its cluster, and the workers that come and go."""

    def __init__(self, parts: Parts, seed: int, lies: float) -> None:
        self.parts = parts
        self.cluster = Cluster(seed, nodes=6, lies=lies)
        self.chance = random.Random(seed)
        self.alive: dict[str, Life] = {}
        self.deaths = 0
        self.engines = 0
        self.begin()

    def begin(self) -> None:
        """An engine takes over."""
        self.engines += 1
        self.session = f"s{self.engines}"
        self.allocations = Allocations(
            self.parts,
            SITE,
            Slurm(self.cluster.call),
            AtOnce(),
            lambda row: ("worker", row.name),
            lambda: self.cluster.now,
        )
        for name in self.allocations.members:
            self.allocations.open(name, self.session)

    def step(self, seconds: float) -> None:
        """A little time: workers start and leave, the engine looks after them."""
        self.cluster.advance(seconds)
        self._workers()
        allocations = self.allocations
        for name, life in self.alive.items():
            member = allocations.members.get(name)
            assert member is not None, f"{name} runs and was given up"
            if not member.heard:
                allocations.hear(member)
            assert life.element.state == "RUNNING"
        # Whoever was heard and is not there any more has broken off: the engine notices.
        gone = [member for name, member in allocations.members.items() if member.heard and name not in self.alive]
        self.deaths += len(gone)
        allocations.let_go(gone)
        allocations.turn()
        given_up, allocations.given_up = allocations.given_up, []
        assert not any(member.heard for member in given_up)

    def _workers(self) -> None:
        running = {id(element): (job, element) for job, element in self.cluster.living()}
        for name, life in list(self.alive.items()):
            if id(life.element) not in running:
                del self.alive[name]  # ended by the cluster
            elif not self.allocations.mailbox(name).exists():
                self.cluster.finish(life.job, life.element)
                del self.alive[name]
        known = {id(life.element) for life in self.alive.values()}
        for key, (job, element) in running.items():
            if key in known:
                continue
            name = f"{job.name}-{element.number}"
            box = self.allocations.mailbox(name)
            if box.exists() and not (box / "claimed").exists():
                (box / "claimed").touch()
                self.alive[name] = Life(job, element, name)
            else:
                self.cluster.finish(job, element)  # it is not wanted, or the second of its name

    @property
    def wanted(self) -> int:
        return SITE.nodes - len(self.allocations.members)

    def ask(self) -> None:
        if self.wanted > 0 and self.allocations.may_ask:
            self.allocations.ask(self.chance.randint(1, self.wanted), NODE, 600, self.session)

    def random_step(self) -> None:
        self.step(self.chance.choice((0.5, 2.0, 5.0, 20.0)))
        draw = self.chance.random()
        if draw < 0.3:
            self.ask()
        elif draw < 0.35 and self.allocations.members:
            some = self.chance.choice(list(self.allocations.members.values()))
            self.allocations.let_go([some])
            self._workers()  # it notices
        elif draw < 0.38:
            self.begin()  # the engine died without a word
        elif draw < 0.41 and self.alive:
            life = self.chance.choice(list(self.alive.values()))
            self.cluster.finish(life.job, life.element, "NODE_FAIL")


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    with Project.create(tmp_path_factory.mktemp("site") / "p") as project:
        yield project.parts


def live(parts: Parts) -> list[Allocation]:
    return parts.store.load(Allocation, "live_allocations")


def lie(parts: Parts, seed: int) -> Story:
    """One history, whose cluster lies at first and is honest at the end."""
    story = Story(parts, seed, lies=0.1 + 0.5 * random.Random(seed).random())
    for _ in range(40):
        story.random_step()
        names = [row.worker for row in live(parts)]
        assert len(names) == len(set(names))
        wanted = story.allocations.members.keys()
        assert story.alive.keys() <= wanted and len(wanted) <= SITE.nodes
    # Each name was accepted once at most, whatever was answered.
    accepted = [job.name for job in story.cluster.jobs.values()]
    assert len(accepted) == len(set(accepted))
    story.cluster.lies = 0.0
    until = story.cluster.now + CALM
    while story.cluster.now < until:
        story.step(3.0)
        if story.wanted > 0 and story.allocations.may_ask:
            story.allocations.ask(story.wanted, NODE, 600, story.session)
        if len(story.alive) == SITE.nodes and story.cluster.now > until - CALM / 2:
            break
    assert len(story.alive) == SITE.nodes, "it does not come to what is wanted"
    story.allocations.close()
    if live(parts):  # nobody could tell whether it was accepted: the next engine sees to it
        story.begin()
        while live(parts):
            assert not story.allocations.members
            story.step(5.0)
    story.cluster.advance(100.0)
    story._workers()
    left = [job.name for job, _ in [*story.cluster.living(), *story.cluster.waiting()] if not job.forgotten]
    assert left == [], "somebody is left behind"
    assert not story.alive
    assert live(parts) == []
    assert not any((parts.layout.home / "mail").iterdir())
    return story


@pytest.mark.parametrize("chunk", range(6))
def test_a_cluster_that_lies(parts: Parts, chunk: int) -> None:
    for seed in range(chunk * 50, chunk * 50 + 50):
        lie(parts, seed)


@pytest.mark.storm
def test_a_cluster_that_lies_a_thousand_times(parts: Parts) -> None:
    stories = [lie(parts, seed) for seed in range(1000, 2000)]
    accepted = sum(len(story.cluster.jobs) for story in stories)
    print(f"1,000 clusters that lie: {accepted} requests, {sum(story.deaths for story in stories)} workers lost")


def test_a_node_is_waited_for_as_long_as_it_takes(parts: Parts) -> None:
    """Longer than any silence, and its place in the queue is kept."""
    cluster = Cluster(nodes=0)
    crew = RemoteCrew(parts, SITE, Slurm(cluster.call), "s", 0.05, AtOnce())
    wishes = [Wish(0, Needs(1))]
    for _ in range(30):
        crew.workers(wishes)
        heard = crew.hear(0.01)
        assert not heard.gone
    assert [row.state for row in live(parts)] == [AllocationState.QUEUED]
    assert cluster.submissions == 1
    crew.close()
    assert live(parts) == []


def crew_told(parts: Parts, answers: list[str], monkeypatch: pytest.MonkeyPatch) -> tuple[RemoteCrew, Cluster]:
    """A site whose sinfo answers so at first, and then as it is."""
    monkeypatch.setattr("penstock.service.driving.allocations.LOOK", 0.001)
    cluster = Cluster()

    def call(argv: Any, stdin: str, timeout: float) -> tuple[int, str, str]:
        if argv[0] == "sinfo" and answers:
            return 0, answers.pop(0), ""
        return cluster.call(argv, stdin, timeout)

    return RemoteCrew(parts, SITE, Slurm(call), "s", 60.0, AtOnce()), cluster


@pytest.mark.parametrize("answer", ["", "sho", "short|4|4000|(null)|5:00|2\n", "sinfo: hello\n"])
def test_half_an_answer_ends_nothing(parts: Parts, answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    crew, cluster = crew_told(parts, [answer], monkeypatch)
    until = time.monotonic() + 20
    while not cluster.submissions and time.monotonic() < until:
        crew.workers([Wish(0, Needs(1))])
        crew.hear(0.005)
        assert crew.never(Needs(1)) is None
    assert cluster.submissions == 1
    crew.close()
    assert live(parts) == []


def test_workers_that_never_say_a_word_are_not_asked_for_for_ever(parts: Parts) -> None:
    """As where the nodes lack Penstock."""
    cluster = Cluster()
    allocations = Allocations(parts, SITE, Slurm(cluster.call), AtOnce(), lambda row: ("true",), lambda: cluster.now)
    for _ in range(200):
        if allocations.may_ask and not allocations.members:
            allocations.ask(2, NODE, 60, "s")
        cluster.advance(3.0)
        allocations.turn()
        allocations.given_up.clear()
    assert cluster.submissions == 3
    assert "end before they say a word (COMPLETED)" in allocations.refused
    allocations.close()
    assert live(parts) == []


def test_a_refusal_ends_what_was_asked_for_and_is_told(parts: Parts) -> None:
    story = Story(parts, 1, lies=0.0)
    bad = Site("bad", "slurm", partition="there-is-none")
    allocations = Allocations(
        parts, bad, Slurm(story.cluster.call), AtOnce(), lambda row: ("w",), lambda: story.cluster.now
    )
    (member,) = allocations.ask(1, NODE, 60, "s")
    allocations.turn()
    allocations.turn()
    assert "invalid partition" in allocations.refused
    assert allocations.given_up == [member] and not allocations.may_ask
    assert live(parts) == []
    assert not allocations.mailbox(member.name).exists()


def test_what_is_refused_for_now_is_asked_for_again(parts: Parts) -> None:
    now = [0.0]
    answers = [
        (1, "", "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit)"),
        (0, "7\n", ""),
    ]
    allocations = Allocations(
        parts,
        SITE,
        Slurm(lambda *_: answers.pop(0) if answers else (0, "", "")),
        AtOnce(),
        lambda row: ("w",),
        lambda: now[0],
    )
    allocations.ask(1, NODE, 60, "s")
    allocations.turn()
    allocations.turn()
    assert not allocations.refused and not allocations.may_ask and "limit" in allocations.doubt
    now[0] += 100.0
    assert allocations.may_ask
    (member,) = allocations.ask(1, NODE, 60, "s")
    allocations.turn()
    allocations.turn()
    assert member.row.state == AllocationState.QUEUED and member.row.native == "7"
    allocations.close()
    assert live(parts) == []


def test_the_intent_is_written_down_before_anybody_is_asked(parts: Parts, tmp_path: Path) -> None:
    seen: list[list[Allocation]] = []

    def call(argv: Any, stdin: str, timeout: float) -> tuple[int, str, str]:
        if argv[0] == "sbatch":
            seen.append(live(parts))
            name = next(word for word in argv if word.startswith("--job-name=")).removeprefix("--job-name=")
            assert [row.name for row in seen[-1]] == [name]
            assert (parts.layout.home / "mail" / f"{name}-0" / "session").read_text() == "s\n"
        return 0, "9\n", ""

    allocations = Allocations(parts, SITE, Slurm(call), AtOnce(), lambda row: ("w",), lambda: 0.0)
    allocations.ask(1, NODE, 60, "s")
    allocations.turn()
    assert [row.state for row in seen[0]] == [AllocationState.ASKED]
    allocations.turn()
    allocations.close()
    assert live(parts) == []
