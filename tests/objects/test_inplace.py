"""What files in place are known by, and what a look at a directory or a glob finds."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.model.inplace import States
from penstock.model.spec import InPlace
from penstock.objects import inplace
from penstock.objects.deep import remove
from penstock.objects.inplace import Contents, Look


def states(root: Path, path: str, *without: str, hash: bool = False, kept: Path | None = None) -> States:
    contents = Contents(kept)
    found = Look(str(root), contents, without).states(InPlace(path, hash=hash))
    contents.save()
    return found


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inplace, "SMALL", 4)


def test_a_small_file_is_known_by_its_contents_alone(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one")
    before = states(tmp_path, "a")
    shutil.copyfile(tmp_path / "a", tmp_path / "b")
    os.replace(tmp_path / "b", tmp_path / "a")
    os.utime(tmp_path / "a", ns=(5, 5))
    assert states(tmp_path, "a") == before
    (tmp_path / "a").write_text("two")
    assert states(tmp_path, "a") != before


@pytest.mark.usefixtures("small")
def test_a_large_one_by_size_mtime_and_inode_or_by_its_contents_if_asked(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("12345")
    os.utime(tmp_path / "a", ns=(5, 5))
    before, hashed = states(tmp_path, "a"), states(tmp_path, "a", hash=True)
    shutil.copyfile(tmp_path / "a", tmp_path / "b")
    os.utime(tmp_path / "b", ns=(5, 5))
    os.replace(tmp_path / "b", tmp_path / "a")
    assert states(tmp_path, "a") != before, "another inode of the same size and mtime"
    assert states(tmp_path, "a", hash=True) == hashed


def test_what_a_link_leads_to_counts(tmp_path: Path) -> None:
    (tmp_path / "va").write_text("aaa")
    (tmp_path / "vb").write_text("bbb")
    (tmp_path / "cur").symlink_to("va")
    before = states(tmp_path, "cur")
    (tmp_path / "cur").unlink()
    (tmp_path / "cur").symlink_to("vb")
    assert states(tmp_path, "cur") != before
    (tmp_path / "vb").unlink()
    assert states(tmp_path, "cur") == {}, "a link that leads nowhere"


def test_contents_are_read_again_only_when_the_stamp_is_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_text("one")
    read: list[str] = []
    real = inplace._hash
    monkeypatch.setattr(inplace, "_hash", lambda path, size: read.append(path) or real(path, size))
    monkeypatch.setattr(inplace, "_is_young", lambda seen, now: False)
    kept = tmp_path / "kept"
    first = states(tmp_path, "a", kept=kept)
    assert states(tmp_path, "a", kept=kept) == first
    assert len(read) == 1
    (tmp_path / "a").write_text("two")
    assert states(tmp_path, "a", kept=kept) != first
    assert len(read) == 2
    kept.write_bytes(b"damaged")
    assert states(tmp_path, "a", kept=kept) != first


def test_a_young_stamp_proves_nothing(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    (tmp_path / "a").write_text("one")
    before = states(tmp_path, "a", kept=kept)
    seen = (tmp_path / "a").stat()
    with (tmp_path / "a").open("r+") as file:
        file.write("two")
    os.utime(tmp_path / "a", ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert states(tmp_path, "a", kept=kept) != before


def test_a_directory_is_the_names_and_files_below_it(tmp_path: Path) -> None:
    (tmp_path / "d/e").mkdir(parents=True)
    (tmp_path / "d/e/x").write_text("1")
    before = states(tmp_path, "d")
    (tmp_path / "d/e/own").write_text("2")
    assert states(tmp_path, "d") != before
    assert states(tmp_path, "d", "d/e/own") == before, "without what the step itself makes"
    os.utime(tmp_path / "d", ns=(1, 1))
    assert states(tmp_path, "d", "d/e/own") == before, "its own times say nothing"
    (tmp_path / "d/e/x").write_text("3")
    assert states(tmp_path, "d", "d/e/own") != before
    (tmp_path / "d/nowhere").symlink_to("gone")
    (tmp_path / "d/ring").symlink_to(".")
    assert states(tmp_path, "d") == states(tmp_path, "d")


def test_what_a_step_makes_does_not_count_whatever_links_lead_there(tmp_path: Path) -> None:
    (tmp_path / "here").symlink_to(".")
    (tmp_path / "own").write_text("1")
    assert states(tmp_path, "here/own", "own") == {}
    assert list(states(tmp_path, "here/*", "here/own")) == ["here/here"]


def test_globs_go_through_links_to_directories_and_rings_end(tmp_path: Path) -> None:
    (tmp_path / "real/deep").mkdir(parents=True)
    (tmp_path / "real/deep/a.csv").write_text("1")
    (tmp_path / "d").mkdir()
    (tmp_path / "d/to").symlink_to("../real")
    (tmp_path / "real/deep/back").symlink_to("../../d")
    assert list(states(tmp_path, "d/**/*.csv")) == ["d/to/deep/a.csv"]
    assert list(states(tmp_path, "d/*/deep/*.csv")) == ["d/to/deep/a.csv"]


def test_what_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert states(tmp_path, "pipe", hash=True) == {"pipe": "no regular file"}


def test_depth_and_odd_names_do_no_harm(tmp_path: Path) -> None:
    place = tmp_path / "d"
    place.mkdir()
    (place / os.fsdecode(b"\xff")).write_text("1")
    assert list(states(tmp_path, "d/*")) == ["d/\\xff"]
    descriptor = os.open(place, os.O_RDONLY)
    for _ in range(400):
        os.mkdir("n", dir_fd=descriptor)
        inner = os.open("n", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(descriptor)
    assert states(tmp_path, "d")
    remove(str(place))  # what pytest keeps it clears away level by level


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["a", "b", "e/a", "e/f/c"]), st.text("xy", max_size=2), max_size=4),
    st.dictionaries(st.sampled_from(["a", "b", "e/a", "e/f/c"]), st.text("xy", max_size=2), max_size=4),
)
def test_two_looks_agree_just_when_names_and_contents_do(
    tmp_path_factory: pytest.TempPathFactory, one: dict[str, str], two: dict[str, str]
) -> None:
    found = []
    for files in (one, two):
        root = tmp_path_factory.mktemp("look")
        for path in ("d", "d/e/f"):
            (root / path).mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            (root / "d" / path).write_text(text)
        found.append((states(root, "d"), states(root, "d/**")))
    for first, second in zip(*found, strict=True):
        assert (first == second) == (one == two)
