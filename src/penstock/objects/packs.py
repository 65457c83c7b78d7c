"""What a pack file looks like: records back to back, a footer that says where each is, a trailer of fixed size.

Footer: msgpack list of `(blob id, offset, stored bytes, raw bytes)`, sorted by id. A record is stored as it is, or by
zstd where that made it shorter: then `stored < raw`. Trailer: bytes of the footer (u64), its CRC-32 (u32), magic and
version (8 bytes), little endian.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable

import msgspec

from penstock.model.errors import Corrupt
from penstock.objects.backend import Backend

PREFIX = "packs/"
MAGIC = b"PENPACK\x01"
TRAILER = struct.Struct("<QI8s")
#: How much of a pack's end is read at once; the footers of most packs are smaller.
TAIL = 1 << 16

Row = tuple[bytes, int, int, int]

_decoder = msgspec.msgpack.Decoder(list[Row])


def pack_name(chance: bytes) -> str:
    """The name of a pack made with 16 bytes of chance: several processes write at once."""
    name = chance.hex()
    return f"{PREFIX}{name[:2]}/{name}.pack"


def footer(rows: Iterable[Row]) -> bytes:
    """What follows the records: footer and trailer."""
    body = msgspec.msgpack.encode(sorted(rows))
    return body + TRAILER.pack(len(body), zlib.crc32(body), MAGIC)


def read_footer(backend: Backend, name: str) -> list[Row]:
    """The rows of a pack. Raises Corrupt naming it."""
    tail = backend.get(name, -TAIL)
    if len(tail) < TRAILER.size:
        raise Corrupt(f"{name}: too short to be a pack")
    size, check, magic = TRAILER.unpack(tail[-TRAILER.size :])
    if magic != MAGIC:
        raise Corrupt(f"{name}: does not end as a pack of this version does")
    whole = size + TRAILER.size
    if whole > len(tail):
        tail = backend.get(name, -whole)
    body = tail[-whole : -TRAILER.size]
    try:
        if len(body) == size and zlib.crc32(body) == check:
            return _decoder.decode(body)
    except msgspec.MsgspecError as error:
        raise Corrupt(f"{name}: its footer is damaged ({error})") from None
    raise Corrupt(f"{name}: its footer is damaged")


def unpack(stored: bytes, raw: int) -> bytes:
    """The bytes of a record. What is damaged comes out damaged: the caller compares the hash."""
    if len(stored) >= raw:
        return stored
    import zstandard  # costs 10 ms, and many processes never meet a compressed record

    try:
        return zstandard.ZstdDecompressor().decompress(stored, max_output_size=raw)
    except zstandard.ZstdError:
        return b""


class Squeezer:
    """Compresses where it pays. Data that never pays is soon only tried now and then."""

    #: Below this many bytes a record is stored as it is.
    SMALLEST = 256
    #: How many failures in a row end the trying, and one of how many is tried from then on.
    PATIENCE = 16

    def __init__(self) -> None:
        self._failures = 0

    def squeeze(self, data: bytes) -> bytes:
        """The shorter of `data` and its zstd form; a gain of less than an eighth does not count."""
        if len(data) < self.SMALLEST:
            return data
        if self._failures > self.PATIENCE and self._failures % self.PATIENCE:
            self._failures += 1
            return data
        import zstandard

        small = zstandard.ZstdCompressor(level=1).compress(data)
        if len(small) < len(data) - len(data) // 8:
            self._failures = 0
            return small
        self._failures += 1
        return data
