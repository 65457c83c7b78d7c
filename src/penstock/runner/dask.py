"""A Dask cluster as a batch system: each of its workers lends itself to one command at a time.

A command runs as a process of its own below one of Dask's worker processes, which only waits for it. So one of its
threads is taken, and all else is as on any other node: what the command is told, and tells, goes by files.

Where a command was sent is told by the scheduler, whether it runs and how it ended by the worker that has it. Nothing
of that hangs on this connection: what runs goes on without it, and another engine finds it.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from distributed import Client, Future, fire_and_forget
from msgspec import Struct

from penstock.model.errors import Doubt, Refused
from penstock.runner.isolated import interpreter
from penstock.runner.lent import KEPT, children, end, is_meant, run
from penstock.runner.queue import Ask, Kind, Queue, Seen, State

#: Seconds until the scheduler counts as not there, and until one worker does, or an end of the conversation.
PATIENCE, EACH, PARTING = 10.0, 4.0, 2.0
#: Seconds after which a worker counts as stuck that the scheduler has heard so much less lately than another. Of very
#: many it hears each only every quarter of a minute.
STALE = 30.0
#: Seconds after which a command is over that was sent, and that neither the scheduler nor the worker knows of.
LOST = 10.0
#: What the names of our tasks begin with.
OURS = "penstock:"

T = TypeVar("T")


class Place(Struct, eq=False):
    """One element that was asked for: where it runs, if it does."""

    id: str
    name: str
    element: int
    ask: Ask | None = None  #: None: it was another engine that asked
    worker: str = ""  #: Dask's address, once it was sent there
    removed: bool = False
    state: State | None = "pending"  #: None: nobody knows for now
    why: str = "PENDING (no worker is free)"
    final: bool = False  #: its worker has told how it ended
    dropped: bool = False  #: it did not, and the scheduler was told to forget it
    absent: float | None = None  #: since when nobody knows of it


class Cluster(Struct):
    """What the scheduler says."""

    workers: dict[str, dict[str, Any]]  #: by address
    sent: dict[str, set[str]]  #: our ids that were sent to each and are not over

    def lively(self) -> dict[str, dict[str, Any]]:
        """Those that the scheduler still hears from."""
        last = max((item["last_seen"] for item in self.workers.values()), default=0.0)
        return {address: item for address, item in self.workers.items() if last - item["last_seen"] < STALE}


class Dask(Queue):
    """A `Queue` at `address`. What waits, waits in this object; what runs goes on without it, and is found again."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._link: Link | None = None
        self._places: dict[str, Place] = {}

    def submit(self, ask: Ask) -> str:
        """See `Queue`. What finds no free worker waits, even if the scheduler does not answer now."""
        if ask.partition is not None or ask.options:
            raise Refused("Dask has no partitions and no options")
        if ask.nodes > 1:
            raise Refused("a task gets one worker of Dask")
        ids = [ask.name] if ask.count == 1 else [f"{ask.name}_{element}" for element in range(ask.count)]
        self._places |= {id: Place(id, ask.name, element, ask) for element, id in enumerate(ids)}
        cluster = self._cluster()
        kinds = _kinds(cluster)  # none as long as no worker has come
        if kinds and all(kind.gpus < ask.gpus or kind.cpus < ask.cpus for kind in kinds):
            for id in ids:
                del self._places[id]
            raise Refused(f"no worker of Dask at {self._address} has {ask.cpus} threads and {ask.gpus} GPUs")
        self._start(cluster)
        return ask.name

    def look(self, names: Collection[str]) -> list[Seen]:
        """See `Queue`. Of what is over only the last is remembered."""
        if not names:
            return []
        cluster = self._cluster()
        self._adopt(cluster, names)
        asked = {place.worker for place in self._places.values() if place.worker and not place.final}
        told = self._tell(asked & cluster.lively().keys(), children)
        for place in self._places.values():
            _judge(place, cluster, told)
        self._drop_lost()
        self._start(cluster)
        for id in [id for id, place in self._places.items() if place.state == "ended"][:-KEPT]:
            del self._places[id]
        return [
            Seen(place.id, place.name, place.element, place.state, place.why, place.worker)
            for place in self._places.values()
            if place.state is not None and place.name in names
        ]

    def remove(self, ids: Collection[str]) -> None:
        """See `Queue`. An id may be that of a whole request."""
        if not ids:
            return
        meant = [place for place in self._places.values() if is_meant(place.id, ids)]
        for place in meant:
            place.removed = True
        cluster = self._cluster()
        asked = {place.worker for place in meant if place.worker and not place.final} & cluster.workers.keys()
        asked |= {address for address, sent in cluster.sent.items() if any(is_meant(id, ids) for id in sent)}
        silent = asked - self._tell(asked, end, sorted(ids)).keys()
        if silent:
            raise Doubt(f"worker {min(silent)} of Dask at {self._address} does not answer")

    def kinds(self) -> list[Kind]:
        """See `Queue`; all workers are in one partition."""
        return _kinds(self._cluster())

    def _adopt(self, cluster: Cluster, names: Collection[str]) -> None:
        """Take in what another engine asked for under these names."""
        for address, sent in cluster.sent.items():
            for id in sent - self._places.keys():
                name, _, element = id.partition("_")
                if name in names:
                    self._places[id] = Place(id, name, int(element or 0), worker=address)

    def _drop_lost(self) -> None:
        """Have the scheduler forget what it would start again, should a worker of that address ever come."""
        over = [place for place in self._places.values() if place.state == "ended" and place.worker]
        lost = [place for place in over if not place.final and not place.dropped]
        if not lost:
            return

        async def drop(client: Client) -> None:
            await client.cancel([Future(OURS + place.id, client) for place in lost], force=True)

        self._asked(drop)
        for place in lost:
            place.dropped = True

    def _start(self, cluster: Cluster) -> None:
        """Give what waits to workers that run nothing of ours."""
        taken = {address for address, sent in cluster.sent.items() if sent}
        taken |= {place.worker for place in self._places.values() if place.state != "ended"}
        free = {address: item for address, item in cluster.lively().items() if address not in taken and _takes(item)}
        for place in self._places.values():
            ask = place.ask
            if ask is not None and not place.worker and not place.removed:
                fits = [address for address, item in free.items() if _fits(ask, item)]
                if fits:
                    del free[fits[0]]
                    self._send(place, ask, fits[0])

    def _send(self, place: Place, ask: Ask, address: str) -> None:
        place.worker, place.why = address, "PENDING (sent to a worker)"
        words = (place.id, _portable(ask.argv), ask.cwd, ask.output, place.element, ask.seconds)
        # Who tries again is decided elsewhere. Nobody waits for a result, so a connection that is lost ends nothing.
        where = {"key": OURS + place.id, "workers": [address], "retries": 0, "pure": False}

        async def send(client: Client) -> None:
            fire_and_forget(client.submit(run, *words, **where))

        self._asked(send)

    # the conversation ------------------------------------------------------------------------------------------------

    def _cluster(self) -> Cluster:
        return self._asked(_cluster)

    def _tell(self, addresses: Collection[str], function: Callable[..., Any], *args: Any) -> dict[str, Any]:
        """What a function gives, or raises, on these workers; who does not answer in time is not in it."""
        return self._asked(partial(_tell, addresses, function, args)) if addresses else {}

    def _asked(self, call: Callable[[Client], Awaitable[T]]) -> T:
        """Ask the scheduler. Raises Doubt, whatever it is that fails; then the next call begins a new conversation."""
        try:
            if self._link is None:
                self._link = Link(self._address)
            return self._link.ask(call)
        except Exception as error:
            self.close()
            raise Doubt(f"Dask at {self._address} does not answer: {str(error) or type(error).__name__}") from None

    def close(self) -> None:
        """Let go of the cluster, within seconds."""
        link, self._link = self._link, None
        if link is not None:
            link.close()


class Link:
    """A conversation with a scheduler, in a thread of its own that may be left behind: not all that is asked of
    distributed ends when it should.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._client: Client | None = None
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._thread = threading.Thread(target=self._live, name="dask", daemon=True)
        self._thread.start()

    def _live(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:  # which ends what is left of calls
            runner.run(self._wait())

    async def _wait(self) -> None:
        await self._over.wait()
        if self._client is not None:
            with suppress(Exception):  # of whatever is broken, nothing is needed any more
                await self._client.close(timeout=PARTING)

    def ask(self, call: Callable[[Client], Awaitable[T]]) -> T:
        """Give what a call gives. Raises whatever it does, and TimeoutError."""
        future = asyncio.run_coroutine_threadsafe(self._do(call), self._loop)
        try:
            return future.result(PATIENCE)
        except TimeoutError:
            future.cancel()
            raise TimeoutError(f"nothing within {PATIENCE:g} s") from None

    async def _do(self, call: Callable[[Client], Awaitable[T]]) -> T:
        if self._client is None:
            self._client = Client(self._address, asynchronous=True, timeout=PATIENCE, set_as_default=False)
        return await call(await self._client)

    def close(self) -> None:
        """End it; what was sent arrives, if anybody listens."""
        with suppress(RuntimeError):  # it is over
            self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(2 * PARTING)


async def _cluster(client: Client) -> Cluster:
    scheduler: Any = client.scheduler
    identity, processing = await scheduler.identity(), await scheduler.processing(workers=None)
    sent = {
        address: {key.removeprefix(OURS) for key in keys if isinstance(key, str) and key.startswith(OURS)}
        for address, keys in processing.items()
    }
    return Cluster(identity["workers"], sent)


async def _tell(
    addresses: Collection[str], function: Callable[..., Any], args: Sequence[Any], client: Client
) -> dict[str, Any]:
    """Each is asked by itself, for one that hangs would keep the answers of all."""

    async def ask(address: str) -> Any:
        call: Awaitable[dict[str, Any]] = client.run(function, *args, workers=[address], on_error="return")
        return (await asyncio.wait_for(call, EACH))[address]

    answers = await asyncio.gather(*map(ask, addresses), return_exceptions=True)
    there = zip(addresses, answers, strict=True)
    return {address: answer for address, answer in there if not isinstance(answer, OSError | TimeoutError | KeyError)}


def _judge(place: Place, cluster: Cluster, told: Mapping[str, Any]) -> None:
    """Say how it is with something that was asked for."""
    if place.final:
        return
    answer = told.get(place.worker)
    ran = answer if isinstance(answer, dict) else {}
    known = place.id in ran or place.id in cluster.sent.get(place.worker, ())
    moment = time.monotonic()
    place.absent = None if known or answer is None else place.absent or moment
    if not place.worker:
        if place.removed:
            _over(place, "")
    elif ran.get(place.id) == "":
        place.state, place.why = "running", "RUNNING"
    elif place.id in ran:
        _over(place, ran[place.id])
        place.final = True
    elif place.worker not in cluster.workers:
        _over(place, "FAILED (its worker is gone)")
    elif answer is None:
        place.state = None
    elif place.absent is not None and moment - place.absent >= LOST:
        _over(place, "FAILED (it never began)" if answer is ran else f"FAILED ({answer})")
    else:
        place.state, place.why = "pending", "PENDING (sent to a worker)"


def _over(place: Place, why: str) -> None:
    place.state, place.why = "ended", "CANCELLED" if place.removed else why


def _kinds(cluster: Cluster) -> list[Kind]:
    there = Counter((*_size(item), _gpus(item)) for item in cluster.workers.values())
    return [Kind("dask", True, count, *size, None) for size, count in there.items()]


def _size(worker: dict[str, Any]) -> tuple[int, int]:
    return int(worker["nthreads"]), int(worker.get("memory_limit") or 0)


def _gpus(worker: dict[str, Any]) -> int:
    """How many GPUs a worker was started with: `dask worker --resources GPU=2`."""
    return int(worker.get("resources", {}).get("GPU", 0))


def _takes(worker: dict[str, Any]) -> bool:
    """Whether a worker begins anything now: not while it lacks memory, or leaves."""
    return bool(worker.get("status", "running") == "running")


def _fits(ask: Ask, worker: dict[str, Any]) -> bool:
    cpus, memory = _size(worker)
    return ask.cpus <= cpus and ask.gpus <= _gpus(worker) and (not memory or ask.memory <= memory)


def _portable(argv: tuple[str, ...]) -> tuple[str | None, ...]:
    """A command for another host; None and `-m` stand for Python as it is called there."""
    ours = interpreter()
    return (None, "-m", *argv[len(ours) :]) if argv[: len(ours)] == ours else argv
