"""An engine that stays: in the background until nothing is left to do, or watching until somebody ends it.

`python -m penstock.service.driving.background DIR [--watch] [--site NAME]` is one; what it tells goes to
`.penstock/logs/engine.log`.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from penstock.engine.world import World
from penstock.model.errors import PenstockError, Refused
from penstock.model.run import Run
from penstock.runner.isolated import python
from penstock.service.driving.troubles import LOG, Troubles
from penstock.service.driving.watch import LOOK, drive, interrupts
from penstock.service.opening.links import Links
from penstock.service.parts import Parts
from penstock.service.role import check_outside, engine_role, holder

#: Seconds between two looks at linked directories.
EVERY = 1.0
#: Seconds that one that was started gets to take the role, and one that is ended to leave.
PATIENCE = 30.0


def stay(
    parts: Parts,
    ended: Callable[[Run], None],
    watch: bool = False,
    site: str | None = None,
    tell: Callable[[str], None] | None = None,
) -> None:
    """Drive, or wait while somebody else does, until no run is left that can go on; `ended` is told of each that ends,
    `tell` of what stands in the way, beside the log of engines.

    With `watch` not until then: what changes in linked directories is committed, and branches move when it is their
    time. With `site` steps of this machine run there. Raises KeyboardInterrupt when asked to leave; what was in flight
    is given back first.
    """
    check_outside(parts.layout.id)
    own = Parts.open(parts.layout) if watch else None  # what it commits is news to the engine
    try:
        looker = _Looker(parts, own, ended, tell)
        with interrupts() as interrupted:

            def look() -> None:
                looker.look()
                if interrupted():
                    raise KeyboardInterrupt

            def idle(world: World) -> bool:
                return not watch and all(run.hold for run in world.runs.values())

            while watch or any(run.hold is None for run in parts.store.load(Run, "active_runs")):
                with engine_role(parts.layout.lock, "watching" if watch else "in the background", site) as mine:
                    if mine:
                        drive(parts, idle, lambda *_: look(), site=site, tell=tell)
                if not mine:
                    look()
                    time.sleep(LOOK)
            looker.look()
    finally:
        if own is not None:
            looker.close()
            own.close()


class _Looker:
    """Looks around while an engine turns."""

    def __init__(
        self,
        parts: Parts,
        own: Parts | None,
        ended: Callable[[Run], None],
        tell: Callable[[str], None] | None,
    ) -> None:
        self.parts, self.ended = parts, ended
        self.links = None if own is None else Links(own)
        self.troubles = None if own is None else Troubles(own, "repo", tell)
        self.next = 0.0
        self.active = self._active()

    def _active(self) -> dict[str, Run]:
        return {run.id: run for run in self.parts.store.load(Run, "active_runs")}

    def look(self) -> None:
        """Commit what changed in linked directories, and tell which runs have ended."""
        if self.links is not None and self.troubles is not None and time.monotonic() >= self.next:
            self.links.look()
            self.troubles.now(self.links.troubles)
            self.next = time.monotonic() + EVERY
        now = self._active()
        for run_id in self.active.keys() - now.keys():
            self.ended(self.parts.store.load(Run, "run", id=run_id)[0])
        self.active = now

    def close(self) -> None:
        """Nobody looks at linked directories any more."""
        if self.troubles is not None:
            self.troubles.close()


def start(parts: Parts, watch: bool = False, site: str | None = None) -> str:
    """Start one in the background; who has the engine role then. Raises PenstockError if it cannot start."""
    import subprocess

    log = parts.layout.logs / LOG
    chosen = (*(["--watch"] if watch else []), *(["--site", site] if site is not None else []))
    chosen += ("--cpus", str(parts.cpus)) if parts.cpus is not None else ()
    words = python(__spec__.name, str(parts.layout.root), *chosen)
    with open(log, "ab") as said:
        begun = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True, cwd=parts.layout.root
        )
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        engine = holder(parts.layout.lock)
        if engine is not None and engine.pid:
            return str(engine)
        if begun.poll() is not None:
            if begun.returncode == 0:
                return "done already"
            break
        time.sleep(0.01)
    raise PenstockError(f"no engine came up in the background; see {log}")


def stop(parts: Parts) -> str:
    """End whoever drives the project, and wait until it has given back what was in flight. Raises Refused."""
    engine = holder(parts.layout.lock)
    if engine is None or not engine.pid:
        raise Refused("nobody drives the project; there is no engine to end")
    if engine.host != os.uname().nodename:
        raise Refused(f"engine is {engine}; end it there")
    os.kill(engine.pid, signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE
    while (now := holder(parts.layout.lock)) is not None and now.pid in (0, engine.pid):
        if time.monotonic() > deadline:
            raise PenstockError(f"engine {engine} was asked to leave and is still there")
        time.sleep(0.02)
    return f"engine {engine} has left; `penstock run` or `penstock wait` goes on"


def main(arguments: list[str]) -> int:
    """Stay, and write down what happens."""
    from penstock.service import layout

    root, *words = arguments
    site = words[words.index("--site") + 1] if "--site" in words else None
    me = f"engine {os.getpid()}"
    _say(f"{me} begins")
    try:
        with contextlib.closing(Parts.open(layout.find(Path(root)))) as parts:
            parts.cpus = int(words[words.index("--cpus") + 1]) if "--cpus" in words else None
            stay(parts, lambda run: _say(f"run {run.id} {run.outcome}"), "--watch" in words, site)
        _say(f"{me} leaves: nothing is left to do")
    except KeyboardInterrupt:
        _say(f"{me} leaves: it was asked to")
    except PenstockError as error:
        _say(f"{me} fails: {error}")
        return 1
    return 0


def _say(text: str) -> None:
    print(f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%SZ} {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
