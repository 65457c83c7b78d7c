"""Globs over trees: the same as over a list of paths, page by page, and read no more than the page."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model.data import Entry
from penstock.model.errors import UsageError
from penstock.model.glob import compile_glob
from penstock.objects import search, tree
from penstock.objects.copies import blob_id

NAMES = ["a", "b", "a.b", "a-b", "a0", "ä"]
paths = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map("/".join)
patterns = st.lists(
    st.lists(st.sampled_from(["a", "*", "?", "**", "[!b]", "{a,b}", ".b", "!(a)"]), min_size=1, max_size=2).map(
        "".join
    ),
    min_size=1,
    max_size=3,
).map("/".join)


class Shelf:
    """A page port on a dict that counts."""

    def __init__(self) -> None:
        self.pages: dict[bytes, bytes] = {}
        self.read: set[bytes] = set()

    def get(self, page: bytes, /) -> bytes:
        self.read.add(page)
        return self.pages[page]

    def put(self, data: bytes, /) -> bytes:
        name = blob_id(data)
        self.pages[name] = data
        return name


def spelled(files: list[str]) -> list[str]:
    """Files and directories in the order of the tree, directories with a slash."""
    above = {file[: cut + 1] for file in files for cut in range(len(file)) if file[cut] == "/"}
    return sorted({*files, *above})


@given(patterns, st.sets(paths, max_size=12), paths, st.booleans())
def test_matches_and_files(pattern: str, found: set[str], after: str, slash: bool) -> None:
    files = [file for file in sorted(found) if not any(other.startswith(f"{file}/") for other in found)]
    try:
        glob = compile_glob(pattern)
    except UsageError:
        return
    shelf = Shelf()
    root = tree.build(shelf, ((file, Entry(size=1)) for file in files))
    for cursor in ("", f"{after}/" if slash else after):
        seen = [path + "/" * (entry is None) for path, entry in search.matches(shelf, root, glob, cursor)]
        assert seen == [path for path in spelled(files) if glob.matches(path.rstrip("/")) and path > cursor]
        below = [path for path, _ in search.files(shelf, root, glob, cursor)]
        concerned = [file for file in files if search.concerns(glob, file)]
        assert below == [file for file in concerned if file > cursor]
    for file in files:
        above = [file[:cut] for cut in range(len(file)) if file[cut] == "/"]
        assert search.concerns(glob, file) is any(glob.matches(path) for path in [file, *above])


@given(st.sets(paths, max_size=12), paths, st.booleans())
def test_listing_and_files_beyond_a_path(found: set[str], after: str, slash: bool) -> None:
    files = [file for file in sorted(found) if not any(other.startswith(f"{file}/") for other in found)]
    shelf = Shelf()
    root = tree.build(shelf, ((file, Entry(size=1)) for file in files))
    cursor = f"{after}/" if slash else after
    assert [path for path, _ in tree.files(shelf, root, "", cursor)] == [path for path in files if path > cursor]
    beyond = [name for name, _ in tree.listing(shelf, root, "", cursor)]
    assert beyond == list(dict.fromkeys(file.partition("/")[0] for file in files if file > cursor))


@pytest.mark.parametrize("pattern", ["*/file-*", "dir-1/*", "**"])
def test_a_page_costs_what_it_shows(pattern: str) -> None:
    shelf = Shelf()
    content = {f"dir-{number // 5000}/file-{number:05}": Entry(size=number) for number in range(20_000)}
    root = tree.build(shelf, content.items())
    glob, after, seen = compile_glob(pattern), "dir-1/file-09000", []
    shelf.read.clear()
    for path, _ in search.matches(shelf, root, glob, after):
        seen.append(path)
        if len(seen) == 100:
            break
    assert seen == [f"dir-1/file-{number:05}" for number in range(9001, 9101)]
    assert len(shelf.read) < 12
    shelf.read.clear()
    assert [name for name, _ in tree.listing(shelf, root, "", "dir-2/")] == ["dir-2", "dir-3"]
    assert len(shelf.read) < 12
