"""Links inside trees: what is laid out for a file or directory whose links lead out of it.

A link that stays inside what is laid out stays a link. One that leads elsewhere in the tree is laid out as what it
leads to, under its own name, so that nothing appears beside what was asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from msgspec import Struct

from penstock.model.data import Entry
from penstock.model.errors import NotFound
from penstock.objects import tree
from penstock.objects.map import Pages

#: As many links are followed from one path as Linux does.
HOPS = 40
#: So many files come through the links of one file or directory at most.
MOST = 1_000_000

#: Paths and entries as they are laid out.
Files = list[tuple[str, Entry]]


class BadLink(NotFound):
    """A link of a tree leads nowhere, out of the tree or in a ring."""


class Way(Struct, frozen=True):
    """Where a link leads, and what that depends on."""

    end: str  #: the path it leads to; where nothing stands, the first part of it that is not there
    entry: Entry | None  #: the file there, if it is one
    passed: tuple[str, ...]  #: every path that was looked at
    positions: tuple[str, ...]  #: every directory and path the way goes through
    wrong: str = ""  #: why it leads to nothing: what to say after the link

    def within(self, inside: str, ancestors: bool) -> bool:
        """Whether all the way lies below a directory; `ancestors`: or in those above it, which have their names."""
        top = f"{inside}/" if inside else ""

        def is_inside(path: str) -> bool:
            return path == inside or path.startswith(top)

        def is_above(path: str) -> bool:
            return not path or top.startswith(f"{path}/")

        on_the_way = all(is_inside(path) or (ancestors and is_above(path)) for path in self.positions)
        return on_the_way and is_inside(self.end)


def is_link(content: bytes) -> bool:
    """Whether an encoded entry is a link: a msgpack string, where a file is an array."""
    return content[0] & 0xE0 == 0xA0 or content[0] in (0xD9, 0xDA, 0xDB)


def way(pages: Pages, root: bytes, link: str) -> Way:
    """Follow a link, as the kernel does."""
    here = link.split("/")
    todo: list[str] = []
    passed: list[str] = []
    positions: list[str] = []
    found: Entry | None = tree.lookup(pages, root, link)
    hops = 0
    while found is not None and (found.target is not None or todo):
        if found.target is None:
            return _lost(here, passed, positions, "leads through a file")
        hops += 1
        if hops > HOPS:
            return _lost(here, passed, positions, "leads in a ring")
        here.pop()
        todo.extend(reversed(found.target.split("/")))
        found = None
        while todo and found is None:
            name = todo.pop()
            if name in ("", "."):
                continue
            if name == ".." and not here:
                return _lost(here, passed, positions, "leads out of the repo")
            if name == "..":
                here.pop()
                positions.append("/".join(here))
                continue
            here.append(name)
            path = "/".join(here)
            passed.append(path)
            positions.append(path)
            found = tree.lookup(pages, root, path)
            if found is None and not tree.is_directory(pages, root, path):
                return _lost(here, passed, positions, "leads to nothing")
    return Way("/".join(here), found, tuple(passed), tuple(positions))


def _lost(here: list[str], passed: list[str], positions: list[str], wrong: str) -> Way:
    return Way("/".join(here), None, tuple(passed), tuple(positions), wrong)


class Layout:
    """What of one tree is laid out for one path: a file, a link or a directory ("" is the whole tree).

    With `alone` what stands above the path is not laid out under its name, so that no link may lead through it.
    """

    def __init__(self, pages: Pages, root: bytes, path: str, alone: bool = False) -> None:
        self._pages, self._root, self._path, self._alone = pages, root, path, alone
        self._left = MOST

    @cached_property
    def itself(self) -> Entry | None:
        """The file or link at the path; None of a directory."""
        return tree.lookup(self._pages, self._root, self._path) if self._path else None

    def files(self) -> Iterator[tuple[str, Entry]]:
        """Every file and link as it is laid out. Raises BadLink."""
        if self.itself is not None and self.itself.target is not None:
            yield from self._content(self._path, self._path, (self._path,))
            return
        for path, entry in tree.files(self._pages, self._root, self._path):
            instead = None if entry.target is None or not self._path else self.instead(path)
            yield from [(path, entry)] if instead is None else instead

    def instead(self, link: str) -> Files | None:
        """What is laid out for a link below the path; None where it stays a link. Raises BadLink."""
        found = way(self._pages, self._root, link)
        stays = found.within(self._path, not self._alone) or found.wrong == "leads to nothing"
        return None if stays else list(self._content(link, link, (self._path,)))

    def _content(self, link: str, place: str, above: tuple[str, ...]) -> Iterator[tuple[str, Entry]]:
        """What a link leads to, laid out at `place`, inside what is laid out of the directories `above`."""
        found = way(self._pages, self._root, link)
        if found.wrong:
            target = tree.lookup(self._pages, self._root, link)
            raise BadLink(f"link /{link} -> {target.target if target else ''} {found.wrong}")
        if found.entry is not None:
            yield self._counted(place, found.entry)
            return
        source = found.end
        top = f"{source}/" if source else ""
        for directory in (*above, link):
            if directory == source or directory.startswith(top):
                raise BadLink(f"link /{link} leads in a ring: to /{source}, in which it stands itself")
        for path, entry in tree.files(self._pages, self._root, source):
            at = f"{place}/{path[len(top) :]}"
            if entry.target is None or way(self._pages, self._root, path).within(source, ancestors=False):
                yield self._counted(at, entry)
            else:
                yield from self._content(path, at, (*above, source))

    def _counted(self, path: str, entry: Entry) -> tuple[str, Entry]:
        self._left -= 1
        if self._left < 0:
            raise BadLink(f"more than {MOST:,} files come through the links of /{self._path}")
        return path, entry
