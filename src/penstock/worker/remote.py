"""A worker on another host: what `worker.loop` does, with the engine at the other end of a shared directory.

Whoever asked for it made `.penstock/mail/<name>`, with the engine's id in `session`. A worker that finds no such
directory was given up on and leaves; one that finds it claimed is the second of its name and leaves. When another
engine takes over, the id is another one: the worker ends what it runs and begins again with that one.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from penstock.model.errors import Refused
from penstock.runner.frames import Message
from penstock.runner.mailbox import Mailbox, session_of
from penstock.worker.capacity import Capacity
from penstock.worker.loop import Notices, Worker

#: Seconds between two looks into the mailbox: after something was sent or has come, and when nothing does for seconds.
FAST, SLOW = 0.005, 0.5
#: In how many seconds the place ends for who gets SIGTERM: batch systems kill half a minute later.
GIVEN_BACK = 25.0
#: Seconds between two looks at whose worker this is.
LOOK = 1.0
#: Seconds for which a mailbox is not there until it counts as taken away.
ABSENT = 5.0


class Posted:
    """A mailbox that can be waited for like a pipe: a thread looks into it. `mine` says whether it is still ours."""

    def __init__(self, box: Mailbox, mine: Callable[[], bool]) -> None:
        self.source, self._sink = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._sink, False)
        self.waiting = False
        self._box = box
        self._mine = mine
        self._came: deque[Message] = deque()
        self._soon = threading.Event()  # something was sent: an answer may come
        self._closing = False
        self._thread = threading.Thread(target=self._watch, name="mail", daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        pause, look_at = FAST, 0.0
        try:
            while not self._closing:
                messages: list[Message] = []
                with suppress(OSError):  # of a file server for a while; for ever it is silence
                    self._box.beat()
                    if time.monotonic() >= look_at:
                        if not self._mine():
                            return
                        look_at = time.monotonic() + LOOK
                messages = self._box.receive()
                if messages:
                    self._came += messages
                    with suppress(BlockingIOError):  # a pipe that is full wakes as well as one byte more
                        os.write(self._sink, b"!")
                    pause = FAST
                elif self._soon.wait(pause):
                    self._soon.clear()
                    pause = FAST
                else:
                    pause = min(pause * 1.5, SLOW)
        except EOFError:
            return  # the other thread sees that the pipe ends
        finally:
            os.close(self._sink)

    def send(self, *messages: Message) -> None:
        """See `Mailbox.send`."""
        self._box.send(*messages)
        self._soon.set()

    def receive(self) -> list[Message]:
        """What has come; waits until something has. Raises EOFError when nothing will any more."""
        over = os.read(self.source, 1 << 16) == b""
        messages = [self._came.popleft() for _ in range(len(self._came))]
        if over and not messages:
            raise EOFError("the engine is gone, or another one has come")
        return messages

    def close(self) -> None:
        """End the conversation."""
        self._closing = True
        self._soon.set()
        self._thread.join()
        self._box.close()
        os.close(self.source)


def claim(place: Path) -> None:
    """Be the worker of this name. Raises Refused if it is not wanted any more, or there is another one."""
    try:
        descriptor = os.open(place / "claimed", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileNotFoundError:
        raise Refused(f"worker {place.name} is not wanted any more") from None
    except FileExistsError:
        raise Refused(f"worker {place.name} has been started before; this one leaves") from None
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{socket.gethostname()} {os.getpid()}\n")


class Ours:
    """Whether the worker of a mailbox is for this engine, as far as can be known: what cannot be read says nothing, and
    what is not there may only not be shown.
    """

    def __init__(self, session: str, place: Path) -> None:
        self._session, self._place = session, place
        self._absent: float | None = None  # since when

    def __call__(self) -> bool:
        said = session_of(self._place)
        if said != "":
            self._absent = None
            return said in (None, self._session)
        moment = time.monotonic()
        self._absent = moment if self._absent is None else self._absent
        return moment - self._absent < ABSENT


def _is_there(place: Path) -> bool:
    """Whether a mailbox is there; it is if nobody can tell."""
    try:
        place.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def work(
    home: Path,
    name: str,
    capacity: Callable[[], Capacity],
    own: Mapping[str, str],
    notices: Notices,
    silence: float,
) -> None:
    """Live as worker `name` until its engine has no more work, none comes, or the place ends. Raises Refused."""
    place = home / "mail" / name
    claim(place)
    lives: list[str] = []  # the engines it has worked for
    waited = time.monotonic()
    while _is_there(place) and time.monotonic() - waited < silence:
        session = session_of(place)
        if not session or session in lives:
            if select.select([notices.source], [], [], LOOK)[0]:
                return
            continue
        lives.append(session)
        box = Mailbox(place, f"{session}-worker", f"{session}-engine", silence)
        posted = Posted(box, Ours(session, place))
        try:
            slots = str(place / f"work.{len(lives)}")
            life = Worker(str(home), f"{name}.{len(lives)}", posted, own, capacity(), notices, slots)
            if life.run() or box.left:
                return
        finally:
            posted.close()
        waited = time.monotonic()
