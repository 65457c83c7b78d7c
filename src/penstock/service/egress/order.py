"""What the engine asks the process that copies an output for."""

from __future__ import annotations

from msgspec import Struct

from penstock.model.spec import Export

#: How the process ends when all its tries failed.
FAILED = 2


class Order(Struct, frozen=True):
    """The first line of its standard input, as JSON."""

    export: Export
    project: str  #: directory of the project
    objects: str  #: directory of its object store
    tree: bytes  #: what is to be copied
    before: tuple[bytes, ...]  #: the trees that may be there already: of the last copy that went well, and tries since
    source: str  #: `project id/REPO`: whose rows in a table are replaced
    run: str
    former: tuple[str, ...] = ()  #: `project id/pipeline.step`: what such rows were once marked as
