"""A Dask cluster as a batch system: each of its workers lends itself to one command at a time.

A command runs as a process of its own in one of Dask's worker processes, which only waits for it. So one of its threads
is taken, and all else is as on any other node: what the command is told, and tells, goes by files.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, TypeVar

from distributed import Client
from msgspec import Struct

from penstock.model.errors import Doubt, Refused
from penstock.runner.queue import ELEMENT, Ask, Kind, Queue, Seen, State

if TYPE_CHECKING:
    from distributed import Future

#: Seconds until the scheduler counts as not there.
PATIENCE = 10.0
#: Seconds between SIGTERM and SIGKILL for a command that is ended.
KILL_WAIT = 30.0

T = TypeVar("T")


class Place(Struct, eq=False):
    """One element that was asked for: where it runs, if it does."""

    ask: Ask
    element: int
    worker: str = ""  #: Dask's address
    future: Future[int] | None = None
    removed: bool = False

    @property
    def id(self) -> str:
        return self.ask.name if self.ask.count == 1 else f"{self.ask.name}_{self.element}"


class Dask(Queue):
    """A `Queue` at `address`. What waits, waits in this object; what runs goes on without it, and is found again."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._client: Client | None = None
        self._places: dict[str, Place] = {}

    def submit(self, ask: Ask) -> str:
        """See `Queue`. What finds no free worker waits."""
        if ask.partition is not None or ask.options:
            raise Refused("Dask has no partitions and no options")
        if ask.nodes > 1:
            raise Refused("a task gets one worker of Dask")
        kinds = self.kinds()  # none as long as no worker has come
        if kinds and all(kind.gpus < ask.gpus or kind.cpus < ask.cpus for kind in kinds):
            raise Refused(f"no worker of Dask at {self._address} has {ask.cpus} threads and {ask.gpus} GPUs")
        for element in range(ask.count):
            place = Place(ask, element)
            self._places[place.id] = place
        self._start(self._running())
        return ask.name

    def look(self, names: Collection[str]) -> list[Seen]:
        """See `Queue`."""
        running = self._running() if names else {}
        self._start(running)
        known = {place.id: _seen(place) for place in self._places.values() if place.ask.name in names}
        for worker, ids in running.items():
            for id in ids:
                name, _, element = id.partition("_")
                if name in names and id not in known:  # asked for by another engine
                    known[id] = Seen(id, name, int(element or 0), "running", "RUNNING", worker)
        return list(known.values())

    def remove(self, ids: Collection[str]) -> None:
        """See `Queue`. An id may be that of a whole request."""
        for place in self._places.values():
            place.removed = place.removed or place.id in ids or place.ask.name in ids
        if ids:
            self._asked(lambda client: client.run(end, sorted(ids)))

    def kinds(self) -> list[Kind]:
        """See `Queue`; all workers are in one partition."""
        there = Counter((*_size(item), _gpus(item)) for item in self._workers().values())
        return [Kind("dask", True, count, *size, None) for size, count in there.items()]

    def _workers(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = self._asked(lambda client: client.scheduler_info(n_workers=-1)["workers"])
        return found

    def _running(self) -> dict[str, list[str]]:
        """What runs, whoever asked for it: Dask's address -> ids."""
        found: dict[str, list[str]] = self._asked(lambda client: client.run(children))
        return found

    def _start(self, running: dict[str, list[str]]) -> None:
        """Give what waits to workers that run nothing of ours."""
        waiting = [place for place in self._places.values() if place.future is None and not place.removed]
        if not waiting:
            return
        taken = {worker for worker, ids in running.items() if ids}
        taken |= {place.worker for place in self._places.values() if place.future and not place.future.done()}
        free = {address: item for address, item in self._workers().items() if address not in taken}
        for place in waiting:
            fits = [address for address, item in free.items() if _fits(place.ask, item)]
            if fits:
                place.worker = fits[0]
                del free[fits[0]]
                place.future = self._send(place)

    def _send(self, place: Place) -> Future[int]:
        ask = place.ask
        words = (place.id, _portable(ask.argv), ask.cwd, ask.output, place.element, ask.seconds)
        where = {"key": place.id, "workers": [place.worker], "retries": 0, "pure": False}
        return self._asked(lambda client: client.submit(run, *words, **where))

    def _asked(self, call: Callable[[Client], T]) -> T:
        """Ask the scheduler. Raises Doubt, whatever it is that fails."""
        try:
            if self._client is None:
                self._client = Client(self._address, timeout=PATIENCE, set_as_default=False)
            return call(self._client)
        except (OSError, TimeoutError, RuntimeError, KeyError, ValueError) as error:
            self.close()
            raise Doubt(f"Dask at {self._address} does not answer: {error}") from None

    def close(self) -> None:
        """Let go of the cluster."""
        if self._client is not None:
            client, self._client = self._client, None
            client.close(timeout=PATIENCE)


def _seen(place: Place) -> Seen:
    """What is to be said of what this engine asked for."""
    state, why = _state(place)
    return Seen(place.id, place.ask.name, place.element, state, why, place.worker)


def _state(place: Place) -> tuple[State, str]:
    future = place.future
    if future is None:
        return ("ended", "CANCELLED") if place.removed else ("pending", "PENDING (no worker is free)")
    if not future.done():
        return "running", "RUNNING"
    if place.removed:
        return "ended", "CANCELLED"
    if future.status != "finished":
        return "ended", f"FAILED ({future.status})"
    code = future.result()
    return "ended", "COMPLETED" if code == 0 else f"FAILED ({code})"


def _size(worker: dict[str, Any]) -> tuple[int, int]:
    return int(worker["nthreads"]), int(worker.get("memory_limit") or 0)


def _gpus(worker: dict[str, Any]) -> int:
    """How many GPUs a worker was started with: `dask worker --resources GPU=2`."""
    return int(worker.get("resources", {}).get("GPU", 0))


def _fits(ask: Ask, worker: dict[str, Any]) -> bool:
    cpus, memory = _size(worker)
    return ask.cpus <= cpus and ask.gpus <= _gpus(worker) and (not memory or ask.memory <= memory)


def _portable(argv: tuple[str, ...]) -> tuple[str | None, ...]:
    """A command for another host; None stands for the Python that runs there."""
    return tuple(None if word == sys.executable else word for word in argv)


# on a worker of Dask ---------------------------------------------------------------------------------------------

_children: dict[str, subprocess.Popen[bytes]] = {}
_unwanted: set[str] = set()  # what was ended, perhaps before it began
_lock = threading.Lock()


def run(id: str, argv: Collection[str | None], cwd: str, output: str, element: int, seconds: int) -> int:
    """Run a command to its end, at most so long; its exit code."""
    env = {**os.environ, ELEMENT: str(element)}
    words = [sys.executable if word is None else word for word in argv]
    with open(output, "ab") as said, _lock:
        if _unwanted & {id, id.partition("_")[0]}:
            return -signal.SIGTERM
        child = subprocess.Popen(words, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        _children[id] = child
    try:
        return child.wait(seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()
    finally:
        del _children[id]


def children() -> list[str]:
    """What runs here."""
    return list(_children)


def end(ids: Collection[str]) -> None:
    """Ask commands to leave, by their ids or those of whole requests; kill those that do not."""
    with _lock:
        _unwanted.update(ids)
        there = list(_children.items())
    for id, child in there:
        if id in ids or id.partition("_")[0] in ids:
            child.send_signal(signal.SIGTERM)
            late = threading.Timer(KILL_WAIT, child.kill)
            late.daemon = True
            late.start()
