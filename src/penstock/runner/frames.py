"""Messages as bytes: frames of a length, a kind and a MessagePack body, the same on every way they travel.

It lives below `service` and `worker`, which are strangers and both need it.
"""

from __future__ import annotations

import struct

import msgspec

from penstock.model.wire import Batch, Hello, Recall, Report, Stop

Message = Batch | Recall | Stop | Report | Hello

#: The position of a class is its kind on the wire.
_KINDS: tuple[type[Message], ...] = (Hello, Batch, Recall, Stop, Report)
_HEAD = struct.Struct("<IB")  #: body length in bytes, kind
_encode = msgspec.msgpack.Encoder().encode
_decoders = [msgspec.msgpack.Decoder(kind) for kind in _KINDS]


def framed(messages: tuple[Message, ...]) -> bytes:
    """Messages, one behind the other."""
    return b"".join(map(_frame, messages))


def _frame(message: Message) -> bytes:
    body = _encode(message)
    return _HEAD.pack(len(body), _KINDS.index(type(message))) + body


def take_complete(buffer: bytearray) -> list[Message]:
    """Remove from `buffer` the messages that are complete. Raises ValueError for what no message can be."""
    messages: list[Message] = []
    start = 0
    while len(buffer) - start >= _HEAD.size:
        size, kind = _HEAD.unpack_from(buffer, start)
        end = start + _HEAD.size + size
        if end > len(buffer):
            break
        if kind >= len(_KINDS):
            raise ValueError(f"there is no message of kind {kind}")
        messages.append(_decoders[kind].decode(buffer[start + _HEAD.size : end]))
        start = end
    del buffer[:start]
    return messages
