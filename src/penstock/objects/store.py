"""The object store of one project: all parts put together on a back end.

    objects/
    ├── packs/<xx>/<name>.pack    small blobs and pages
    ├── blobs/<xx>/<hex>          large blobs, one file each
    ├── .tmp/                     what is being written
    └── index.db                  blob -> pack, may be deleted

All but the index is the truth; the index is made from it. With `backend.json` packs and blobs are elsewhere, and
`cache/` holds copies of packs, which may be deleted; see `places`.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

from penstock.model.errors import NotFound
from penstock.objects import places
from penstock.objects.blobs import Blobs, Pages
from penstock.objects.cached import Cached
from penstock.objects.writer import Writer


class Objects:
    """`blobs` reads and checks, `pages` reads pages and stores none, `writer()` writes. Several processes may."""

    def __init__(self, root: Path, *, writable: bool = True) -> None:
        """Open a store that `create` made. Raises NotFound.

        One that is not `writable` is left as it is: what its index lacks is learned in memory.
        """
        if not (root / "packs").is_dir() and not (root / places.FILE).exists():
            raise NotFound(f"{root} is not an object store; restore it, or begin a new project")
        self.backend = places.open_backend(root, writable=writable)
        self.blobs = Blobs(self.backend, root / "index.db", writable=writable)
        self.pages = Pages(self.blobs)

    @classmethod
    def create(cls, root: Path) -> Objects:
        """Make an empty store (one that is there stays as it is) and open it."""
        for name in () if (root / places.FILE).exists() else ("packs", "blobs"):
            (root / name).mkdir(parents=True, exist_ok=True)
        return cls(root)

    def writer(self) -> Writer:
        """A writer for one thread; use it as a context."""
        return self.blobs.writer()

    def session(self) -> AbstractContextManager[None]:
        """What is stored, or found to be there, while inside cannot be collected as garbage before its end."""
        return self.blobs.sessions.session()

    def writing(self, writer: Writer) -> Pages:
        """The pages of this store for `map` and `tree`, put by `writer`."""
        return Pages(self.blobs, writer)

    def forget_copies(self) -> None:
        """Drop what this host keeps of packs that are elsewhere: what is read next comes from there."""
        if isinstance(self.backend, Cached):
            self.backend.forget()

    def close(self) -> None:
        self.blobs.close()

    def __enter__(self) -> Objects:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
