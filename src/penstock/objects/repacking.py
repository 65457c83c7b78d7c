"""Copying records as they are stored from old packs into new ones."""

from __future__ import annotations

import os

from penstock.objects.backend import Backend
from penstock.objects.index import Index
from penstock.objects.packs import Row, footer, pack_name
from penstock.objects.writer import PACK_BYTES


class Repacker:
    """Gathers records; each full pack, and the rest with `flush`, is durable before the index finds blobs in it."""

    def __init__(self, backend: Backend, index: Index) -> None:
        self._backend = backend
        self._index = index
        self._records = bytearray()
        self._rows: dict[bytes, Row] = {}
        self.packs = 0  #: how many were written
        self.bytes = 0  #: how large they are together

    def add(self, blob: bytes, stored: bytes | memoryview, raw: int) -> None:
        """Add a record whose bytes are known to be good. `raw`: bytes of the blob."""
        if blob not in self._rows:
            self._rows[blob] = (blob, len(self._records), len(stored), raw)
            self._records += stored
            if len(self._records) >= PACK_BYTES:
                self.flush()

    def flush(self) -> None:
        """Write what was gathered."""
        if self._rows:
            name, rows = pack_name(os.urandom(16)), list(self._rows.values())
            self._records += footer(self._records, rows)
            self._backend.put(name, self._records)
            self._index.add(name, rows)
            self.packs += 1
            self.bytes += len(self._records)
        self._records = bytearray()
        self._rows = {}
