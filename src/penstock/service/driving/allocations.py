"""Nodes asked of a batch system, one worker each: asked for, followed, given back. A worker is known by its mailbox.

Nothing that the batch system says, or does not say, ends a worker that is heard; and a worker that was given up finds
its mailbox gone and leaves, should it start all the same. So a system that lies costs time, never a result.

The rows are the truth: an allocation is written down before it is asked for, and found again by its name.
"""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from penstock.model.errors import Doubt, NotNow, PenstockError, Refused
from penstock.model.moves import AllocationState, check_move
from penstock.model.run import Allocation
from penstock.model.spec import Site
from penstock.runner.queue import Ask, Kind, Queue, Seen
from penstock.service.driving.beside import Calls
from penstock.service.driving.crew import Node
from penstock.service.parts import Parts

#: Seconds between two looks at what a batch system says; doubled while it does not answer, up to the second.
LOOK, SELDOM = 3.0, 60.0
#: Seconds after which something that the batch system does not know, and that was never heard, counts as forgotten.
FORGOTTEN = 120.0
#: How often a batch system must not know something before that is believed.
LOOKS = 3
#: Seconds in which mail may still arrive of a worker whose place has ended, as the batch system says.
LATE = 15.0
#: How many requests in a row end before a worker of theirs is heard until it is clear that none ever will be.
STILLBORN = 3
#: Seconds until something is asked for again that was refused for now.
AGAIN = 60.0


class Member(Struct, eq=False):
    """A node that is wanted, with its worker. Moments are monotonic seconds."""

    row: Allocation
    known: float  #: when the batch system last knew of it, or it was asked for
    seen: Seen | None = None
    over: float | None = None  #: since when the batch system says that it has ended
    heard: bool = False  #: whether its mailbox ever held anything of it
    left: bool = False  #: whether it has said that it leaves

    @property
    def name(self) -> str:
        return self.row.worker


class Parting(Struct):
    """What is not wanted any more, and since when."""

    row: Allocation
    since: float
    looks: int = 0  #: how often the batch system did not know it


class Allocations:
    """What one engine has asked for at one site. `command` is the argv of a worker by its allocation."""

    def __init__(
        self,
        parts: Parts,
        site: Site,
        queue: Queue,
        calls: Calls,
        command: Callable[[Allocation], tuple[str, ...]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.members: dict[str, Member] = {}
        self.refused = ""  #: why it will never give anything
        self.doubt = ""  #: why nobody knows how things are
        self.kinds: list[Kind] | None = None  #: the nodes there are, once they were asked for and told
        self.asks_kinds = False
        self.given_up: list[Member] = []  #: those that will never be heard again, for who listens to them
        self._parts, self._site, self._queue, self._calls, self._command = parts, site, queue, calls, command
        self._clock = clock
        self._text = site.text
        self._asks: list[str] = []  # names of requests that are written down and not sent
        self._parting: dict[str, Parting] = {}  # by worker
        self._answer: Callable[[Any, PenstockError | None], None] | None = None  # takes what the call that runs gives
        self._look_at = self._ask_at = self._remove_at = 0.0
        self._pause = LOOK
        self._stillborn = 0
        for row in parts.store.load(Allocation, "live_allocations"):
            if row.site == self._text and row.state == AllocationState.PARTING:
                self._parting[row.worker] = Parting(row, clock())
            elif row.site == self._text:
                self.members[row.worker] = Member(row, clock())

    def mailbox(self, name: str) -> Path:
        return self._parts.layout.home / "mail" / name

    def lead(self, row: Allocation) -> int:
        """How many seconds before its end a node is told of it: one that is short is not told when it begins."""
        return min(int(self._site.lead), row.seconds // 2)

    # asking and giving back ------------------------------------------------------------------------------------------

    @property
    def may_ask(self) -> bool:
        """Whether it makes sense to ask for more now."""
        return not self.refused and not self._asks and self._clock() >= self._ask_at

    @property
    def heard(self) -> bool:
        """Whether anybody is there."""
        return any(member.heard for member in self.members.values())

    def ask(self, count: int, node: Node, seconds: float, session: str) -> list[Member]:
        """Write down that so many nodes are wanted, and ask for them soon."""
        parts = self._parts
        name = f"penstock-{parts.layout.id[:8]}-{secrets.token_hex(4)}"
        size = (node.cpus, node.memory, node.gpus, node.nodes, int(seconds))
        with parts.store.transaction(durable=True):
            first, now = parts.store.reserve(Allocation, count), parts.now()
            rows = [Allocation(first + place, self._text, name, place, *size, now) for place in range(count)]
            for row in rows:
                self.open(row.worker, session)
            parts.store.insert(rows)
        made = [Member(row, self._clock()) for row in rows]
        self.members.update((member.name, member) for member in made)
        self._asks.append(name)
        return made

    def open(self, worker: str, session: str) -> None:
        """Make the mailbox of a worker ours."""
        box = self.mailbox(worker)
        box.mkdir(parents=True, exist_ok=True)
        draft = box / "session.new"
        draft.write_text(f"{session}\n")
        draft.rename(box / "session")

    def hear(self, member: Member) -> None:
        """A worker was heard for the first time."""
        member.heard = True
        self._stillborn = 0
        if member.row.state in (AllocationState.ASKED, AllocationState.QUEUED):
            self._move([member], AllocationState.RUNNING, started=self._parts.now(), message="")

    def let_go(self, members: Iterable[Member]) -> None:
        """These have left, or are not wanted any more: forget them, and see to it that they end."""
        gone = [member for member in list(members) if self._forget(member)]
        over = [member for member in gone if member.left and member.row.state == AllocationState.RUNNING]
        parting = [member for member in gone if member not in over]
        self._move(over, AllocationState.ENDED, ended=self._parts.now())
        self._move(parting, AllocationState.PARTING)
        self._parting.update((member.name, Parting(member.row, self._clock())) for member in parting)

    def _forget(self, member: Member) -> bool:
        """Take one out; what starts in spite of that finds no mailbox, and leaves."""
        shutil.rmtree(self.mailbox(member.name), ignore_errors=True)
        return self.members.pop(member.name, None) is not None

    def _move(self, things: Sequence[Member | Parting], state: AllocationState, **fields: Any) -> None:
        """Move rows on, in one transaction."""
        changes = []
        for thing in things:
            check_move("allocation", thing.row.state, state)
            new = replace(thing.row, state=state, **fields)
            changes.append((thing.row, new))
            thing.row = new
        if changes:
            with self._parts.store.transaction():
                self._parts.store.update(changes)

    # the batch system ------------------------------------------------------------------------------------------------

    def turn(self) -> None:
        """Take in what the batch system has answered, and ask it the next thing if it is time."""
        if self._answer is not None:
            done = self._calls.done()
            if done is None:
                return
            answer, self._answer = self._answer, None
            answer(*done)
        moment = self._clock()
        if self._asks:
            self._send(self._asks.pop(0))
        elif moment >= self._remove_at and (natives := self._unwanted()):
            self._call(lambda: self._queue.remove(natives), lambda _, error: self._removed(natives, error))
        elif self.asks_kinds and self.kinds is None and moment >= self._look_at:
            self._call(self._queue.kinds, self._counted)
        elif moment >= self._look_at and (names := self._names()):
            self._call(lambda: self._queue.look(names), self._looked)

    def _unwanted(self) -> list[str]:
        """What the batch system is to end, by its ids."""
        return [parting.row.native for parting in self._parting.values() if parting.row.native is not None]

    def _names(self) -> set[str]:
        """What to ask the batch system about."""
        wanted = {member.row.name for member in self.members.values()}
        return wanted | {parting.row.name for parting in self._parting.values()}

    def _call(self, call: Callable[[], Any], answer: Callable[[Any, PenstockError | None], None]) -> None:
        self._answer = answer
        self._calls.start(call)

    def _send(self, name: str) -> None:
        """Ask for what was written down under a name, unless it is not wanted any more: none of it was sent."""
        mine = [member for member in self.members.values() if member.row.name == name]
        unwanted = [parting for parting in self._parting.values() if parting.row.name == name]
        if not mine:
            self._end(unwanted)
            return
        row, site, layout = mine[0].row, self._site, self._parts.layout
        ask = Ask(
            name=name,
            argv=self._command(row),
            cwd=str(layout.root),
            output=str(layout.logs / "workers.log"),
            seconds=row.seconds,
            count=len(mine) + len(unwanted),
            cpus=row.cpus,
            memory=row.memory,
            gpus=row.gpus,
            nodes=row.nodes,
            partition=site.partition,
            lead=self.lead(row),
            options=site.options,
        )
        self._call(lambda: self._queue.submit(ask), lambda native, error: self._asked(ask, native, error))

    def _asked(self, ask: Ask, native: str | None, error: PenstockError | None) -> None:
        mine = [member for member in self.members.values() if member.row.name == ask.name]
        unwanted = [parting for parting in self._parting.values() if parting.row.name == ask.name]
        if isinstance(error, Refused):
            self._refuse(mine, unwanted, error)
        elif error is not None:
            self._doubt(error)  # it may have been accepted: the next look tells
        else:
            self.doubt = ""
            for member in mine:
                self._accepted(member, _id(native, ask, member.row))
            for parting in unwanted:
                self._accepted(parting, _id(native, ask, parting.row))

    def _accepted(self, thing: Member | Parting, native: str | None) -> None:
        """The batch system has it, under this id."""
        if thing.row.native is None:
            asked = thing.row.state == AllocationState.ASKED
            self._move([thing], AllocationState.QUEUED if asked else AllocationState(thing.row.state), native=native)

    def _refuse(self, mine: list[Member], unwanted: list[Parting], error: Refused) -> None:
        """It was certainly not accepted."""
        if isinstance(error, NotNow):
            self._ask_later(str(error))
        else:
            self.refused = str(error)
        self.given_up += [member for member in mine if self._forget(member)]
        self._move(mine, AllocationState.ENDED, ended=self._parts.now(), message=str(error))
        self._end(unwanted)

    def _ask_later(self, why: str) -> None:
        """Nothing more is asked for, for a while."""
        self._ask_at = self._clock() + AGAIN
        self.doubt = why

    def _counted(self, kinds: list[Kind] | None, error: PenstockError | None) -> None:
        if error is not None or not kinds:
            self._doubt(error or Doubt("the batch system has no nodes"))
        else:
            self.kinds = kinds

    def _removed(self, natives: Collection[str], error: PenstockError | None) -> None:
        if error is not None:
            self._doubt(error)
            self._remove_at = self._clock() + self._pause
        else:
            self._end([parting for parting in self._parting.values() if parting.row.native in natives])

    def _end(self, over: Sequence[Parting]) -> None:
        for parting in over:
            del self._parting[parting.row.worker]
        self._move(over, AllocationState.ENDED, ended=self._parts.now())

    def _looked(self, listed: list[Seen] | None, error: PenstockError | None) -> None:
        if error is not None or listed is None:
            self._doubt(error)
            return
        moment = self._clock()
        self.doubt, self._pause, self._look_at = "", LOOK, moment + LOOK
        unknown = set(self._parting)
        for seen in listed:
            name = f"{seen.name}-{seen.element}"
            unknown.discard(name)
            if name in self.members:
                self._see(self.members[name], seen, moment)
            elif name in self._parting:
                self._accepted(self._parting[name], seen.id)
        for name in unknown:
            self._parting[name].looks += 1
        lost = [self._parting[name] for name in unknown]
        self._end([item for item in lost if item.looks >= LOOKS and moment - item.since > FORGOTTEN])
        over = [member for member in self.members.values() if self._is_over(member, moment)]
        self._give_up(over)
        self._count_stillborn([member for member in over if member.over is not None])

    def _count_stillborn(self, over: Sequence[Member]) -> None:
        """These began and ended, and nobody was heard: where that is so again and again, the nodes lack something."""
        self._stillborn += len({member.row.name for member in over})
        if over and self._stillborn >= STILLBORN:
            why = over[-1].seen.why if over[-1].seen is not None else "ended"
            self.refused = f"its workers end before they say a word ({why}); see .penstock/logs/workers.log"

    def _see(self, member: Member, seen: Seen, moment: float) -> None:
        """What the batch system says of one that is wanted."""
        member.seen, member.known = seen, moment
        self._accepted(member, seen.id)
        if not member.heard and member.row.message != seen.why:
            self._move([member], AllocationState(member.row.state), message=seen.why)
        if seen.state != "ended":
            member.over = None
        elif member.over is None:
            member.over = moment

    def _is_over(self, member: Member, moment: float) -> bool:
        """Whether something will never be heard; of who was heard, its mailbox alone tells."""
        if member.heard:
            return False
        if member.over is not None:
            return moment - member.over > LATE
        return moment - member.known > FORGOTTEN

    def _give_up(self, members: list[Member]) -> None:
        self.given_up += members
        self.let_go(members)

    def _doubt(self, error: PenstockError | None) -> None:
        """Nobody knows: that changes nothing, but how soon to ask again."""
        self.doubt = str(error)
        self._pause = min(self._pause * 2, SELDOM)
        self._look_at = self._clock() + self._pause

    def close(self) -> None:
        """Give everything back. What the batch system could not be told, or asked, stays written down as parting."""
        self._calls.close()
        done = self._calls.done()
        if self._answer is not None and done is not None:
            answer, self._answer = self._answer, None
            answer(*done)
        self.let_go(list(self.members.values()))
        self._end([parting for parting in self._parting.values() if parting.row.name in self._asks])
        try:
            doubtful = {parting.row.name for parting in self._parting.values() if parting.row.native is None}
            if doubtful:
                self._looked(self._queue.look(doubtful), None)
            if natives := self._unwanted():
                self._queue.remove(natives)
                self._removed(natives, None)
        except Doubt as error:
            self.doubt = str(error)
        finally:
            self._queue.close()


def _id(native: str | None, ask: Ask, row: Allocation) -> str:
    """What the batch system calls one element of what it took as `native`."""
    return f"{native}_{row.element}" if ask.count > 1 else str(native)
