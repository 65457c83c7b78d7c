"""Trees: paths and entries over the map."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model.data import BLAKE3, EMPTY, Entry
from penstock.model.errors import BadPath, Collision
from penstock.objects import tree
from penstock.objects.copies import blob_id


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


def file(number: int, *, executable: bool = False) -> Entry:
    return Entry((blob_id(b"%d" % number),), number, executable)


ids = st.binary(min_size=32, max_size=32).map(lambda digest: BLAKE3 + digest)
entries = st.builds(Entry, st.lists(ids, max_size=4).map(tuple), st.integers(0, 2**60), st.booleans()) | st.builds(
    Entry, target=st.text(st.characters(codec="utf-8"), min_size=1)
)
# Few names, so that files and directories meet.
paths = st.lists(st.sampled_from(["a", "b", "a.b", "a0", "ä", "c-d"]), min_size=1, max_size=3).map("/".join)


@given(entries)
def test_an_entry_is_written_in_one_way(entry: Entry) -> None:
    assert tree.decode(tree.encode(entry)) == entry
    assert tree.encode(tree.decode(tree.encode(entry))) == tree.encode(entry)


def test_the_form_of_an_entry_is_fixed() -> None:
    """Fingerprints and roots depend on it."""
    assert tree.encode(Entry()).hex() == "9300c2c400"
    assert tree.encode(file(7, executable=True)).hex() == "9307c3c421" + blob_id(b"7").hex()
    assert tree.encode(Entry(target="../x")).hex() == "a4" + b"../x".hex()
    assert tree.build(Shelf(), [("a/b", file(1)), ("c", file(2))]).hex() == (
        "1e5adfb3b25f4f07c4cc78330faac7f7b2713b9c854158ca672450f61e5ddbe28d"
    )


PHOTOS = {
    "a.txt": file(1),
    "photos/cat.jpg": file(2),
    "photos/dog.jpg": file(3),
    "photos/old/1.jpg": file(4),
    "photos/old/2/x.jpg": file(5),
    "photos.txt": file(6),
    "photos0": file(7),
    "z": Entry(target="a.txt"),
}


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def root(shelf: Shelf) -> bytes:
    return tree.build(shelf, reversed(PHOTOS.items()))


def test_lookup(shelf: Shelf, root: bytes) -> None:
    assert {path: tree.lookup(shelf, root, path) for path in PHOTOS} == PHOTOS
    for path in ("photos", "photos/", "photos/cat", "", "nothing"):
        assert tree.lookup(shelf, root, path) is None


def test_files(shelf: Shelf, root: bytes) -> None:
    assert dict(tree.files(shelf, root)) == PHOTOS
    assert [path for path, _ in tree.files(shelf, root, "photos/old")] == ["photos/old/1.jpg", "photos/old/2/x.jpg"]
    assert list(tree.files(shelf, root, "a.txt")) == [("a.txt", file(1))]
    assert list(tree.files(shelf, root, "phot")) == []
    assert list(tree.files(shelf, EMPTY)) == []


def test_listing(shelf: Shelf, root: bytes) -> None:
    assert dict(tree.listing(shelf, root)) == {
        "a.txt": file(1),
        "photos": None,
        "photos.txt": file(6),
        "photos0": file(7),
        "z": Entry(target="a.txt"),
    }
    assert list(tree.listing(shelf, root, "photos")) == [("cat.jpg", file(2)), ("dog.jpg", file(3)), ("old", None)]
    assert list(tree.listing(shelf, root, "a.txt")) == []


def test_listing_does_not_read_subdirectories(shelf: Shelf) -> None:
    root = tree.build(shelf, ((f"d{number // 2000}/{number}", file(number)) for number in range(20_000)))
    shelf.read = 0
    assert [name for name, _ in tree.listing(shelf, root)] == [f"d{number}" for number in range(10)]
    assert shelf.read < len(shelf.pages) / 3


def test_is_directory(shelf: Shelf, root: bytes) -> None:
    found = {path: tree.is_directory(shelf, root, path) for path in ("", "photos", "photos/old/2", "a.txt", "photo")}
    assert found == {"": True, "photos": True, "photos/old/2": True, "a.txt": False, "photo": False}


def test_identity(shelf: Shelf, root: bytes) -> None:
    inside = {path: entry for path, entry in PHOTOS.items() if path.startswith("photos/")}
    identity = tree.identity(shelf, root, "photos")
    assert identity == tree.build(shelf, inside.items())
    assert tree.identity(shelf, root, "") == root
    assert tree.identity(shelf, root, "photo") == EMPTY
    outside = tree.edit(shelf, root, {"photos.txt": file(9), "new/x": file(1)})
    assert tree.identity(shelf, outside, "photos") == identity
    within = tree.edit(shelf, root, {"photos/cat.jpg": file(9)})
    assert tree.identity(shelf, within, "photos") != identity


def test_diff(shelf: Shelf, root: bytes) -> None:
    after = tree.edit(shelf, root, {"a.txt": None, "photos/cat.jpg": file(9), "photos/new": file(8)})
    changed = [("a.txt", file(1), None), ("photos/cat.jpg", file(2), file(9)), ("photos/new", None, file(8))]
    assert list(tree.diff(shelf, root, after)) == changed
    assert list(tree.diff(shelf, root, after, "photos")) == changed[1:]
    assert list(tree.diff(shelf, root, after, "a.txt")) == changed[:1]
    assert list(tree.diff(shelf, root, after, "photos/old")) == []


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"photos": file(1)}, ("photos", "photos/cat.jpg")),
        ({"photos/old/1.jpg/deep/er": file(1)}, ("photos/old/1.jpg", "photos/old/1.jpg/deep/er")),
        ({"z/x": file(1)}, ("z", "z/x")),
        ({"n/x/y": file(1), "n/x": file(2)}, ("n/x", "n/x/y")),
        ({"photos": file(1), "photos/cat.jpg": None}, ("photos", "photos/dog.jpg")),
    ],
)
def test_a_file_and_a_directory_collide(
    shelf: Shelf, root: bytes, changes: dict[str, Entry | None], names: tuple[str, str]
) -> None:
    with pytest.raises(Collision) as caught:
        tree.edit(shelf, root, changes)
    assert all(repr(name) in str(caught.value) for name in names)


def test_a_file_takes_the_place_of_a_directory_that_goes(shelf: Shelf, root: bytes) -> None:
    gone: dict[str, Entry | None] = dict.fromkeys(path for path in PHOTOS if path.startswith("photos/"))
    after = tree.edit(shelf, root, gone | {"photos": file(1), "a.txt": None, "a.txt/x": file(2)})
    assert [path for path, _ in tree.files(shelf, after)] == ["a.txt/x", "photos", "photos.txt", "photos0", "z"]


def test_what_a_tree_refuses(shelf: Shelf, root: bytes) -> None:
    for path in ("a\nb", "../x", "/x", "a//b", ""):
        with pytest.raises(BadPath):
            tree.edit(shelf, root, {path: file(1)})
    with pytest.raises(Collision, match="'x' is there twice"):
        tree.build(shelf, [("x", file(1)), ("x", file(1))])


@given(st.dictionaries(paths, st.integers(0, 3), max_size=12), st.dictionaries(paths, st.integers(-1, 3), max_size=8))
def test_edits_against_a_dict(before: dict[str, int], edits: dict[str, int]) -> None:
    def sound(content: dict[str, Entry]) -> bool:
        return not any(path != other and other.startswith(f"{path}/") for path in content for other in content)

    shelf = Shelf()
    content = {path: file(number) for path, number in before.items()}
    if not sound(content):
        with pytest.raises(Collision):
            tree.build(shelf, content.items())
        return
    root = tree.build(shelf, content.items())
    changes = {path: file(number) if number >= 0 else None for path, number in edits.items()}
    merged = {path: entry for path, entry in (content | changes).items() if entry is not None}
    if not sound(merged):
        with pytest.raises(Collision):
            tree.edit(shelf, root, changes)
        return
    after = tree.edit(shelf, root, changes)
    assert dict(tree.files(shelf, after)) == merged
    assert after == tree.build(shelf, merged.items())
    names = {path.partition("/")[0] for path in merged}
    assert {name for name, _ in tree.listing(shelf, after)} == names
    assert {path for path, _, _ in tree.diff(shelf, root, after)} == {
        path for path in content | merged if content.get(path) != merged.get(path)
    }
