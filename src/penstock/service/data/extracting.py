"""Archives as sources: their members become files of a layer, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import IO

from penstock.model.data import Entry
from penstock.model.errors import Collision, UsageError
from penstock.objects.archives import Limits, members
from penstock.objects.layer import Layer
from penstock.objects.writer import Writer


def extract(
    writer: Writer, layer: Layer, file: IO[bytes], said: str, prefix: str, limits: Limits, aside: Callable[[], Path]
) -> None:
    """Add the files and links of an archive below `prefix` (empty, or ending in a slash).

    `said` names the archive in messages. Raises UsageError naming the member that no tree can hold.
    """
    for member in members(file, said, limits, aside):
        if member.target is not None:
            entry: Entry | None = Entry(target=member.target)
        elif member.same is not None:
            entry = layer.find(prefix + member.same)
        else:
            ids, size = writer.add_stream(member.chunks)
            entry = Entry(ids, size, member.executable)
        if entry is None:
            raise UsageError(
                f"{said}: {member.path!r} is a link to {member.same!r}, which is not in the archive before it"
            )
        try:
            layer.add(prefix + member.path, entry)
        except Collision as error:
            raise UsageError(f"{said}: member {member.path!r}: {error}") from None
