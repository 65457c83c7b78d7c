"""The one persistent structure: a sorted map of bytes to bytes, cut in pages that are named by their content.

A page is msgpack `[height, keys, values]`. Pages of height 0 hold the entries; a page above holds, for each page below
it, that page's first key and id. Where a page begins depends on the KEY ALONE: a key of level > h begins a page at
height h, its level being the number of trailing zero bits of its BLAKE2b hash (read as a little-endian number) divided
by FANOUT_BITS. The smallest key of all begins the first page whatever its level. The root is the lowest page that
stands alone on its height. So equal content gives equal pages, however it came about, and maps that differ little
share most of their pages.

The map of nothing has the root EMPTY. Ranges are half open, `lo <= key < hi`; `hi` None is no bound.
"""

from __future__ import annotations

from _blake2 import blake2b  # `hashlib` has the same one and brings OpenSSL with it, 7 ms of each start
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from itertools import islice
from operator import itemgetter, lt
from typing import Protocol

import msgspec

from penstock.model.data import EMPTY, show_id
from penstock.model.errors import Corrupt

#: A page has 2**FANOUT_BITS entries on average.
FANOUT_BITS = 6
#: How many entries `build` takes at a time.
CHUNK = 8192

Page = tuple[int, tuple[bytes, ...], tuple[bytes, ...]]
Side = Callable[[tuple[bytes, ...], bytes], int]

_decoder: msgspec.msgpack.Decoder[Page] = msgspec.msgpack.Decoder(Page)
_encode = msgspec.msgpack.Encoder().encode


class Pages(Protocol):
    """Where pages are kept, by the id of their bytes."""

    def get(self, page: bytes, /) -> bytes: ...

    def put(self, data: bytes, /) -> bytes: ...


@lru_cache(maxsize=1024)
def _decode(data: bytes) -> Page:
    return _decoder.decode(data)


def _load(pages: Pages, page: bytes) -> Page:
    try:
        return _decode(pages.get(page))
    except msgspec.MsgspecError:
        raise Corrupt(f"{show_id(page)} is not a page of a map") from None


def _begins(height: int, keys: list[bytes]) -> list[int]:
    """Places of the keys that begin a page at `height`."""
    # Nearly all keys need nothing but the first byte of their hash.
    mask = (1 << FANOUT_BITS) - 1
    found = [place for place, key in enumerate(keys) if not blake2b(key).digest()[0] & mask]
    if height and found:
        mask = (1 << (height + 1) * FANOUT_BITS) - 1
        found = [place for place in found if not int.from_bytes(blake2b(keys[place]).digest(), "little") & mask]
    return found


class _Builder:
    """Cuts sorted entries into pages from height `base` up; each full page becomes an entry one height above."""

    def __init__(self, pages: Pages, base: int = 0) -> None:
        self._pages = pages
        self._base = base
        self._open: list[tuple[list[bytes], list[bytes]]] = []

    def push(self, height: int, keys: list[bytes], values: list[bytes]) -> None:
        if height - self._base == len(self._open):
            self._open.append(([], []))
        held_keys, held_values = self._open[height - self._base]
        start = 0
        for cut in _begins(height, keys):
            held_keys += keys[start:cut]
            held_values += values[start:cut]
            start = cut
            if held_keys:
                self._close(height)
        held_keys += keys[start:]
        held_values += values[start:]

    def _close(self, height: int) -> None:
        keys, values = self._open[height - self._base]
        first, page = keys[0], self._pages.put(_encode((height, keys, values)))
        keys.clear()
        values.clear()
        self.push(height + 1, [first], [page])

    def finish(self) -> bytes:
        if not self._open:
            return EMPTY
        height = self._base
        while height - self._base < len(self._open) - 1:
            self._close(height)
            height += 1
        keys, values = self._open[-1]
        return self._pages.put(_encode((height, keys, values)))


def build(pages: Pages, items: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The root of the map of `items`, which come sorted by key, each key once (else ValueError)."""
    builder = _Builder(pages)
    source = iter(items)
    last: bytes | None = None
    while chunk := list(islice(source, CHUNK)):
        keys = [key for key, _ in chunk]
        if not all(map(lt, keys, islice(keys, 1, None))) or (last is not None and last >= keys[0]):
            raise ValueError("the items of a map must be sorted by key, each key once")
        last = keys[-1]
        builder.push(0, keys, [value for _, value in chunk])
    return builder.finish()


def get(pages: Pages, root: bytes, key: bytes) -> bytes | None:
    """The value of `key`, None if the map has no such key."""
    if root == EMPTY:
        return None
    height, keys, values = _load(pages, root)
    while height:
        height, keys, values = _load(pages, values[max(bisect_right(keys, key) - 1, 0)])
    place = bisect_left(keys, key)
    return values[place] if place < len(keys) and keys[place] == key else None


class Finder:
    """Looks for many keys, best in order: near ones are found in the page that was read last."""

    def __init__(self, pages: Pages, root: bytes) -> None:
        self._pages, self._root = pages, root
        self._keys: tuple[bytes, ...] = ()
        self._after: bytes | None = None

    def first(self, key: bytes) -> bytes | None:
        """The smallest key of the map that is `key` or comes after it."""
        elsewhere = not self._keys or key < self._keys[0] or (self._after is not None and self._after <= key)
        if elsewhere and self._root != EMPTY:
            (_, self._keys, _), self._after = _locate(partial(_load, self._pages), self._root, 0, key, bisect_right)
        place = bisect_left(self._keys, key)
        return self._keys[place] if place < len(self._keys) else self._after


def _window(page: Page, lo: bytes, hi: bytes | None) -> tuple[int, int]:
    """The places [start, stop) of a page's entries, or of its pages, that touch the range."""
    height, keys, _ = page
    start = max(bisect_right(keys, lo) - 1, 0) if height else bisect_left(keys, lo)
    return start, len(keys) if hi is None else bisect_left(keys, hi)


def scan(pages: Pages, root: bytes, lo: bytes = b"", hi: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
    """The entries of a range, in order. Reads the pages of that range and those above them."""
    stack = [root] if root != EMPTY else []
    while stack:
        page = _load(pages, stack.pop())
        start, stop = _window(page, lo, hi)
        height, keys, values = page
        if height:
            stack.extend(reversed(values[start:stop]))
        else:
            yield from zip(keys[start:stop], values[start:stop])


def visit(pages: Pages, root: bytes, enter: Callable[[bytes], bool]) -> Iterator[tuple[bytes, ...]]:
    """The values of a map, page by page. A page that `enter` refuses is not read, nor what is below it."""
    stack = [root] if root != EMPTY else []
    while stack:
        page = stack.pop()
        if enter(page):
            height, _, values = _load(pages, page)
            if height:
                stack.extend(reversed(values))
            else:
                yield values


def _collapse(pages: Pages, root: bytes) -> bytes:
    """Go down from a page while it has a single page below it: no chain stands on top of a map."""
    height, keys, values = _load(pages, root)
    while height and len(keys) == 1:
        root = values[0]
        height, keys, values = _load(pages, root)
    return root


def edit(pages: Pages, root: bytes, edits: Iterable[tuple[bytes, bytes | None]]) -> bytes:
    """The root after setting keys, or removing those whose value is None (one that is not there: nothing happens).

    Edits come in any order; of two for one key the later counts. Only pages on the way to what changes are read, and
    only those that differ are put.
    """
    changes = sorted(dict(edits).items())
    if root == EMPTY:
        return build(pages, ((key, value) for key, value in changes if value is not None))
    upper: dict[bytes, Page] = {}

    def load(page: bytes) -> Page:
        found = upper.get(page)
        if found is None:
            found = _load(pages, page)
            if found[0]:
                upper[page] = found
        return found

    top, keys, _ = load(root)
    for height in range(top + 1):
        changes = _edit_level(pages, load, root, height, changes)
    # What stood above the root, had it not been alone: one entry.
    above = {keys[0]: root} | {key: value for key, value in changes if value is not None}
    for key, value in changes:
        if value is None:
            del above[key]
    if len(above) > 1:
        builder = _Builder(pages, top + 1)
        firsts = sorted(above)
        builder.push(top + 1, firsts, [above[key] for key in firsts])
        return builder.finish()
    return _collapse(pages, next(iter(above.values()))) if above else EMPTY


def _locate(
    load: Callable[[bytes], Page], root: bytes, height: int, key: bytes, side: Side
) -> tuple[Page, bytes | None]:
    """The page at `height` where `key` belongs, and the first key of the page after it.

    With `bisect_left` a page that begins with `key` gives way to the page before it, if there is one.
    """
    after = None
    page = load(root)
    while page[0] > height:
        _, keys, values = page
        place = max(side(keys, key) - 1, 0)
        if place + 1 < len(keys):
            after = keys[place + 1]
        page = load(values[place])
    return page, after


def _edit_level(
    pages: Pages,
    load: Callable[[bytes], Page],
    root: bytes,
    height: int,
    changes: list[tuple[bytes, bytes | None]],
) -> list[tuple[bytes, bytes | None]]:
    """Apply sorted changes to the entries of one height; return what that changes in the entries one height above."""
    above: list[tuple[bytes, bytes | None]] = []
    done = 0
    while done < len(changes):
        # A page that loses its first key flows into the page before it, so the work begins there.
        key, value = changes[done]
        page, after = _locate(load, root, height, key, bisect_left if value is None else bisect_right)
        old = {page[1][0]: page}
        start = done
        while True:
            done = len(changes) if after is None else bisect_left(changes, after, done, key=itemgetter(0))
            if after is None or done == len(changes) or changes[done] != (after, None):
                break
            page, after = _locate(load, root, height, after, bisect_right)
            old[page[1][0]] = page
        entries: dict[bytes, bytes] = {}
        for _, keys, values in old.values():
            entries.update(zip(keys, values))
        for key, value in changes[start:done]:
            if value is None:
                entries.pop(key, None)
            else:
                entries[key] = value
        sorted_keys = sorted(entries)
        cuts = [0, *(cut for cut in _begins(height, sorted_keys) if cut), len(sorted_keys)]
        for left, right in zip(cuts, cuts[1:]):
            if left == right:
                continue
            piece = tuple(sorted_keys[left:right])
            new = (height, piece, tuple(entries[key] for key in piece))
            if old.pop(piece[0], None) != new:
                above.append((piece[0], pages.put(_encode(new))))
        above += [(first, None) for first in old]
    above.sort(key=itemgetter(0))
    return above


def part(pages: Pages, root: bytes, lo: bytes, hi: bytes | None) -> bytes:
    """The root that the map of just this range would have: the range's identity.

    Reads two pages per height at most, and puts those of them that the range cuts.
    """
    if root == EMPTY:
        return EMPTY
    page = _load(pages, root)
    height, keys, values = trimmed = _trim(pages, page, lo, hi)
    if not keys:
        return EMPTY
    if height and len(keys) == 1:
        return _collapse(pages, values[0])
    return root if trimmed == page else pages.put(_encode(trimmed))


def _trim(pages: Pages, page: Page, lo: bytes, hi: bytes | None) -> Page:
    """What is left of a page, and of the pages below it, inside the range."""
    height, keys, values = page
    start, stop = _window(page, lo, hi)
    if not height:
        return height, keys[start:stop], values[start:stop]
    new_keys, new_values = list(keys[start:stop]), list(values[start:stop])
    # The pages between the edges lie inside the range as they are. From the right, so that places stay true.
    for place in sorted({0, len(new_keys) - 1} if new_keys else (), reverse=True):
        below = _load(pages, new_values[place])
        trimmed = _trim(pages, below, lo, hi)
        if not trimmed[1]:
            del new_keys[place], new_values[place]
        elif trimmed != below:
            new_keys[place], new_values[place] = trimmed[1][0], pages.put(_encode(trimmed))
    return height, tuple(new_keys), tuple(new_values)


class _Cursor:
    """A walk over the range in key order that can step over a whole page without reading it."""

    def __init__(self, pages: Pages, root: bytes, lo: bytes, hi: bytes | None) -> None:
        self._pages, self._lo, self._hi = pages, lo, hi
        #: (0 and a value, or h and a page of height h - 1; its key in the middle), what comes next at the end
        self._ahead: list[tuple[int, bytes, bytes]] = []
        if root != EMPTY:
            self._open(root)

    def _open(self, name: bytes) -> None:
        page = _load(self._pages, name)
        start, stop = _window(page, self._lo, self._hi)
        height, keys, values = page
        self._ahead += [(height, keys[place], values[place]) for place in range(stop - 1, start - 1, -1)]

    @property
    def head(self) -> tuple[int, bytes, bytes] | None:
        return self._ahead[-1] if self._ahead else None

    def ends_before(self, key: bytes) -> bool:
        """Whether all that the head holds is known to come before `key`, because what follows does not come after."""
        return len(self._ahead) > 1 and self._ahead[-2][1] <= key

    def step(self) -> None:
        self._ahead.pop()

    def enter(self) -> None:
        self._open(self._ahead.pop()[2])


def diff(
    pages: Pages, a: bytes, b: bytes, lo: bytes = b"", hi: bytes | None = None, *, gone: bool = True
) -> Iterator[tuple[bytes, bytes | None, bytes | None]]:
    """What differs between two maps, in order: (key, value in `a`, value in `b`), None where a side has no such key.

    Pages that both share are not read. Without `gone`, keys that only `a` has are left out, and nearly all pages that
    hold nothing else are not read either.
    """
    if a == b:
        return
    if a == EMPTY:
        yield from ((key, None, value) for key, value in scan(pages, b, lo, hi))
        return
    old, new = _Cursor(pages, a, lo, hi), _Cursor(pages, b, lo, hi)
    while gone or new.head is not None:
        left, right = old.head, new.head
        # What begins earlier is on one side only: go into it. Side by side, go into the higher, so that pages meet.
        if left is None or (right is not None and right[1] < left[1]):
            if right is None:
                return
            if right[0]:
                new.enter()
            else:
                yield right[1], None, right[2]
                new.step()
        elif right is None or left[1] < right[1]:
            if left[0] and (right is None or gone or not old.ends_before(right[1])):
                old.enter()
            else:
                if gone:
                    yield left[1], left[2], None
                old.step()
        elif left == right:
            old.step()
            new.step()
        elif left[0] or right[0]:
            if left[0] >= right[0]:
                old.enter()
            if right[0] >= left[0]:
                new.enter()
        else:
            yield left[1], left[2], right[2]
            old.step()
            new.step()
