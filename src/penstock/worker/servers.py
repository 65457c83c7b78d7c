"""The processes of a worker that serve many attempts: found or started for one, kept a while, ended."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping

from penstock.model.wire import Recipe
from penstock.runner.base import Runner
from penstock.worker.log import Log
from penstock.worker.serving import Server

#: Seconds that a process gets to leave when there is nothing more for it.
LEAVING = 5.0
#: Seconds between the end of its answers and its own.
MOMENT = 1.0


class Servers:
    """At most `most` processes that serve. `new_log` makes the log of one; `place` is a directory for their views."""

    def __init__(self, most: int, runner: Runner, new_log: Callable[[int], Log], place: str) -> None:
        self._most = most
        self._runner = runner
        self._new_log = new_log
        self._place = place
        self._started = 0
        self._live: dict[int, Server] = {}  # handle -> server
        self.by_answers: dict[int, Server] = {}
        self.next_alarm = math.inf  #: when the next idle one has waited long enough

    def __iter__(self) -> Iterator[Server]:
        return iter(self._live.values())

    def idle(self, recipe: Recipe) -> Server | None:
        """One that waits for attempts of this job."""
        job = (recipe.pipeline, recipe.job)
        return next((s for s in self if s.job == job and s.attempt is None and not (s.silent or s.complaint)), None)

    def start(
        self,
        recipe: Recipe,
        argv: tuple[str, ...],
        env: Callable[[str], Mapping[str, str]],
        folder: Callable[[str, str], str],
    ) -> Server:
        """A new one; `folder(an empty one, name)` gives the directory it runs in, `env(that)` its variables. Raises
        PenstockError, OSError.
        """
        if len(self._live) >= self._most:
            self._end_one()
        self._started += 1
        name = f"batch-{self._started}"
        home = os.path.join(self._place, name)
        os.makedirs(home)
        namespace = None
        if recipe.pfs:
            from penstock.runner.namespace import Namespace

            root = f"{home}.root"
            os.mkdir(root)
            namespace = Namespace(root)
        server = Server((recipe.pipeline, recipe.job), self._new_log(self._started), folder(home, name), namespace)
        try:
            server.start(self._runner, argv, {**env(server.folder), "PENSTOCK_ATTEMPT": name}, recipe)
        except BaseException:
            server.close()
            raise
        self._live[server.handle] = self.by_answers[server.answers] = server
        return server

    def _end_one(self) -> None:
        """Make room: end the one that has waited longest, if one waits."""
        waiting = [server for server in self if server.attempt is None]
        if waiting:
            self.end(min(waiting, key=lambda server: server.idle_until))

    def release(self, server: Server, recipe: Recipe, healthy: bool) -> bool:
        """An attempt is over: keep the process for the next one, or end it. Returns whether it has ended already."""
        server.attempt = None
        limit = recipe.batch
        assert limit is not None  # or it would not have been served
        if self._live.get(server.handle) is not server:
            return True
        if not healthy:
            server.complaint = server.complaint or "its task failed with it"
        if not healthy or limit.size is not None and server.served >= limit.size:
            self.end(server)
            return False
        server.idle_until = time.monotonic() + limit.idle
        self.next_alarm = min(self.next_alarm, server.idle_until)
        return False

    def end(self, server: Server) -> None:
        """Have a process leave that has no attempt: it finds the end of its tasks; killed if it was asked before."""
        if server.complaint:
            self._runner.stop(server.handle, kill=True)
            return
        server.complaint = "it is no longer needed"
        server.hang_up()
        server.idle_until = time.monotonic() + LEAVING
        self.next_alarm = min(self.next_alarm, server.idle_until)

    def unwatch(self, server: Server) -> None:
        """Listen no more to one that went silent or broke the rules; it gets a moment to end by itself."""
        self.by_answers.pop(server.answers, None)
        if not server.complaint:
            server.idle_until = time.monotonic() + MOMENT
            self.next_alarm = min(self.next_alarm, server.idle_until)

    def ended(self, handle: int) -> Server | None:
        """The process that a runner says has ended, no longer one of these; None if it was none."""
        server = self._live.pop(handle, None)
        if server is not None:
            self.by_answers.pop(server.answers, None)
        return server

    def ring(self, moment: float) -> None:
        """End those that have waited long enough, and those that went silent and stay."""
        for server in self:
            if server.idle_until <= moment:
                server.idle_until = math.inf
                if server.silent:
                    server.complain(self._runner, "it closed descriptor 3, where it answers")
                else:
                    self.end(server)
        self.next_alarm = min((server.idle_until for server in self), default=math.inf)

    def close(self) -> None:
        """Give back what they hold; the runner has ended them."""
        for server in self:
            server.close()
        self._live.clear()
