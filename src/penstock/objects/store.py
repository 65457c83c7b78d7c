"""The object store of one project: all parts put together on a folder.

    objects/
    ├── packs/<xx>/<name>.pack    small blobs and pages
    ├── blobs/<xx>/<hex>          large blobs, one file each
    ├── .tmp/                     what is being written
    └── index.db                  blob -> pack, may be deleted

All but the index is the truth; the index is made from it.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from penstock.model.errors import NotFound
from penstock.objects.blobs import Blobs, Pages
from penstock.objects.folder import Folder
from penstock.objects.writer import Writer


class Objects:
    """`blobs` reads and checks, `pages` reads pages and stores none, `writer()` writes. Several processes may."""

    def __init__(self, root: Path) -> None:
        """Open a store that `create` made. Raises NotFound."""
        if not (root / "packs").is_dir():
            raise NotFound(f"{root} is not an object store; restore it, or begin a new project")
        self.folder = Folder(root)
        self.blobs = Blobs(self.folder, root / "index.db")
        self.pages = Pages(self.blobs)

    @classmethod
    def create(cls, root: Path) -> Objects:
        """Make an empty store (one that is there stays as it is) and open it."""
        for name in ("packs", "blobs"):
            (root / name).mkdir(parents=True, exist_ok=True)
        return cls(root)

    def writer(self) -> Writer:
        """A writer for one thread; use it as a context."""
        return self.blobs.writer()

    def writing(self, writer: Writer) -> Pages:
        """The pages of this store for `map` and `tree`, put by `writer`."""
        return Pages(self.blobs, writer)

    def close(self) -> None:
        self.blobs.close()

    def __enter__(self) -> Objects:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
