"""Links that lead out of what is laid out, against the file system: the layout reads as the whole tree does."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model.data import EMPTY, Entry
from penstock.model.paths import link_stays_inside
from penstock.objects import checkout, tree
from penstock.objects.links import BadLink, Layout, is_link
from penstock.objects.store import Objects

PATHS = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join)
STEPS = st.sampled_from(["a", "b", "c", "..", "..", "."])
TARGETS = st.lists(STEPS, min_size=1, max_size=4).map("/".join)
FILES = st.dictionaries(PATHS, st.one_of(st.none(), TARGETS), max_size=8)


def sound(files: dict[str, str | None]) -> dict[str, str | None]:
    """What a tree may hold of random paths, None for a file: no file is a directory, no link leads out of the tree."""
    return {
        path: target
        for path, target in files.items()
        if not any(other.startswith(f"{path}/") for other in files)
        and (target is None or link_stays_inside(path, target))
    }


def stored(objects: Objects, files: dict[str, str | None]) -> bytes:
    """A tree in which each file holds its own path."""
    with objects.writer() as writer:
        entries = [
            (path, Entry(target=target) if target else Entry((writer.add(path.encode()),), len(path.encode())))
            for path, target in files.items()
        ]
        return tree.build(objects.writing(writer), entries)


def readable(top: Path, path: str) -> dict[str, bytes]:
    """What can be read at a path and below it, through links too, a few levels deep."""
    found = {}
    pending = [path]
    while pending:
        here = pending.pop()
        place = top / here if here else top
        if place.is_dir() and here.count("/") < 5:
            pending += [f"{here}/{name}" if here else name for name in os.listdir(place)]
        elif place.is_file():
            found[here] = place.read_bytes()
    return found


@given(FILES, PATHS | st.just(""), st.booleans())
def test_a_layout_reads_as_the_whole_tree_does(files: dict[str, str | None], path: str, alone: bool) -> None:
    place = Path(tempfile.mkdtemp())
    try:
        files = sound(files)
        with Objects.create(place / "objects") as objects:
            root = stored(objects, files)
            checkout.lay_out(objects.blobs, objects.pages, root, place / "whole")
            if not os.path.lexists(place / "whole" / path):
                return
            try:
                checkout.lay_out(objects.blobs, objects.pages, root, place / "part", path, strip=alone)
            except BadLink:
                assert "link" in {"link" for target in files.values() if target}, "only links can be bad"
                return
        was = readable(place / "whole", path)
        if alone:
            top = path if (place / "whole" / path).is_dir() else path.rpartition("/")[0]
            now = {f"{top}/{name}" if top else name: data for name, data in readable(place / "part", "").items()}
        else:
            now = readable(place / "part", path)
        depth = {name for name in was if name.count("/") < 5}
        assert {name: now.get(name) for name in depth} == {name: was[name] for name in depth}
        assert now.keys() <= was.keys() or any(name.count("/") > 4 for name in now.keys() - was.keys())
        if path and not alone:
            names = {path} | {"/".join(path.split("/")[:end]) for end in range(1, path.count("/") + 1)}
            for here, directories, leaves in os.walk(place / "part"):
                inside = os.path.relpath(here, place / "part")
                for name in (*directories, *leaves):
                    full = os.path.normpath(os.path.join(inside, name))
                    assert full in names or full.startswith(f"{path}/"), "no name appears beside what was asked for"
    finally:
        shutil.rmtree(place)


@pytest.mark.parametrize(
    ("files", "path", "message"),
    [
        ({"a": "b", "b": "a"}, "a", "link /a -> b leads in a ring"),
        ({"a": "a"}, "a", "link /a -> a leads in a ring"),
        ({"a": "b"}, "a", "link /a -> b leads to nothing"),
        ({"a": "b/c", "b": None}, "a", "link /a -> b/c leads through a file"),
        ({"s/up": "..", "f": None}, "s", "link /s/up leads in a ring: to /, in which it stands itself"),
        ({"a/x": "../b", "b/y": "../a", "a/f": None, "b/f": None}, "a", "leads in a ring: to /a"),
        ({"a/b/l": "k/../../../x", "a/b/k": "../../d", "d/f": None}, "a", "leads out of the repo"),
    ],
)
def test_what_leads_nowhere_is_told(tmp_path: Path, files: dict[str, str | None], path: str, message: str) -> None:
    with Objects.create(tmp_path / "objects") as objects:
        root = stored(objects, files)
        with pytest.raises(BadLink, match=message.replace("/", r"\/")):
            list(Layout(objects.pages, root, path).files())


def test_what_stays_inside_stays_a_link(tmp_path: Path) -> None:
    files = {"s/f": None, "s/near": "f", "s/through": "../s/f", "s/here": ".", "s/gone": "../none", "s/far": "../g"}
    with Objects.create(tmp_path / "objects") as objects:
        root = stored(objects, {**files, "g": None})
        found = dict(Layout(objects.pages, root, "s").files())
        assert {path for path, entry in found.items() if entry.target is None} == {"s/f", "s/far"}
        assert found["s/through"].target == "../s/f"
        alone = dict(Layout(objects.pages, root, "s", alone=True).files())
        assert alone["s/through"] == alone["s/f"], "above it nothing has its name"
        assert dict(Layout(objects.pages, root, "").files())["s/far"].target == "../g"
        assert list(Layout(objects.pages, EMPTY, "").files()) == []


def test_links_that_multiply_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.objects.links.MOST", 500)
    files: dict[str, str | None] = {"d9/f": None}
    for level in range(9):
        files |= {f"d{level}/{side}": f"../d{level + 1}" for side in "lr"}
    with Objects.create(tmp_path / "objects") as objects:
        root = stored(objects, files)
        assert len(list(Layout(objects.pages, root, "d2").files())) == 2**7
        with pytest.raises(BadLink, match="more than 500 files come through the links of /d0"):
            list(Layout(objects.pages, root, "d0").files())


def test_what_is_a_link_is_seen_in_its_bytes() -> None:
    for target in ("a", "b" * 40, "c" * 300, "d" * 70_000):
        assert is_link(tree.encode(Entry(target=target)))
    for blobs in (0, 1, 20):
        assert not is_link(tree.encode(Entry((b"\x1e" + bytes(32),) * blobs, 1 << 40, True)))
