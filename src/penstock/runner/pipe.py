"""Messages over a pair of pipes, the same at both ends."""

from __future__ import annotations

import os
import select

from penstock.runner.frames import Message, framed, take_complete

_READ = 1 << 20


class Pipe:
    """One end of a conversation: messages come from `source` and go to `sink` (pipes or sockets, owned from now on).

    Wait until `source` can be read, or do not wait if `waiting` is set, then call `receive`.
    """

    def __init__(self, source: int, sink: int) -> None:
        self.source = source
        self._sink = sink
        self.waiting = False  #: something was taken in while sending
        self._buffer = bytearray()
        os.set_blocking(sink, False)

    def send(self, *messages: Message) -> None:
        """Send messages, in one write; raises BrokenPipeError when nobody is there any more.

        While the other end is slow, what it sends is taken in, so that two ends that send at once both get on.
        """
        data = memoryview(framed(messages))
        while data:
            try:
                data = data[os.write(self._sink, data) :]
            except BlockingIOError:
                self._wait_to_write()

    def _wait_to_write(self) -> None:
        waiting = select.poll()
        waiting.register(self._sink, select.POLLOUT)
        waiting.register(self.source, select.POLLIN)
        ready = dict(waiting.poll())
        if self.source in ready and self._sink not in ready:
            chunk = os.read(self.source, _READ)
            if not chunk:
                raise BrokenPipeError("the other end closed the conversation")
            self._buffer += chunk
            self.waiting = True

    def receive(self) -> list[Message]:
        """The messages that are complete after at most one read (which waits if nothing is there), perhaps none.

        Raises EOFError when the other end is closed and everything it sent was returned.
        """
        if not self.waiting:
            chunk = os.read(self.source, _READ)
            if not chunk:
                raise EOFError("the other end closed the conversation")
            self._buffer += chunk
        self.waiting = False
        return take_complete(self._buffer)

    def close(self) -> None:
        """Close both directions. May be called twice."""
        for descriptor in {self.source, self._sink} - {-1}:
            os.close(descriptor)
        self.source = self._sink = -1
