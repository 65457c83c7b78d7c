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
from penstock.objects.links import BadLink, Layout, is_link, way
from penstock.objects.map import Pages
from penstock.service.bindings.links import Links

#: What a file is of which only the name is used.
_NO_BYTES = tree.encode(Entry())


class TreeLeaf(Struct, frozen=True):
    """One glob over the tree at `root`."""

    pages: Pages
    spec: InputSpec
    root: bytes
    links: Links

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
        if self.root == base.root and (glob.whole or base.links.known):
            return ()
        if glob.whole:
            return ("",)
        paths = [path.decode() for path, _, _ in pages_map.diff(self.pages, base.root, self.root)]
        led = self.links.bring(base.links, paths)
        if led:
            paths = sorted({*paths, *led}, key=str.encode)
        # Once each: a path may be met as a file that is gone, and again as a directory that is new.
        return dict.fromkeys(touched(glob, paths))

    def _file(self, path: str, content: bytes) -> Match:
        if is_link(content):
            return self._link(path, content)
        return Match(path, _NO_BYTES if self.spec.layout == "empty" else content, False)

    def _link(self, path: str, content: bytes) -> Match:
        """A link by what it leads to; one that leads to nothing by itself, and the task that reads it is told."""
        found = way(self.pages, self.root, path)
        if found.entry is not None:
            return self._file(path, tree.encode(found.entry))
        try:
            files = list(Layout(self.pages, self.root, path).files())
        except BadLink:
            return Match(path, content, False)
        return Match(path, self._standing_for("linked/1", files), True)

    def _directory(self, path: str) -> Match:
        layout = Layout(self.pages, self.root, path)
        links = self.links.below(path) if path else ()
        if self.spec.layout == "empty":
            files = layout.files() if links else tree.files(self.pages, self.root, path)
            try:
                return Match(path, fingerprint.digest("names/1", [name for name, _ in files]), True)
            except BadLink:  # as below
                return Match(path, tree.identity(self.pages, self.root, path), True)
        identity = tree.identity(self.pages, self.root, path)
        try:
            instead = [file for link in links for file in layout.instead(link) or ()]
        except BadLink:  # the task that reads it is told
            return Match(path, identity, True)
        return Match(path, self._standing_for("linking/1", instead, identity) if instead else identity, True)

    def _standing_for(self, tag: str, files: list[tuple[str, Entry]], beside: bytes = EMPTY) -> bytes:
        """One id for what is laid out through links."""
        if self.spec.layout == "empty":
            return fingerprint.digest("names/1", [name for name, _ in files])
        return fingerprint.digest(tag, beside, [(path, tree.encode(entry)) for path, entry in files])
