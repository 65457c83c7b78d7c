"""Globs over stored trees, and the index of keys, against plain Python."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from penstock.engine.expand import Key
from penstock.model.data import EMPTY, Entry
from penstock.model.glob import compile_glob
from penstock.model.spec import InputSpec
from penstock.objects import map as maps
from penstock.objects import tree
from penstock.service.bindings.keys import KeyMap
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


def store(shelf: Shelf, files: dict[str, int]) -> bytes:
    """A tree without files that are directories of others."""
    left = {path: size for path, size in files.items() if not any(other.startswith(f"{path}/") for other in files)}
    return tree.build(shelf, ((path, Entry((b"\x1e" + bytes(32),), size)) for path, size in left.items()))


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
    before, now = (TreeLeaf(shelf, spec, store(shelf, files)) for files in (old, new))
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
