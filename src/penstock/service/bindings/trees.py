"""Globs over stored trees: the look-ups that `engine.expand` needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from penstock.engine.expand import Match
from penstock.model import fingerprint
from penstock.model.data import EMPTY, Entry
from penstock.model.glob import compile_glob, touched
from penstock.model.globmachine import State
from penstock.model.spec import InputSpec
from penstock.objects import map as pages_map
from penstock.objects import tree
from penstock.objects.map import Pages

#: What a file is of which only the name is used.
_NO_BYTES = tree.encode(Entry())


class TreeLeaf(Struct, frozen=True):
    """One glob over the tree at `root`."""

    pages: Pages
    spec: InputSpec
    root: bytes

    def matches(self) -> Iterator[Match]:
        glob = compile_glob(self.spec.glob)
        if glob.whole:
            if self.root != EMPTY:
                yield self._directory("")
            return
        prefix = glob.literal_prefix.encode()
        above: list[tuple[str, State | None]] = [("", glob.start())]
        resume: bytes | None = prefix
        while resume is not None:
            start, resume = resume, None
            for key, content in pages_map.scan(self.pages, self.root, start, prefix + b"\xff"):
                path = key.decode()
                while not path.startswith(above[-1][0]):
                    above.pop()
                top, state = above[-1]
                while (cut := path.find("/", len(top))) >= 0 and state is not None:
                    state = glob.after(state, path[len(top) : cut])
                    if state is not None and state.accepts:
                        yield self._directory(path[:cut])
                    state = glob.after(state, "/")
                    top = path[: cut + 1]
                    above.append((top, state))
                if state is None:  # nothing below this directory can match: on to what comes after it
                    above.pop()
                    resume = top[:-1].encode() + b"0"
                    break
                state = glob.after(state, path[len(top) :])
                if state is not None and state.accepts:
                    yield self._file(path, content)

    def find(self, path: str) -> Match | None:
        if not compile_glob(self.spec.glob).matches(path) or self.root == EMPTY:
            return None
        content = pages_map.get(self.pages, self.root, path.encode()) if path else None
        if content is not None:
            return self._file(path, content)
        return self._directory(path) if tree.is_directory(self.pages, self.root, path) else None

    def touched(self, base: TreeLeaf) -> Iterable[str]:
        glob = compile_glob(self.spec.glob)
        if self.root == base.root:
            return ()
        if glob.whole:
            return ("",)
        changes = pages_map.diff(self.pages, base.root, self.root)
        # Once each: a path may be met as a file that is gone, and again as a directory that is new.
        return dict.fromkeys(touched(glob, (path.decode() for path, _, _ in changes)))

    def _file(self, path: str, content: bytes) -> Match:
        return Match(path, _NO_BYTES if self.spec.layout == "empty" else content, False)

    def _directory(self, path: str) -> Match:
        if self.spec.layout == "empty":
            names = [name for name, _ in tree.files(self.pages, self.root, path)]
            return Match(path, fingerprint.digest("names/1", names), True)
        return Match(path, tree.identity(self.pages, self.root, path), True)
