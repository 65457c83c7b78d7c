"""The workers of a site: as many nodes asked for as can be of use, by what `pack` says, and given back when idle."""

from __future__ import annotations

import math
import time
import weakref
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

from msgspec import Struct
from msgspec.structs import replace

from penstock.engine.demand import demand
from penstock.engine.pack import Needs, Room, Wish, why_never
from penstock.model.errors import PenstockError
from penstock.model.run import Allocation
from penstock.model.spec import Site
from penstock.model.wire import Assignment, Hello, Recipe
from penstock.runner.isolated import python
from penstock.runner.mailbox import Mailbox, Pulse
from penstock.runner.queue import Queue
from penstock.service.driving.allocations import Allocations
from penstock.service.driving.beside import Beside, Calls
from penstock.service.driving.crew import Crew, Heard, Node, Worker
from penstock.service.driving.kinds import is_ours, why_not
from penstock.service.driving.members import Member
from penstock.service.parts import Parts

#: Seconds between two looks at the mail, at first, and when nothing comes: longer where there are many, for the sake of
#: the file server.
FAST, SLOW, EACH = 0.002, 0.1, 0.002
#: Seconds that workers have to leave when the engine does.
LEAVING = 3.0
#: Seconds within which the news come that a worker has left.
LAG = 30.0
#: Seconds a node is asked for beyond what its one task asks for.
AROUND = 60
#: Seconds after which nothing waits any more that was said to.
WAITS = 5.0
#: Elements asked for at once: more than many systems allow in one array would be refused.
MOST = 500


class Guest(Struct, eq=False):
    """One worker of a site, from the moment it is asked for."""

    member: Member
    worker: Worker
    box: Mailbox
    wanted: float  #: when it was of use last, or was asked for; monotonic seconds
    fits: bool = True  #: whether it has room for anything that waits
    late: bool = False  #: whether it has too little time left for all that waits
    leaving: bool = False  #: it was told to
    used: bool = False  #: it was given something


class RemoteCrew(Crew):
    """The workers of one site, as its own batch system lends nodes."""

    def __init__(
        self,
        parts: Parts,
        site: Site,
        queue: Queue,
        session: str,
        silence: float,
        calls: Calls | None = None,
    ) -> None:
        super().__init__(Node(site.cpus or 0, site.memory or 0, site.gpus or 0))
        self.site = site
        self._parts, self._session, self._silence = parts, session, silence
        self._guests: dict[str, Guest] = {}
        self._pulse = Pulse()
        weakref.finalize(self, self._pulse.end)  # an engine that fails as it begins closes nothing
        self._wanted_at = time.monotonic()  # when anything was said to wait
        self._pause, self._listen_at = FAST, 0.0
        self._longest = math.inf  # walltime that the partition gives, in seconds
        self._known = False  # what the site's nodes have
        self._why_before = ""  # why the site can never be, by one answer
        self.allocations = Allocations(parts, site, queue, calls or Beside(), self._command)
        self._strange = set(self.allocations.members)  # those whose mailbox is not ours yet
        self._take_over()
        for member in self.allocations.members.values():
            self._welcome(member)

    def _take_over(self) -> None:
        """Make the mailboxes ours of those that an engine before had asked for; what cannot be now is tried again."""
        for name in list(self._strange):
            with suppress(OSError):
                if name in self.allocations.members:
                    self.allocations.open(name, self._session)
                self._strange.discard(name)

    def _command(self, row: Allocation) -> tuple[str, ...]:
        size = ("--cpus", str(row.cpus), "--memory", str(row.memory), "--gpus", str(row.gpus))
        words = ("worker", row.name, *size, "--seconds", str(row.seconds), "--lead", str(self.allocations.lead(row)))
        return python("penstock", *words, "--silence", f"{self._silence:g}")

    def _welcome(self, member: Member) -> None:
        ends = (f"{self._session}-engine", f"{self._session}-worker")
        # It may be long until its node is lent.
        box = Mailbox(self.allocations.mailbox(member.name), *ends, self._silence, patient=True)
        moment = time.monotonic()
        worker = Worker(member.name, Node(0), member.row.element, box, moment)
        self._guests[member.name] = Guest(member, worker, box, moment)
        self._pulse.add(box)

    # what can run here -----------------------------------------------------------------------------------------------

    def never(self, needs: Needs) -> str | None:
        """See `Crew.never`; nothing is impossible as long as nobody knows what there is. Who works goes on although the
        site gives nothing more.
        """
        if self.allocations.refused and not self.allocations.heard:
            return f"cannot run at site {self.site.name!r}: {self.allocations.refused}; change the site"
        why = why_never(needs, self._room(self.node)) if self._known else None
        return None if why is None else f"{why}; lower its `resources`, or change the site"

    def _room(self, node: Node) -> Room:
        seconds = self.site.walltime if self.site.per == "node" else self._longest
        size = (node.cpus, node.memory or 1 << 62, node.gpus)
        return Room(*size, seconds, *size, node.nodes)

    def _learn(self) -> None:
        """Ask what the partition's nodes have, where the site does not say it."""
        if self._known:
            return
        self.allocations.asks_kinds = True
        if self.allocations.kinds is None:
            return
        kinds = [kind for kind in self.allocations.kinds if is_ours(self.site, kind)]
        why = why_not(self.site, kinds)
        if why and why != self._why_before:
            # It ends jobs, so it is believed when it was told twice: an answer may be a part of one.
            self._why_before, self.allocations.kinds = why, None
            return
        self.allocations.refused = why
        if not kinds:
            return
        site = self.site
        # One kind of node is asked for, the one of which there are most, the larger one of two. Single tasks ask for
        # what they need, and go wherever that is.
        kind = max(kinds, key=lambda kind: (kind.nodes, kind.cpus, kind.memory))
        if site.per == "task":
            cpus, gpus = max(item.cpus for item in kinds), max(item.gpus for item in kinds)
            memory = max(item.memory for item in kinds) if all(item.memory for item in kinds) else 0
            kind = replace(kind, cpus=cpus, memory=memory, gpus=gpus)
        self._longest = max((math.inf if item.seconds is None else item.seconds for item in kinds), default=math.inf)
        said = (site.cpus, site.memory, site.gpus) if site.per == "node" else (None, None, None)
        there = (kind.cpus, kind.memory, kind.gpus)
        cpus, memory, gpus = (has if asked is None else asked for asked, has in zip(said, there, strict=True))
        # Only who asks for each task by itself may ask for several nodes.
        self.node = Node(cpus, memory, gpus, sum(item.nodes for item in kinds) if site.per == "task" else 1)
        self._known = True

    # asking for workers ----------------------------------------------------------------------------------------------

    def expect(self, needs: Sequence[Needs]) -> None:
        """Nothing is asked for before there is work."""

    def workers(self, wishes: Sequence[Wish]) -> Sequence[Worker]:
        """See `Crew.workers`."""
        self._learn()
        by_task = self.site.per == "task"
        if not self._known:
            useful = self.site.nodes
        else:
            useful = sum(wish.count for wish in wishes) if by_task else self._useful(wishes)
        self._mark(wishes, useful)
        if self._known and self.allocations.may_ask:
            if by_task:
                self._ask_by_task(wishes)
            else:
                missing = min(self.site.nodes, max(useful, self.site.min_nodes)) - len(self._staying())
                self._ask(missing, self.node, self.site.walltime)
        return [guest.worker for guest in self._staying() if guest.worker.greeted and not self._is_spent(guest)]

    def _staying(self) -> list[Guest]:
        return [guest for guest in self._guests.values() if not guest.leaving]

    def _is_spent(self, guest: Guest) -> bool:
        """Whether it was given the one task that it was asked for."""
        return guest.used and self.site.per == "task"

    def _useful(self, wishes: Sequence[Wish]) -> int:
        """How many nodes do all that waits, and all that runs."""
        held = Counter(needs for worker in self._workers for _, needs in worker.holds.values())
        return self._nodes(wishes, [Wish(-place, needs, count) for place, (needs, count) in enumerate(held.items(), 1)])

    def _nodes(self, wishes: Sequence[Wish], held: Sequence[Wish] = ()) -> int:
        """How many nodes do so much."""
        room = self._room(self.node)
        able = [wish for wish in wishes if why_never(wish.needs, room) is None]
        return demand([*able, *held], room, self.site.walltime).nodes if able or held else 0

    def _mark(self, wishes: Sequence[Wish], useful: int) -> None:
        """Note which nodes are of use: those that work, and of the others so many as are still needed and have room for
        something that waits, at first those that worked last.
        """
        if not wishes:
            return
        moment = self._wanted_at = time.monotonic()
        there = [guest for guest in self._staying() if not self._is_spent(guest)]
        free = [guest for guest in there if not guest.worker.holds]
        if self.site.per == "node" and free and self._known:
            busy = [guest.worker.room(moment) for guest in there if guest.worker.holds]
            useful = max(useful - len(busy), self._beside(wishes, busy))
        for guest in sorted(free, key=_by_use):
            room = guest.worker.room(moment) if guest.worker.greeted else self._promised(guest)
            guest.late = not any(room.lasts(wish.needs) for wish in wishes)
            guest.fits = any(room.could(wish.needs) for wish in wishes)
            if guest.fits and useful > 0:
                guest.wanted = moment
                useful -= 1

    def _beside(self, wishes: Sequence[Wish], busy: Sequence[Room]) -> int:
        """How many nodes do what finds no room beside what runs."""
        return self._nodes([wish for wish in wishes if not any(room.holds(wish.needs) for room in busy)])

    def _promised(self, guest: Guest) -> Room:
        """What a node will have that was asked for."""
        row = guest.member.row
        return replace(self._room(Node(row.cpus, row.memory, row.gpus, row.nodes)), seconds=row.seconds)

    def _ask_by_task(self, wishes: Sequence[Wish]) -> None:
        """One node for each task, as large as that asks."""
        fresh = Counter(_size(guest.member.row) for guest in self._staying() if not guest.used)
        free = self.site.nodes - len(self._staying())
        for wish in wishes:
            needs, site = wish.needs, self.site
            node = Node(
                max(needs.cpus, site.cpus or 1),
                max(needs.memory, site.memory or 0),
                max(needs.gpus, site.gpus or 0),
                needs.nodes,
            )
            seconds = math.ceil(site.walltime if needs.seconds is None else self._around(needs.seconds, needs.grace))
            there = min(wish.count, fresh[node, seconds])
            fresh[node, seconds] -= there
            missing = min(wish.count - there, free)
            if missing > 0:
                self._ask(missing, node, seconds)
                return  # one request at a time

    def _around(self, seconds: float, grace: float | None) -> float:
        """For how long a node is asked for that has one task: with its grace, if so much can be had."""
        least = seconds + AROUND
        return min(least + (grace or 0.0), max(least, self._longest))

    def _ask(self, missing: int, node: Node, seconds: float) -> None:
        if missing > 0:
            for member in self.allocations.ask(min(missing, MOST), node, math.ceil(seconds), self._session):
                self._welcome(member)

    # hearing and letting go ------------------------------------------------------------------------------------------

    def give(self, worker: Worker, handed: Sequence[tuple[Recipe, Sequence[tuple[int, Needs, Assignment]]]]) -> None:
        self._guests[worker.name].used = True
        super().give(worker, handed)
        self._pause = FAST

    def hear(self, timeout: float) -> Heard:
        """See `Crew.hear`."""
        heard, until = Heard(), time.monotonic() + timeout
        while True:
            self.listen(heard)
            left = until - time.monotonic()
            if heard or left <= 0:
                return heard
            time.sleep(min(self._pause, left))

    def listen(self, heard: Heard) -> None:
        """Take what has come, and see to the batch system."""
        moment = time.monotonic()
        if moment >= self._listen_at:
            before = len(heard.ended) + len(heard.back)
            self._read_mail(heard)
            longest = max(SLOW, EACH * len(self._guests))
            self._pause = FAST if len(heard.ended) + len(heard.back) > before else min(self._pause * 1.5, longest)
            self._listen_at = moment + self._pause
        self._take_over()
        self.allocations.turn()
        given_up, self.allocations.given_up = self.allocations.given_up, []
        for member in given_up:
            if member.name in self._guests:
                self._part(self._guests[member.name], heard)
        self._release()

    def _read_mail(self, heard: Heard) -> None:
        for guest in list(self._guests.values()):
            there = self._receive(guest.worker, heard)  # before its silence counts: the engine may have slept
            if not there or self.allocations.ended_in_silence(guest.member, guest.box.quiet):
                self._part(guest, heard)
            elif guest.box.meets() and not guest.member.heard:
                self.allocations.hear(guest.member)

    def _greet(self, worker: Worker, hello: Hello) -> None:
        if not worker.greeted:
            worker.greeted, worker.heard = True, time.monotonic()
            self._workers.append(worker)
        worker.node = Node(hello.slots, hello.memory, hello.gpus, self._guests[worker.name].member.row.nodes)
        worker.ends = None if hello.seconds is None else time.monotonic() + hello.seconds
        worker.whole = self._guests[worker.name].member.row.seconds

    def _drop(self, guest: Guest) -> None:
        del self._guests[guest.worker.name]
        self._pulse.drop(guest.box)

    def _part(self, guest: Guest, heard: Heard) -> None:
        """A worker has left, was lost, or will never come."""
        self._drop(guest)
        if guest.box.left and guest.worker.is_ending(LAG):
            # It has left because its place ends, and gives back what it had.
            heard.back += (guest.worker.drop(attempt) for attempt in list(guest.worker.holds))
        if guest.worker.holds:
            self._bury(guest.worker, heard)
        elif guest.worker in self._workers:
            self._workers.remove(guest.worker)  # it had nothing to lose
        guest.box.close()
        guest.member.left = guest.box.left
        self.allocations.let_go([guest.member])

    def _release(self) -> None:
        """Tell those to leave that have nothing to do, and take back what is not needed any more. So many as are always
        kept stay, unless others are of more use.
        """
        moment = time.monotonic()
        staying = self._staying()
        spare = len(staying) - self.site.min_nodes
        waits = moment - self._wanted_at < WAITS
        for guest in staying:
            worker = guest.worker
            since = max(worker.heard, guest.wanted) if worker.greeted else guest.wanted
            useless = self._is_spent(guest) or (waits and not guest.fits)
            idle = self._is_spent(guest) or moment - since > self.site.idle
            late = waits and guest.late and spare > 0
            if (late or (idle and (spare > 0 or useless))) and not worker.holds:
                spare -= 1
                self._dismiss(guest)

    def _dismiss(self, guest: Guest) -> None:
        guest.leaving = True
        guest.box.close()
        if not guest.worker.greeted:  # nobody is there to read that
            self._drop(guest)
            self.allocations.let_go([guest.member])

    def close(self) -> list[str]:
        """See `Crew.close`: tell all to leave, wait a little, give everything back."""
        heard = Heard()
        for guest in list(self._guests.values()):
            guest.box.close()
        until = time.monotonic() + LEAVING
        while self._workers and time.monotonic() < until:
            for worker in list(self._workers):
                if not self._receive(worker, heard):
                    self._bury(worker, heard)
                    self._guests[worker.name].member.left = self._guests[worker.name].box.left
            time.sleep(SLOW)
        self._pulse.close()
        self._workers = []
        self._guests = {}
        with suppress(PenstockError):  # what is still written down is looked after by the next engine
            self.allocations.close()
        with suppress(OSError):
            (self._parts.layout.home / "mail").rmdir()
        return []

    def settled(self, workers: set[str]) -> bool:
        """Whether those of these workers that are ours have ended what they ran for an engine before."""
        self._take_over()
        self.allocations.turn()
        ours = (guest for name, guest in self._guests.items() if name in workers)
        return all(guest.box.meets() or self.allocations.surely_over(guest.member) for guest in ours)


def _size(row: Allocation) -> tuple[Node, int]:
    """What was asked for as one node, and for how many seconds."""
    return Node(row.cpus, row.memory, row.gpus, row.nodes), row.seconds


def _by_use(guest: Guest) -> tuple[bool, float]:
    """Who is kept first: those that worked last, and those that wait in the queue for longest."""
    worker = guest.worker
    return not worker.greeted, -worker.heard if worker.greeted else worker.heard
