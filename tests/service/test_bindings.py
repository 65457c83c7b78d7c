"""Globs over stored trees, and the index of keys, against plain Python."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from penstock.engine.expand import Key
from penstock.model.data import EMPTY, Entry
from penstock.model.glob import compile_glob
from penstock.model.paths import link_stays_inside
from penstock.model.spec import InputSpec
from penstock.objects import map as maps
from penstock.objects import tree
from penstock.objects.links import BadLink, Layout
from penstock.service.bindings.keys import KeyMap
from penstock.service.bindings.links import Links
from penstock.service.bindings.trees import TreeLeaf

GLOBS = ["/", "/*", "/**", "/a", "/a*", "/a/*", "/*/b*", "/**/b", "/{a,b}/**", "/a.(*)", "/!(a)", "/**/a/*"]
NAMES = st.sampled_from(["a", "b", "a.", "a-b", "ab", "b0"])
TREES = st.dictionaries(st.lists(NAMES, min_size=1, max_size=3).map("/".join), st.integers(0, 2), max_size=8)


class Shelf(dict[bytes, bytes]):
    """Pages in memory."""

    def get(self, page: bytes, /) -> bytes:  # type: ignore[override]
        return self[page]

    def put(self, data: bytes, /) -> bytes:
        name = maps.blake2b(data, digest_size=33).digest()
        self[name] = data
        return name


def store(shelf: Shelf, files: Mapping[str, int | str]) -> bytes:
    """A tree without files that are directories of others, and without links that lead out of it."""
    left = {path: what for path, what in files.items() if not any(other.startswith(f"{path}/") for other in files)}
    return tree.build(
        shelf,
        (
            (path, Entry(target=what) if isinstance(what, str) else Entry((b"\x1e" + bytes(32),), what))
            for path, what in left.items()
            if not isinstance(what, str) or link_stays_inside(path, what)
        ),
    )


def leaf(shelf: Shelf, spec: InputSpec, root: bytes, keys: bytes | None = None) -> TreeLeaf:
    return TreeLeaf(shelf, spec, root, Links(shelf, root, 0, keys))


def matching(shelf: Shelf, root: bytes, glob: str) -> set[str]:
    files = [path for path, _ in tree.files(shelf, root)]
    above = {path[:cut] for path in files for cut in range(len(path)) if path[cut] == "/"}
    everything = {*files, *above} | ({""} if files else set())
    return {path for path in everything if compile_glob(glob).matches(path)}


@given(TREES, TREES, st.sampled_from(GLOBS), st.sampled_from(["copy", "empty"]))
def test_a_leaf_finds_what_matches_and_what_was_touched(
    old: dict[str, int], new: dict[str, int], glob: str, layout: Any
) -> None:
    shelf = Shelf()
    spec = InputSpec("glob", repo="r", name="r", glob=glob, layout=layout)
    before, now = (leaf(shelf, spec, store(shelf, files)) for files in (old, new))
    found = list(now.matches())
    assert len(found) == len({match.path for match in found}), "no match comes twice"
    assert {match.path for match in found} == matching(shelf, now.root, glob)
    for match in found:
        assert now.find(match.path) == match
    for path in old.keys() | {"", "no/such"}:
        assert (now.find(path) is not None) == (path in matching(shelf, now.root, glob))
    paths = list(now.touched(before))
    assert len(paths) == len(set(paths)), "no path comes twice"
    everywhere = {match.path for leaf in (before, now) for match in leaf.matches()}
    assert {path for path in everywhere if before.find(path) != now.find(path)} <= set(paths)


LINKS = st.sampled_from(["a", "b", "../a", "../b", "a/b", "../b/a", "../ab", ".", "..", "b0"])
LINKED = st.dictionaries(st.lists(NAMES, min_size=1, max_size=3).map("/".join), st.integers(0, 2) | LINKS, max_size=8)


@given(
    st.lists(LINKED, min_size=2, max_size=4), st.sampled_from(GLOBS), st.sampled_from(["copy", "empty"]), st.booleans()
)
def test_a_link_is_touched_by_what_it_leads_to(
    trees: list[dict[str, int | str]], glob: str, layout: Any, known: bool
) -> None:
    shelf = Shelf()
    spec = InputSpec("glob", repo="r", name="r", glob=glob, layout=layout)
    roots = [store(shelf, files) for files in trees]
    first = leaf(shelf, spec, roots[0])
    first.links.fill()
    keys = saved(shelf, EMPTY, first) if known else None
    for old, new in pairwise(roots):
        before, now = leaf(shelf, spec, old, keys), leaf(shelf, spec, new, keys)
        paths = set(now.touched(before))
        everywhere = {match.path for at in (before, now) for match in at.matches()}
        afresh = leaf(shelf, spec, new)
        assert {path for path in everywhere if before.find(path) != now.find(path)} <= paths
        assert [now.find(path) for path in everywhere] == [afresh.find(path) for path in everywhere]
        for path in everywhere:
            assert (laid_out(before, path) == laid_out(now, path)) <= (before.find(path) == now.find(path))
            assert (before.find(path) == now.find(path)) <= (laid_out(before, path) == laid_out(now, path))
        afresh.links.fill()
        keys = saved(shelf, keys or EMPTY, now)
        if not compile_glob(glob).whole and old != new:
            assert keys == saved(shelf, EMPTY, afresh), "an index that was brought up to date is one made anew"


def saved(shelf: Shelf, keys: bytes, of: TreeLeaf) -> bytes:
    index = KeyMap(shelf, keys)
    index.links = [of.links]
    return index.save()


def laid_out(of: TreeLeaf, path: str) -> object:
    """What a task would find; of what cannot be laid out, the tree's own bytes."""
    match = of.find(path)
    if match is None:
        return None
    try:
        files = list(Layout(of.pages, of.root, path).files())
    except BadLink:
        return "bad", match.content
    return [path if of.spec.layout == "empty" else (path, entry) for path, entry in files]


VALUES = st.sampled_from(["", "a", "a b", "é", "z"])
KEYS = st.sampled_from([("x",), ("y",), ("é",), ("x", "//")])
ENTRIES = st.dictionaries(KEYS, VALUES, max_size=4)


@given(st.lists(ENTRIES, min_size=3, max_size=3), st.lists(st.tuples(st.integers(0, 2), KEYS, VALUES | st.none())))
def test_an_index_is_a_map_of_what_moved(
    filled: list[dict[Key, str]], moves: list[tuple[int, Key, str | None]]
) -> None:
    shelf = Shelf()
    index = KeyMap(shelf, EMPTY)
    parts = [dict(entries) for entries in filled]
    for part, entries in enumerate(parts):
        index.fill(7, part, ((value, key) for key, value in entries.items()))
    index.fill(70, 0, [("other", ("node",))])
    for part, key, value in moves:
        index.move(7, part, key, parts[part].pop(key, None), value)
        if value is not None:
            parts[part][key] = value
    for looked in (index, KeyMap(shelf, index.save())):
        expected = [
            (value, [sorted(key for key, own in entries.items() if own == value) for entries in parts])
            for value in sorted({value for entries in parts for value in entries.values()}, key=str.encode)
        ]
        assert [(value, [sorted(keys) for keys in own]) for value, own in looked.every(7, 3)] == expected
        for value, own in expected:
            assert [sorted(looked.members(7, part, value)) for part in range(3)] == own
        assert list(looked.members(7, 0, "none")) == []
