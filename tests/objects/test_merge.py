"""Three-way merge against plain dictionaries, and how little of a large tree it reads."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from penstock.model.data import EMPTY, Entry
from penstock.objects import tree
from penstock.objects.copies import blob_id
from penstock.objects.merge import Clash, merge

Files = dict[str, int]


class Store:
    """Pages in memory, counting what is read."""

    def __init__(self) -> None:
        self.pages: dict[bytes, bytes] = {}
        self.read: set[bytes] = set()

    def get(self, page: bytes, /) -> bytes:
        self.read.add(page)
        return self.pages[page]

    def put(self, data: bytes, /) -> bytes:
        page = blob_id(data)
        self.pages[page] = data
        return page


def build(store: Store, files: Files) -> bytes:
    return tree.build(store, ((path, Entry((), 0, False, f"t{text}")) for path, text in files.items()))


def content(store: Store, root: bytes) -> Files:
    return {path: int((entry.target or "")[1:]) for path, entry in tree.files(store, root)}


def sound(files: Files) -> bool:
    return not any(other.startswith(f"{path}/") for path in files for other in files)


names = st.sampled_from(["a", "a/x", "a/y", "b", "c", "c/d/e", "f"])
trees = st.dictionaries(names, st.integers(0, 2)).filter(sound)


def clashing(base: Files, ours: Files, theirs: Files) -> list[str]:
    every = sorted({*base, *ours, *theirs})
    return [
        path
        for path in every
        if len({base.get(path), ours.get(path)}) == 2 and theirs.get(path) not in (base.get(path), ours.get(path))
    ]


@given(trees, trees, trees, st.sampled_from([None, "ours", "theirs"]))
def test_a_merge_is_that_of_dictionaries(base: Files, ours: Files, theirs: Files, prefer: str | None) -> None:
    store = Store()
    roots = [build(store, files) for files in (base, ours, theirs)]
    done = merge(store, *roots, prefer)
    merged = content(store, done.root)
    assert done.root == build(store, merged), "a tree like any other"
    named = [clash.path.decode() for clash in done.clashes if clash.other is None]
    expected = clashing(base, ours, theirs) if ours != base != theirs != ours else []
    assert named == expected
    beside = [(clash.path.decode(), (clash.other or b"").decode()) for clash in done.clashes if clash.other]
    for path, other in beside:
        assert path in theirs and other in ours
        assert path.startswith(f"{other}/") or other.startswith(f"{path}/")
    if not done.clashes:
        for path in {*base, *ours, *theirs}:
            changed = theirs if theirs.get(path) != base.get(path) else ours
            assert merged.get(path) == changed.get(path)
    if prefer == "theirs":
        assert all(
            merged.get(path) == theirs.get(path) for path in {*base, *theirs} if base.get(path) != theirs.get(path)
        )
    else:
        assert all(merged.get(path) == ours.get(path) for path in {*base, *ours} if base.get(path) != ours.get(path))


@given(trees, trees, trees)
def test_sides_change_places(base: Files, ours: Files, theirs: Files) -> None:
    store = Store()
    roots = [build(store, files) for files in (base, ours, theirs)]
    one, other = merge(store, *roots), merge(store, roots[0], roots[2], roots[1])
    if not one.clashes and not other.clashes:
        assert one.root == other.root
    assert bool(one.clashes) == bool(other.clashes)


def test_what_clashes_is_named() -> None:
    store = Store()
    base = build(store, {"a": 0, "d/x": 0, "f": 0})
    ours = build(store, {"a": 1, "d/x": 0, "d/y": 0, "f": 0, "n": 0})
    theirs = build(store, {"a": 2, "d": 0, "f": 0, "n/deep": 0})
    assert merge(store, base, ours, theirs).clashes == [
        Clash(b"a"),
        Clash(b"d", b"d/y"),
        Clash(b"n/deep", b"n"),
    ]


def test_nothing_but_what_differs_is_read() -> None:
    store = Store()
    files = {f"{number // 100:03}/{number:06}": 0 for number in range(30_000)}
    base = build(store, files)
    ours = tree.edit(store, base, {"010/mine": Entry(target="t1"), "011/001101": None})
    theirs = tree.edit(store, base, {"200/theirs": Entry(target="t1")})
    store.read.clear()
    done = merge(store, base, ours, theirs)
    assert not done.clashes and len(store.read) < 40 < len(store.pages) / 5
    assert tree.lookup(store, done.root, "200/theirs") and tree.lookup(store, done.root, "010/mine")
    assert merge(store, EMPTY, ours, theirs).clashes == []
