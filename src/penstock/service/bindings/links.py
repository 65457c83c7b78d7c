"""The links of a tree that a glob looks at, and what each depends on: a part of the index beside a job's ledger.

An entry is `lLEAF` and a link, or `wLEAF`, a path and a link, after `=` where its way passes the path, after `/` where
it ends there; joined by line feeds. So a change finds the links that it concerns, whatever else the tree holds.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator

from penstock.objects import map as pages_map
from penstock.objects.links import is_link, way
from penstock.objects.map import Pages


class Links:
    """The links of the tree at `root`, which the glob of number `leaf` looks at.

    `keys` is the index; None where it knows of no links, because there is none yet or it was made before they were
    followed: then the tree is looked through.
    """

    def __init__(self, pages: Pages, root: bytes, leaf: int, keys: bytes | None) -> None:
        self._pages, self._root, self._leaf, self._keys = pages, root, leaf, keys
        self.moved: dict[str, bool] = {}  #: entries that are new or gone
        self._links: dict[str, bool] = {}  # the same of links alone
        self._sorted: list[str] = []
        self._filled = False

    @property
    def known(self) -> bool:
        """Whether the index says which links there are."""
        return self._keys is not None or self._filled

    def below(self, directory: str) -> list[str]:
        """The links below a directory, in order."""
        top = f"{directory}/" if directory else ""
        if not self.known:
            return list(self._in_tree(top))
        if len(self._sorted) != len(self._links):
            self._sorted = sorted(self._links)
        start = f"l{self._leaf}\n"
        known = {key[len(start) :] for key in self._stored(f"{start}{top}")}
        for at in range(bisect_left(self._sorted, top), len(self._sorted)):
            link = self._sorted[at]
            if not link.startswith(top):
                break
            (known.add if self._links[link] else known.discard)(link)
        return sorted(known, key=str.encode)

    def fill(self) -> list[str]:
        """Look through the whole tree; the links found."""
        found = list(self._in_tree(""))
        for link in found:
            self._note(self, link, True)
        self._filled = True
        return found

    def bring(self, base: Links, changed: Iterable[str]) -> set[str]:
        """Bring the index, which is that of `base`, up to date by the paths at which the trees differ. Returns the
        links that may lead to something else than they did there, those among the paths left out.
        """
        if not base.known:
            return set(self.fill())
        paths = dict.fromkeys(changed)
        reached = base._depending(paths) if next(base._stored(f"l{self._leaf}\n"), None) is not None else set()
        for link in {*paths, *reached}:
            self._note(base, link, False)
            self._note(self, link, True)
        return reached

    def _depending(self, paths: Iterable[str]) -> set[str]:
        """The links whose way goes where something changed, and the links that depend on these."""
        todo, reached, above = list(paths), set[str](), set[str]()
        while todo:
            path = todo.pop()
            found = [link[1:] for link in self._at(path)]
            while path and (path := path.rpartition("/")[0]) not in above:
                above.add(path)
                found += [link[1:] for link in self._at(path) if link[0] == "/"]
            for link in found:
                if link not in reached:
                    reached.add(link)
                    todo.append(link)
        return reached

    def _at(self, path: str) -> list[str]:
        start = f"w{self._leaf}\n{path}\n"
        return [key[len(start) :] for key in self._stored(start)]

    def _note(self, where: Links, path: str, there: bool) -> None:
        """Put the entries of what may be a link of one of the trees, or take them away."""
        content = pages_map.get(self._pages, where._root, path.encode())
        if content is None or not is_link(content):
            return
        found = way(self._pages, where._root, path)
        self.moved[f"l{self._leaf}\n{path}"] = self._links[path] = there
        for passed in found.passed:
            self.moved[f"w{self._leaf}\n{passed}\n={path}"] = there
        self.moved[f"w{self._leaf}\n{found.end}\n/{path}"] = there

    def _in_tree(self, top: str) -> Iterator[str]:
        start = top.encode()
        for key, content in pages_map.scan(self._pages, self._root, start, start + b"\xff"):
            if is_link(content):
                yield key.decode()

    def _stored(self, start: str) -> Iterator[str]:
        """The entries that begin with some text."""
        begin = start.encode()
        for key, _ in pages_map.scan(self._pages, self._keys or b"", begin, begin + b"\xff"):
            yield key.decode()
