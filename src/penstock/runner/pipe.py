"""Messages over a pair of pipes: frames of a length, a kind and a MessagePack body, the same at both ends.

It lives below `service` and `worker`, which are strangers and both need it.
"""

from __future__ import annotations

import os
import select
import struct

import msgspec

from penstock.model.wire import Batch, Hello, Recall, Report, Stop

Message = Batch | Recall | Stop | Report | Hello

#: The position of a class is its kind on the wire.
_KINDS: tuple[type[Message], ...] = (Hello, Batch, Recall, Stop, Report)
_HEAD = struct.Struct("<IB")  #: body length in bytes, kind
_encode = msgspec.msgpack.Encoder().encode
_decoders = [msgspec.msgpack.Decoder(kind) for kind in _KINDS]
_READ = 1 << 20


def _frame(message: Message) -> bytes:
    body = _encode(message)
    return _HEAD.pack(len(body), _KINDS.index(type(message))) + body


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
        data = memoryview(b"".join(map(_frame, messages)))
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
        return self._complete()

    def _complete(self) -> list[Message]:
        messages: list[Message] = []
        start = 0
        while len(self._buffer) - start >= _HEAD.size:
            size, kind = _HEAD.unpack_from(self._buffer, start)
            end = start + _HEAD.size + size
            if end > len(self._buffer):
                break
            messages.append(_decoders[kind].decode(self._buffer[start + _HEAD.size : end]))
            start = end
        del self._buffer[:start]
        return messages

    def close(self) -> None:
        """Close both directions. May be called twice."""
        for descriptor in {self.source, self._sink} - {-1}:
            os.close(descriptor)
        self.source = self._sink = -1
