"""What a pack file looks like: records back to back, a footer that says where each is, a trailer of fixed size.

Footer: msgpack `[digest, [(blob id, offset, stored bytes, raw bytes), …]]`, rows sorted by id, `digest` the BLAKE3 hash
of all records. A record is stored as it is, or by zstd where that made it shorter: then `stored < raw`. Trailer: bytes
of the footer (u64), its CRC-32 (u32), magic and version (8 bytes), little endian.

The digest finds the flipped bits that no blob shows, because zstd ignores them. Packs of version 1 have none: their
footer is the list of rows alone.
"""

from __future__ import annotations

import struct
import threading
import zlib
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from blake3 import blake3

from penstock.model.errors import Corrupt
from penstock.objects.backend import Backend

if TYPE_CHECKING:
    from zstandard import ZstdCompressor

PREFIX = "packs/"
MAGIC = b"PENPACK\x02"
MAGIC_1 = b"PENPACK\x01"
TRAILER = struct.Struct("<QI8s")
#: How much of a pack's end is read at once; the footers of most packs are smaller.
TAIL = 1 << 16

Row = tuple[bytes, int, int, int]

#: Keeps one decompressor for each thread: none can be shared, and to make one costs more than to use it.
_of_thread = threading.local()

_decoder = msgspec.msgpack.Decoder(tuple[bytes, list[Row]])
_decoder_1 = msgspec.msgpack.Decoder(list[Row])


class End(NamedTuple):
    """What follows the records of a pack. `digest` is None in a pack of version 1; `size` is the footer's, in bytes."""

    rows: list[Row]
    digest: bytes | None
    size: int


def pack_name(chance: bytes) -> str:
    """The name of a pack made with 16 bytes of chance: several processes write at once."""
    name = chance.hex()
    return f"{PREFIX}{name[:2]}/{name}.pack"


def footer(records: bytes | bytearray, rows: Iterable[Row]) -> bytes:
    """What follows the records: footer and trailer."""
    body = msgspec.msgpack.encode((blake3(records).digest(), sorted(rows)))
    return body + TRAILER.pack(len(body), zlib.crc32(body), MAGIC)


def read_end(backend: Backend, name: str) -> End:
    """The footer of a pack. Raises Corrupt naming it, NotFound."""
    tail = backend.get(name, -TAIL)
    if len(tail) < TRAILER.size:
        raise Corrupt(f"{name}: too short to be a pack")
    size, check, magic = TRAILER.unpack(tail[-TRAILER.size :])
    if magic not in (MAGIC, MAGIC_1):
        raise Corrupt(f"{name}: does not end as a pack of this version does")
    whole = size + TRAILER.size
    if whole > len(tail):
        tail = backend.get(name, -whole)
    body = tail[-whole : -TRAILER.size]
    try:
        if len(body) == size and zlib.crc32(body) == check:
            digest, rows = _decoder.decode(body) if magic == MAGIC else (None, _decoder_1.decode(body))
            return End(rows, digest, whole)
    except msgspec.MsgspecError as error:
        raise Corrupt(f"{name}: its footer is damaged ({error})") from None
    raise Corrupt(f"{name}: its footer is damaged")


def read_footer(backend: Backend, name: str) -> list[Row]:
    """The rows of a pack. Raises Corrupt naming it, NotFound."""
    return read_end(backend, name).rows


def unpack(stored: bytes, raw: int) -> bytes:
    """The bytes of a record. What is damaged comes out damaged: the caller compares the hash."""
    if len(stored) >= raw:
        return stored
    import zstandard  # costs 10 ms, and many processes never meet a compressed record

    try:
        # A damaged frame may ask for more memory than there is.
        if zstandard.frame_content_size(stored) != raw:
            return b""
        if not hasattr(_of_thread, "decompressor"):
            _of_thread.decompressor = zstandard.ZstdDecompressor()
        data: bytes = _of_thread.decompressor.decompress(stored, max_output_size=raw)
        return data
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

    @cached_property
    def _compressor(self) -> ZstdCompressor:
        from zstandard import ZstdCompressor

        # To make one costs several times what it takes to compress a small record.
        return ZstdCompressor(level=1)

    def squeeze(self, data: bytes) -> bytes:
        """The shorter of `data` and its zstd form; a gain of less than an eighth does not count."""
        if len(data) < self.SMALLEST:
            return data
        if self._failures > self.PATIENCE and self._failures % self.PATIENCE:
            self._failures += 1
            return data
        small = self._compressor.compress(data)
        if len(small) < len(data) - len(data) // 8:
            self._failures = 0
            return small
        self._failures += 1
        return data
