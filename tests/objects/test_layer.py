"""Layers and laying them over trees: the same as on a dict, whatever the order and the size of the pieces."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model.data import EMPTY, Entry
from penstock.model.errors import BadPath, Collision
from penstock.objects import map as maps
from penstock.objects import tree
from penstock.objects.copies import blob_id
from penstock.objects.layer import Layer
from penstock.objects.store import Objects


class Shelf:
    """A page port on a dict."""

    def __init__(self) -> None:
        self.pages: dict[bytes, bytes] = {}
        self.read = 0

    def get(self, page: bytes, /) -> bytes:
        self.read += 1
        return self.pages[page]

    def put(self, data: bytes, /) -> bytes:
        name = blob_id(data)
        self.pages[name] = data
        return name


def file(number: int) -> Entry:
    return Entry((blob_id(b"%d" % number),), number, bool(number % 2))


def path(number: int) -> str:
    return f"d{number // 1000:03}/{number:06}"


files = st.integers(0, 9).map(file)
# No name is a part of another's path.
trees = st.dictionaries(st.integers(0, 400).map(path), files, max_size=120)
clashing = st.lists(st.sampled_from(["a", "b", "a!", "a0", "c"]), min_size=1, max_size=3).map("/".join)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of three entries, pages of four."""
    monkeypatch.setattr(tree, "CHUNK", 3)
    monkeypatch.setattr(maps, "FANOUT_BITS", 2)


@pytest.mark.usefixtures("tiny")
@given(st.lists(st.tuples(clashing, files), max_size=25))
def test_a_layer_is_what_build_makes(items: list[tuple[str, Entry]]) -> None:
    shelf = Shelf()

    def layered() -> bytes:
        layer = Layer(shelf)
        for name, entry in items:
            layer.add(name, entry)
        root = layer.finish()
        assert (layer.files, layer.size) == (len(items), sum(entry.size for _, entry in items))
        return root

    try:
        expected = tree.build(shelf, items)
    except Collision:
        with pytest.raises(Collision):
            layered()
    else:
        assert layered() == expected


def test_what_no_tree_holds() -> None:
    with pytest.raises(BadPath, match=r"'\.\.' is not allowed"):
        Layer(Shelf()).add("a/../b", file(1))


@pytest.mark.usefixtures("tiny")
@given(trees, trees)
def test_an_overlay_is_an_update(below: dict[str, Entry], above: dict[str, Entry]) -> None:
    shelf = Shelf()
    root, layer = tree.build(shelf, below.items()), tree.build(shelf, above.items())
    made = tree.overlay(shelf, root, layer)
    after = below | above
    assert made.root == tree.build(shelf, after.items())
    assert made.files == len(after) - len(below)
    assert made.size == sum(e.size for e in after.values()) - sum(e.size for e in below.values())
    assert made.changed == sum(below.get(name) != entry for name, entry in above.items())


@pytest.mark.usefixtures("tiny")
@given(trees, trees, st.sampled_from(["", "d000", "elsewhere", path(7)]))
def test_a_mirror_removes(below: dict[str, Entry], above: dict[str, Entry], prefix: str) -> None:
    shelf = Shelf()
    root, layer = tree.build(shelf, below.items()), tree.build(shelf, above.items())
    made = tree.overlay(shelf, root, layer, mirror=prefix)
    inside = {name for name in below if not prefix or name == prefix or name.startswith(f"{prefix}/")}
    after = {name: entry for name, entry in below.items() if name not in inside} | above
    assert made.root == tree.build(shelf, after.items())
    assert made.files == len(after) - len(below)


@pytest.mark.usefixtures("tiny")
@given(trees, trees)
def test_appending(below: dict[str, Entry], above: dict[str, Entry]) -> None:
    shelf = Shelf()
    root, layer = tree.build(shelf, below.items()), tree.build(shelf, above.items())
    made = tree.overlay(shelf, root, layer, append=True)
    after = dict(below)
    for name, entry in above.items():
        old = below.get(name, Entry((), 0, entry.executable))
        after[name] = Entry(old.blobs + entry.blobs, old.size + entry.size, old.executable)
    assert made.root == tree.build(shelf, after.items())
    assert made.size == sum(entry.size for entry in above.values())


def test_appending_to_a_link_replaces_it() -> None:
    shelf = Shelf()
    root = tree.build(shelf, [("a", Entry(target="b")), ("b", file(1))])
    layer = tree.build(shelf, [("a", file(2)), ("b", Entry(target="a"))])
    assert tree.overlay(shelf, root, layer, append=True).root == layer


@pytest.mark.usefixtures("tiny")
def test_a_mirror_may_put_a_file_where_a_directory_was() -> None:
    shelf = Shelf()
    root = tree.build(shelf, [(f"a/{number}", file(number)) for number in range(30)])
    layer = tree.build(shelf, [("a", file(1)), ("b/c", file(2))])
    with pytest.raises(Collision, match="'a' cannot be a file, because 'a/0' stands below it"):
        tree.overlay(shelf, root, layer)
    assert tree.overlay(shelf, root, layer, mirror="").root == layer
    with pytest.raises(Collision, match="'a' is a file, so it cannot also be the directory of 'a/0'"):
        tree.overlay(shelf, layer, root)
    assert tree.overlay(shelf, layer, root, mirror="").root == root


@given(st.data())
def test_any_order_of_edits_gives_the_same_root(data: st.DataObject) -> None:
    shelf = Shelf()
    wanted = data.draw(trees)
    steps: list[tuple[str, Entry | None]] = [*wanted.items(), *((path(n), None) for n in range(500, 520))]
    root = tree.build(shelf, ((path(number), file(number)) for number in range(500, 520)))
    order = data.draw(st.permutations(steps))
    while order:
        cut = data.draw(st.integers(1, len(order)))
        root = tree.edit(shelf, root, dict(order[:cut]))
        order = order[cut:]
    assert root == tree.build(shelf, wanted.items())


class TestCost:
    """Pages read are counted; 100,000 files have some 1,600."""

    shelf = Shelf()
    root = tree.build(shelf, ((path(number), file(number)) for number in range(100_000)))

    def cost(self, layer: bytes, **how: str) -> int:
        self.shelf.read = 0
        tree.overlay(self.shelf, self.root, layer, **how)  # type: ignore[arg-type]
        return self.shelf.read

    def test_one_file_into_many(self) -> None:
        for name in ("d050/0500005", "zz", "a"):
            assert self.cost(tree.build(self.shelf, [(name, file(1))])) < 30

    def test_the_same_again(self) -> None:
        assert self.cost(self.root) == 0
        assert self.cost(self.root, mirror="") == 0

    def test_a_part_of_it_again(self) -> None:
        part = tree.identity(self.shelf, self.root, "d050")
        assert self.cost(part) < 30
        assert self.cost(part, mirror="d050") < 40

    def test_one_changed_file_in_all_of_it(self) -> None:
        assert self.cost(tree.edit(self.shelf, self.root, {path(70_000): file(1)})) < 30


@pytest.mark.parametrize("order", ["sorted", "reversed"])
def test_a_layer_holds_little_in_memory_and_leaves_little_behind(tmp_path: Path, order: str) -> None:
    import tracemalloc

    count = 100_000
    names = range(count) if order == "sorted" else range(count - 1, -1, -1)
    with Objects.create(tmp_path / "objects") as objects, objects.writer() as writer:
        layer = Layer(objects.writing(writer))
        tracemalloc.start()
        for number in names:
            layer.add(path(number), file(number))
        root = layer.finish()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert sum(1 for _ in tree.files(objects.writing(writer), root)) == count
        assert peak < 60_000_000
        writer.seal()
        stored = sum(pack.stat().st_size for pack in tmp_path.rglob("*.pack"))
        pages = sum(len(objects.pages.get(page)) for page in reachable(objects, root))
        assert stored < 1.1 * pages


def reachable(objects: Objects, root: bytes) -> list[bytes]:
    import msgspec

    found, pending = [], [root] if root != EMPTY else []
    while pending:
        found.append(pending.pop())
        height, _, values = msgspec.msgpack.decode(objects.pages.get(found[-1]))
        pending += values if height else []
    return found
