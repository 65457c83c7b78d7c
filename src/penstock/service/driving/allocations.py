"""Nodes asked of a batch system, one worker each: asked for, followed, given back. A worker is known by its mailbox.

Nothing that the batch system says, or does not say, ends a worker that is heard; and a worker that was given up finds
its mailbox gone and leaves, should it start all the same. So a system that lies costs time, never a result.

The rows are the truth: an allocation is written down before it is asked for, and found again by its name.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from penstock.model.errors import Doubt, NotNow, PenstockError, Refused
from penstock.model.moves import AllocationState, check_move
from penstock.model.run import Allocation
from penstock.model.spec import Site
from penstock.objects.deep import remove
from penstock.runner.mailbox import hand_over, take_away
from penstock.runner.queue import Ask, Kind, Queue, Seen
from penstock.service.driving.beside import Calls
from penstock.service.driving.crew import Node
from penstock.service.driving.members import (
    Member,
    Parting,
    ended_by_itself,
    is_unsent,
    native_id,
    note_sent,
    note_unsent,
)
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
        self._unanswered = ""  # why nobody knows how things are
        self._later = ""  # why nothing more is asked for, for a while
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
        self._mute = False  # whether the last call gave no answer
        self._stillborn = 0
        for row in parts.store.load(Allocation, "live_allocations"):
            if row.site == self._text and row.state == AllocationState.PARTING:
                self._parting[row.worker] = Parting(row, clock())
            elif row.site == self._text:
                self.members[row.worker] = Member(row)
        boxes: dict[str, list[Path]] = {}  # of what may have been written down only, and not sent
        for member in self.members.values():
            boxes.setdefault(member.row.name, []).append(self.mailbox(member.name))
        self._asks += [name for name, mine in boxes.items() if all(map(is_unsent, mine))]

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
    def doubt(self) -> str:
        """Why it gives nothing for now, or nobody knows how things are; "" if all is well."""
        return (self._later if self._clock() < self._ask_at + AGAIN else "") or self._unanswered

    @property
    def heard(self) -> bool:
        """Whether anybody is there."""
        return any(member.heard for member in self.members.values())

    def ask(self, count: int, node: Node, seconds: float, session: str) -> list[Member]:
        """Write down that so many nodes are wanted, and ask for them soon; none if they can have no mailboxes now."""
        parts = self._parts
        name = f"penstock-{parts.layout.id[:8]}-{secrets.token_hex(4)}"
        size = (node.cpus, node.memory, node.gpus, node.nodes, int(seconds))
        rows: list[Allocation] = []
        try:
            with parts.store.transaction(durable=True):
                first, now = parts.store.reserve(Allocation, count), parts.now()
                rows = [Allocation(first + place, self._text, name, place, *size, now) for place in range(count)]
                for row in rows:
                    self.open(row.worker, session)
                    note_unsent(self.mailbox(row.worker))
                parts.store.insert(rows)
        except OSError as error:
            for row in rows:
                take_away(self.mailbox(row.worker), remove)
            self._ask_later(f"no mailbox can be made: {error.strerror}")
            return []
        made = [Member(row) for row in rows]
        self.members.update((member.name, member) for member in made)
        self._asks.append(name)
        return made

    def open(self, worker: str, session: str) -> None:
        """Make the mailbox of a worker ours. Raises OSError."""
        hand_over(self.mailbox(worker), session)

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
        take_away(self.mailbox(member.name), remove)
        return self.members.pop(member.name, None) is not None

    def _move(self, things: Sequence[Member | Parting], state: AllocationState, **fields: Any) -> None:
        """Move rows on, in one transaction."""
        changes = []
        for thing in things:
            check_move("allocation", thing.row.state, state)
            before, thing.row = thing.row, replace(thing.row, state=state, **fields)
            changes.append((before, thing.row))
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
            self._take(*done)
        moment = self._clock()
        if self._asks:
            self._send(self._asks.pop(0))
        elif moment >= self._remove_at and (natives := self._unwanted()):
            self._call(lambda: self._queue.remove(natives), lambda _, error: self._removed(natives, error))
        elif self.asks_kinds and self.kinds is None and moment >= self._look_at:
            self._call(self._queue.kinds, self._counted)
        elif moment >= self._look_at and (names := self._names()):
            self._call(lambda: self._queue.look(names), self._looked)

    def _take(self, given: Any, error: PenstockError | None) -> None:
        """Go on with what the call gave that ran."""
        answer, self._answer = self._answer, None
        self._mute = isinstance(error, Doubt)
        if answer is not None:
            answer(given, error)

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
        try:
            for member in mine:
                note_sent(self.mailbox(member.name))
        except OSError as error:
            self._refuse(mine, unwanted, NotNow(f"nothing can be written down: {error.strerror}"))
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
            self._unanswered = self._later = ""
            for member in mine:
                self._accepted(member, native_id(native, ask, member.row))
            for parting in unwanted:
                self._accepted(parting, native_id(native, ask, parting.row))

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
        self._later = why

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
        self._unanswered, self._pause, self._look_at = "", LOOK, moment + LOOK
        unknown, missed = set(self._parting), set(self.members)
        for seen in listed:
            name = f"{seen.name}-{seen.element}"
            unknown.discard(name)
            missed.discard(name)
            if name in self.members:
                self._see(self.members[name], seen, moment)
            elif name in self._parting:
                self._accepted(self._parting[name], seen.id)
        for name in unknown:
            self._parting[name].looks += 1
        self._end([self._parting[name] for name in unknown if self._is_forgotten(self._parting[name], moment)])
        for member in map(self.members.__getitem__, missed):
            member.looks += 1
            member.missed = moment if member.missed is None else member.missed
        over = [member for member in self.members.values() if self._is_over(member, moment)]
        self._give_up(over)
        self._count_stillborn([member for member in over if member.over is not None])

    def _count_stillborn(self, over: Sequence[Member]) -> None:
        """These ended and nobody was heard: where that is so again and again, the nodes lack something; or, if others
        are heard, one node does, and may not be offered later.
        """
        began = {member.row.name: member.seen.why for member in over if member.seen and ended_by_itself(member.seen)}
        self._stillborn += len(began)
        if began and self._stillborn >= STILLBORN:
            why = f"its workers end before they say a word ({list(began.values())[-1]}); see .penstock/logs/workers.log"
            if self.heard:
                self._ask_later(why)
            else:
                self.refused = why

    def _see(self, member: Member, seen: Seen, moment: float) -> None:
        """What the batch system says of one that is wanted."""
        member.seen, member.missed, member.looks = seen, None, 0
        self._accepted(member, seen.id)
        if not member.heard and member.row.message != seen.why:
            self._move([member], AllocationState(member.row.state), message=seen.why)
        if seen.state != "ended":
            member.over = None
        elif member.over is None:
            member.over = moment

    def surely_over(self, member: Member) -> bool:
        """Whether the batch system says that it has ended, and says so long enough for its last mail to be here."""
        return member.over is not None and self._clock() - member.over > LATE

    @staticmethod
    def ended_in_silence(member: Member, quiet: float) -> bool:
        """Whether one that was not heard for so many seconds has ended, as the batch system says."""
        return member.over is not None and quiet > LATE

    def _is_over(self, member: Member, moment: float) -> bool:
        """Whether something will never be heard; of who was heard, its mailbox alone tells."""
        if member.heard:
            return False
        if member.over is not None:
            return self.surely_over(member)
        return member.missed is not None and member.looks >= LOOKS and moment - member.missed > FORGOTTEN

    def _is_forgotten(self, parting: Parting, moment: float) -> bool:
        """Whether the batch system has it no more, or never had; an engine that is short may not see that by itself."""
        age = max(moment - parting.since, (self._parts.now() - parting.row.created) / 1e6)
        return parting.looks >= LOOKS and age > FORGOTTEN

    def _give_up(self, members: list[Member]) -> None:
        self.given_up += members
        self.let_go(members)

    def _doubt(self, error: PenstockError | None) -> None:
        """Nobody knows: that changes nothing, but how soon to ask again."""
        self._unanswered = str(error)
        self._pause = min(self._pause * 2, SELDOM)
        self._look_at = self._clock() + self._pause

    def close(self) -> None:
        """Give everything back. What the batch system could not be told, or asked, stays written down as parting; if
        it did not answer the last time, nobody waits for it again.
        """
        self._calls.close()
        done = self._calls.done()
        if self._answer is not None and done is not None:
            self._take(*done)
        self.let_go(list(self.members.values()))
        self._end([parting for parting in self._parting.values() if parting.row.name in self._asks])
        try:
            doubtful = {parting.row.name for parting in self._parting.values() if parting.row.native is None}
            if doubtful and not self._mute:
                self._looked(self._queue.look(doubtful), None)
            if (natives := self._unwanted()) and not self._mute:
                self._queue.remove(natives)
                self._removed(natives, None)
        except Doubt as error:
            self._unanswered = str(error)
        finally:
            self._queue.close()
