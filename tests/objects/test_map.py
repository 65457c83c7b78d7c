"""The persistent map against a dict: any history gives the same root, and nothing is read or written in vain."""

from __future__ import annotations

import random
from collections.abc import Iterator
from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model.data import EMPTY
from penstock.model.errors import Corrupt
from penstock.objects import map as maps


class Shelf:
    """A page port on a dict that counts."""

    def __init__(self) -> None:
        self.pages: dict[bytes, bytes] = {}
        self.read: list[bytes] = []
        self.written: list[bytes] = []

    def get(self, page: bytes, /) -> bytes:
        self.read.append(page)
        return self.pages[page]

    def put(self, data: bytes, /) -> bytes:
        name = blake2b(data, digest_size=32).digest()
        self.pages[name] = data
        self.written.append(name)
        return name

    def forget(self) -> None:
        self.read, self.written = [], []


@pytest.fixture(scope="module", params=[1, 6], autouse=True)
def fanout(request: pytest.FixtureRequest) -> Iterator[None]:
    """Two entries a page make tall maps of few keys; 64 is what is used."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(maps, "FANOUT_BITS", request.param)
        yield


keys = st.binary(max_size=3) | st.integers(0, 300).map(lambda number: b"k%03d" % number)
contents = st.dictionaries(keys, st.binary(max_size=2), max_size=120)
changes = st.lists(st.tuples(keys, st.none() | st.binary(max_size=2)), max_size=60)
bounds = st.tuples(keys, st.none() | keys)


def build(shelf: Shelf, content: dict[bytes, bytes]) -> bytes:
    return maps.build(shelf, sorted(content.items()))


def within(content: dict[bytes, bytes], lo: bytes, hi: bytes | None) -> dict[bytes, bytes]:
    return {key: value for key, value in content.items() if lo <= key and (hi is None or key < hi)}


def applied(content: dict[bytes, bytes], edits: list[tuple[bytes, bytes | None]]) -> dict[bytes, bytes]:
    result = dict(content)
    for key, value in edits:
        if value is None:
            result.pop(key, None)
        else:
            result[key] = value
    return result


@given(contents, st.randoms(use_true_random=False), st.integers(1, 5))
def test_any_order_of_edits_gives_the_root_of_build(
    content: dict[bytes, bytes], chance: random.Random, steps: int
) -> None:
    shelf = Shelf()
    items = list(content.items())
    chance.shuffle(items)
    root = EMPTY
    for step in range(steps):
        root = maps.edit(shelf, root, items[step::steps])
    assert root == build(shelf, content)


@given(contents, changes)
def test_edit_is_what_a_dict_does(content: dict[bytes, bytes], edits: list[tuple[bytes, bytes | None]]) -> None:
    shelf = Shelf()
    before = build(shelf, content)
    after = applied(content, edits)
    assert maps.edit(shelf, before, edits) == build(shelf, after)
    # and back again
    undo = [(key, content.get(key)) for key, _ in edits]
    assert maps.edit(shelf, build(shelf, after), undo) == before


@given(st.lists(changes, min_size=1, max_size=6), bounds)
def test_any_history_and_any_way_between_its_states(
    history: list[list[tuple[bytes, bytes | None]]], bound: tuple[bytes, bytes | None]
) -> None:
    shelf = Shelf()
    content: dict[bytes, bytes] = {}
    root = EMPTY
    states = [(content, root)]
    for edits in history:
        content, root = applied(content, edits), maps.edit(shelf, root, edits)
        assert root == build(shelf, content)
        states.append((content, root))
    for _, old in states:
        # All at once, one by one, backwards: the way does not count.
        found = [(key, after) for key, _, after in maps.diff(shelf, old, root)]
        assert maps.edit(shelf, old, found) == maps.edit(shelf, old, reversed(found)) == root
        single = old
        for item in found:
            single = maps.edit(shelf, single, [item])
        assert single == root
        # What is equal in a range has one identity there, whatever lies around it.
        same = not list(maps.diff(shelf, old, root, *bound))
        assert same is (maps.part(shelf, old, *bound) == maps.part(shelf, root, *bound))
        inside = [(key, after) for key, _, after in maps.diff(shelf, old, root, *bound)]
        assert maps.part(shelf, maps.edit(shelf, old, inside), *bound) == maps.part(shelf, root, *bound)


@given(contents, contents, bounds)
def test_get_and_scan(
    content: dict[bytes, bytes], other: dict[bytes, bytes], bound: tuple[bytes, bytes | None]
) -> None:
    shelf = Shelf()
    root = build(shelf, content)
    assert all(maps.get(shelf, root, key) == content.get(key) for key in [*content, *other])
    assert list(maps.scan(shelf, root)) == sorted(content.items())
    assert list(maps.scan(shelf, root, *bound)) == sorted(within(content, *bound).items())


@given(contents, changes, bounds)
def test_diff_is_what_dicts_differ_in(
    content: dict[bytes, bytes], edits: list[tuple[bytes, bytes | None]], bound: tuple[bytes, bytes | None]
) -> None:
    shelf = Shelf()
    other = applied(content, edits)
    a, b = build(shelf, content), build(shelf, other)

    def expected(lo: bytes, hi: bytes | None) -> list[tuple[bytes, bytes | None, bytes | None]]:
        old, new = within(content, lo, hi), within(other, lo, hi)
        return [(key, old.get(key), new.get(key)) for key in sorted(old | new) if old.get(key) != new.get(key)]

    found = list(maps.diff(shelf, a, b))
    assert found == expected(b"", None)
    assert maps.edit(shelf, a, [(key, new) for key, _, new in found]) == b
    assert list(maps.diff(shelf, a, b, *bound)) == expected(*bound)
    assert list(maps.diff(shelf, b, a)) == [(key, new, old) for key, old, new in found]


@given(contents, contents)
def test_diff_of_strangers(content: dict[bytes, bytes], other: dict[bytes, bytes]) -> None:
    shelf = Shelf()
    found = list(maps.diff(shelf, build(shelf, content), build(shelf, other)))
    names = sorted(key for key in content | other if content.get(key) != other.get(key))
    assert found == [(key, content.get(key), other.get(key)) for key in names]


@given(contents, bounds)
def test_a_part_has_the_root_of_its_range(content: dict[bytes, bytes], bound: tuple[bytes, bytes | None]) -> None:
    shelf = Shelf()
    part = maps.part(shelf, build(shelf, content), *bound)
    assert part == build(shelf, within(content, *bound))
    assert list(maps.scan(shelf, part)) == sorted(within(content, *bound).items())


@given(contents)
def test_equal_roots_read_nothing(content: dict[bytes, bytes]) -> None:
    shelf = Shelf()
    root = build(shelf, content)
    shelf.forget()
    assert list(maps.diff(shelf, root, root)) == []
    assert shelf.read == []


def test_unsorted_items_are_refused() -> None:
    for items in ([(b"b", b""), (b"a", b"")], [(b"a", b"1"), (b"a", b"2")]):
        with pytest.raises(ValueError, match="sorted"):
            maps.build(Shelf(), items)


def test_a_blob_that_is_no_page_is_corrupt() -> None:
    shelf = Shelf()
    with pytest.raises(Corrupt, match="not a page"):
        maps.get(shelf, shelf.put(b"\xc1 no page"), b"key")


def test_cost_follows_what_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maps, "FANOUT_BITS", 6)
    shelf = Shelf()
    content = {b"dir%02d/%05d" % (number % 50, number): b"%040d" % number for number in range(20_000)}
    root = build(shelf, content)
    height = maps._load(shelf, root)[0]
    assert height >= 2

    shelf.forget()
    edited = maps.edit(shelf, root, [(b"dir07/00007", b"new")])
    assert len(set(shelf.read) - set(shelf.written)) == len(shelf.written) == height + 1

    shelf.forget()
    assert list(maps.diff(shelf, root, edited)) == [(b"dir07/00007", content[b"dir07/00007"], b"new")]
    assert len(set(shelf.read)) == 2 * (height + 1)

    shelf.forget()
    assert maps.part(shelf, edited, b"dir20/", b"dir200") == maps.part(shelf, root, b"dir20/", b"dir200")
    assert len(set(shelf.read)) <= 4 * height

    shelf.forget()
    assert maps.edit(shelf, root, [(b"dir07/00007", content[b"dir07/00007"]), (b"nothing", None)]) == root
    assert shelf.written == []
