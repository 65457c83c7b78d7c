"""Messages over a directory that two hosts share, where nothing can be locked, watched or listed.

Each side keeps a *post*: one small record, overwritten in place, which says how many letters it has sent, and goes on
counting as long as it lives. The other side opens it anew at each look, which is what makes a file server tell the
truth. Letters are files named by number; they are renamed into place, opened by number once the post tells of them,
and removed by who has read them. A record or a letter that is torn is looked at again later, and what cannot be written
is kept and tried again.

How long the other side has been silent is measured on one's own clock: clocks of hosts differ.
"""

from __future__ import annotations

import os
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from penstock.runner.frames import Message, framed, take_complete

#: Seconds between two signs of life.
BEAT = 2.0


def hand_over(directory: Path, session: str) -> None:
    """Make a directory for mail, if there is none, that of the engine with this id. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    draft = directory / "session.new"
    draft.write_text(f"{session}\n")
    draft.rename(directory / "session")


def session_of(directory: Path) -> str | None:
    """The id of the engine whose mail a directory holds, "" if there is none any more; None: nobody can tell now."""
    try:
        return (directory / "session").read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, ValueError):
        return None


def take_away(directory: Path, remove: Callable[[Path], None]) -> None:
    """Let a directory for mail be there no longer, at once, although somebody may still write into it; `remove` is how
    one goes that tasks have worked in, too.
    """
    aside = directory.with_name(f"{directory.name}.gone")
    with suppress(OSError):
        directory.rename(aside)
    for place in (aside, directory):
        with suppress(OSError):
            remove(place)


class Mailbox:
    """One end of a conversation in `directory`: `mine` and `theirs` are the names of the two ends, new for every
    conversation; `silence` is after how many seconds without a sign of life the other one is gone. With `patient` only
    of one that gave one before: it may be long until the other one comes.

    The verbs are those of `runner.pipe.Pipe`, but nothing waits: look again after a while.
    """

    def __init__(self, directory: Path, mine: str, theirs: str, silence: float, patient: bool = False) -> None:
        self.waiting = False
        self._directory = directory
        self._mine, self._theirs = mine, theirs
        self._silence = silence
        self._patient = patient
        self._unsent: deque[bytes] = deque()
        self._failing: float | None = None  # since when nothing can be written
        self._sent = 0
        self._taken = 0
        self._stuck: float | None = None  # since when the next letter is announced and cannot be read
        self._beats = 0
        self._closed = False
        self._broken: str | None = None
        self._their_post: tuple[int, int, bool] | None = None  # letters, beats, closed
        self._heard = time.monotonic()
        self._beat_at = 0.0
        self._lock = threading.Lock()  # a thread may beat while another one sends

    def send(self, *messages: Message) -> None:
        """Send messages, as one letter. Raises BrokenPipeError when that cannot be; then the conversation is over."""
        if messages:
            with self._lock:
                self._unsent.append(framed(messages))
                self._deliver()

    def beat(self) -> None:
        """Give a sign of life if it is time for one, and send what could not be sent before. Raises OSError if that
        cannot be now, or ever again.
        """
        if self._unsent or time.monotonic() - self._beat_at >= BEAT:
            with self._lock:
                self._deliver()
                if time.monotonic() - self._beat_at >= BEAT:
                    self._post()

    def _deliver(self) -> None:
        """Send what waits, in its order. A disk may be full for a while; for longer than a silence may last, the other
        side must not be taken for told.
        """
        if self._broken is not None:
            raise BrokenPipeError(self._broken)
        try:
            while self._unsent:
                self._write(self._unsent[0])
                self._unsent.popleft()
            self._failing = None
        except OSError as error:
            moment = time.monotonic()
            self._failing = moment if self._failing is None else self._failing
            if isinstance(error, FileNotFoundError) or moment - self._failing > self._silence:
                self._broken = f"nothing can be sent by {self._directory}: {error.strerror}"
                raise BrokenPipeError(self._broken) from None

    def _write(self, letter: bytes) -> None:
        """Lay down the next letter and announce it, or neither."""
        path = self._directory / f"{self._mine}.{self._sent}"
        draft = path.with_name(f"{path.name}.new")
        draft.write_bytes(letter)
        draft.rename(path)
        self._sent += 1
        try:
            self._post()
        except OSError:
            self._sent -= 1
            with suppress(OSError):
                path.unlink()
            raise

    def _post(self) -> None:
        self._beats += 1
        said = f"{self._sent} {self._beats} {int(self._closed)}"
        record = f"{said} {zlib.crc32(said.encode()):08x}\n".ljust(64).encode()
        descriptor = os.open(self._directory / f"{self._mine}.post", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.pwrite(descriptor, record, 0)
        finally:
            os.close(descriptor)
        self._beat_at = time.monotonic()

    def receive(self) -> list[Message]:
        """The messages that have arrived, perhaps none. Raises EOFError when the other end has closed and all it sent
        was returned, when it was silent for too long, when something could not be sent, and when a letter stays lost.
        """
        if self._broken is not None:
            raise EOFError(self._broken)
        post = self._look()
        moment = time.monotonic()
        if post is not None and post != self._their_post:
            self._their_post, self._heard = post, moment
        messages: list[Message] = []
        letters, _, closed = self._their_post or (0, 0, False)
        while self._taken < letters and (letter := self._letter(self._taken)) is not None:
            messages += letter
            self._taken += 1
        if messages or self._taken == letters:
            self._stuck = None
        elif self._stuck is None:
            self._stuck = moment
        if not messages:
            if self._stuck is not None and moment - self._stuck > self._silence:
                raise EOFError(f"a letter was announced and cannot be read for {self._silence:.0f} s")
            if closed and self._taken == letters:
                raise EOFError("the other end closed the conversation")
            if moment - self._heard > self._silence and not (self._patient and self._their_post is None):
                raise EOFError(f"the other end gave no sign of life for {self._silence:.0f} s")
        return messages

    def meets(self) -> bool:
        """Whether the other side was ever heard of; takes nothing in."""
        if self._their_post is None:
            self._their_post = self._look()
        return self._their_post is not None

    @property
    def left(self) -> bool:
        """Whether the other side has said that it leaves."""
        return self._their_post is not None and self._their_post[2]

    @property
    def quiet(self) -> float:
        """For how many seconds there was no sign of life."""
        return time.monotonic() - self._heard

    def _look(self) -> tuple[int, int, bool] | None:
        """The other side's record; None if there is none that can be read."""
        with suppress(OSError, ValueError):
            letters, beats, closed, check = (self._directory / f"{self._theirs}.post").read_text().split()
            if f"{zlib.crc32(f'{letters} {beats} {closed}'.encode()):08x}" == check:
                return int(letters), int(beats), closed == "1"
        return None

    def _letter(self, number: int) -> list[Message] | None:
        """What a letter says; None as long as it cannot be read whole."""
        path = self._directory / f"{self._theirs}.{number}"
        try:
            buffer = bytearray(path.read_bytes())
            messages = take_complete(buffer)
        except (OSError, ValueError, msgspec.MsgspecError):
            return None
        if buffer or not messages:
            return None
        with suppress(OSError):
            path.unlink()
        return messages

    def close(self) -> None:
        """Say that nothing more will come. May be called twice."""
        if not self._closed:
            self._closed = True
            with self._lock:
                with suppress(OSError):
                    self._deliver()
                with suppress(OSError):
                    self._post()


class Pulse:
    """Beats for mailboxes, in a thread of its own: whose they are may be busy for longer than a silence may last. It
    begins with the first one, and ends with `close`, or with the process.
    """

    def __init__(self) -> None:
        self._boxes: list[Mailbox] = []
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, box: Mailbox) -> None:
        """Beat for this one, too."""
        self._boxes = [*self._boxes, box]  # a new list: the thread may be reading the old one
        if self._thread is None:
            self._thread = threading.Thread(target=self._beat, name="pulse", daemon=True)
            self._thread.start()

    def drop(self, box: Mailbox) -> None:
        """Beat for this one no longer."""
        self._boxes = [other for other in self._boxes if other is not box]

    def _beat(self) -> None:
        while True:
            for box in self._boxes:
                with suppress(OSError):  # of a file server for a while; the other side notices if it is for long
                    box.beat()
            if self._over.wait(BEAT / 2):
                return

    def end(self) -> None:
        """Beat no more, soon."""
        self._over.set()

    def close(self) -> None:
        """Beat no more. Waits for the thread, but not for a file server that does not answer."""
        self.end()
        if self._thread is not None:
            self._thread.join(BEAT)
