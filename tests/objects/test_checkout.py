"""What is laid out is what was collected; nothing leads out of either."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.model.data import EMPTY, Entry, show_id
from penstock.model.errors import AlreadyExists, BadOutput, Corrupt, NotFound
from penstock.objects import checkout, copies, tree
from penstock.objects.copies import blob_id
from penstock.objects.deep import remove
from penstock.objects.store import Objects
from penstock.objects.writer import LARGE

BIG = bytes(range(256)) * (LARGE // 128)


@pytest.fixture
def objects(tmp_path: Path) -> Iterator[Objects]:
    with Objects.create(tmp_path / "objects") as store:
        yield store


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A directory with one of everything that may be kept."""
    top = tmp_path / "source"
    (top / "deep/er").mkdir(parents=True)
    (top / "nothing/here").mkdir(parents=True)
    (top / "empty").write_bytes(b"")
    (top / "glob*[x]?.txt").write_text("glob characters are plain")
    (top / "deep/big").write_bytes(BIG)
    (top / "deep/er/run.sh").write_text("#!/bin/sh\n")
    (top / "deep/er/run.sh").chmod(0o755)
    (top / "deep/ä").write_text("umlaut")
    (top / "deep/up").symlink_to("../empty")
    return top


def keep(objects: Objects, directory: Path, *, move: bool = False) -> tuple[bytes, list[tuple[str, Entry]]]:
    with objects.writer() as writer:
        files = checkout.collect(writer, directory, move=move)
        return tree.build(objects.writing(writer), files), files


def snapshot(top: Path) -> dict[str, tuple[bytes | str, bool]]:
    """Content or target, and executable, of all files below a directory."""
    found: dict[str, tuple[bytes | str, bool]] = {}
    for path in sorted(top.rglob("*")):
        name = str(path.relative_to(top))
        if path.is_symlink():
            found[name] = (os.readlink(path), False)
        elif path.is_file():
            found[name] = (path.read_bytes(), os.access(path, os.X_OK) and bool(path.stat().st_mode & 0o100))
    return found


@pytest.mark.parametrize("move", [False, True])
def test_there_and_back(objects: Objects, source: Path, tmp_path: Path, move: bool) -> None:
    before = snapshot(source)
    root, files = keep(objects, source, move=move)
    assert [path for path, _ in files] == sorted(before)
    assert dict(files)["empty"] == Entry()
    assert dict(files)["deep/up"] == Entry(target="../empty")
    assert dict(files)["deep/er/run.sh"].executable
    assert (source / "deep/big").exists() is not move
    size = sum(len(content) for content, _ in before.values() if isinstance(content, bytes))
    assert checkout.lay_out(objects.blobs, objects.pages, root, tmp_path / "out") == (len(before), size)
    assert snapshot(tmp_path / "out") == before
    assert keep(objects, tmp_path / "out")[0] == root


@pytest.mark.parametrize("clones", [True, False])
def test_a_large_file_is_one_of_its_own(
    objects: Objects, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clones: bool
) -> None:
    """Where blocks can be shared and where not (both are played: the file system below tests may do either)."""

    def clone(source: int, target: int) -> bool:
        if clones:
            copies.copy(source, target, len(BIG))
        return clones

    monkeypatch.setattr(checkout, "clone", clone)
    root, _ = keep(objects, source)
    checkout.lay_out(objects.blobs, objects.pages, root, tmp_path / "out")
    copy = tmp_path / "out/deep/big"
    assert copy.read_bytes() == BIG
    copy.write_bytes(b"mine now")
    assert objects.blobs.get(blob_id(BIG)) == BIG


@pytest.mark.parametrize(
    ("prefix", "strip", "expected"),
    [
        ("deep", False, {"deep/big", "deep/er/run.sh", "deep/up", "deep/ä"}),
        ("deep", True, {"big", "er/run.sh", "up", "ä"}),
        ("deep/er/run.sh", False, {"deep/er/run.sh"}),
        ("deep/er/run.sh", True, {"run.sh"}),
        ("dee", False, set()),
    ],
)
def test_a_part_of_a_tree(
    objects: Objects, source: Path, tmp_path: Path, prefix: str, strip: bool, expected: set[str]
) -> None:
    root, _ = keep(objects, source)
    files, _ = checkout.lay_out(objects.blobs, objects.pages, root, tmp_path / "out", prefix, strip)
    assert files == len(expected)
    assert set(snapshot(tmp_path / "out")) == expected


def test_nothing_gives_an_empty_directory(objects: Objects, tmp_path: Path) -> None:
    assert checkout.lay_out(objects.blobs, objects.pages, EMPTY, tmp_path / "a/b") == (0, 0)
    assert os.listdir(tmp_path / "a/b") == []
    with objects.writer() as writer:
        assert checkout.collect(writer, tmp_path / "a") == []


def test_readonly(objects: Objects, source: Path, tmp_path: Path) -> None:
    root, _ = keep(objects, source)
    out = tmp_path / "out"
    checkout.lay_out(objects.blobs, objects.pages, root, out, readonly=True)
    paths = [path for path in (out, *out.rglob("*")) if not path.is_symlink()]
    assert {stat.S_IMODE(path.stat().st_mode) & 0o222 for path in paths} == {0}
    assert stat.S_IMODE((out / "deep/er/run.sh").stat().st_mode) == 0o555
    remove(out)
    assert not out.exists()


def test_what_stands_there_is_replaced_not_written_through(objects: Objects, source: Path, tmp_path: Path) -> None:
    root, _ = keep(objects, source)
    out, victim = tmp_path / "out", tmp_path / "victim"
    victim.write_text("untouched")
    (out / "deep").mkdir(parents=True)
    (out / "empty").symlink_to(victim)
    os.link(victim, out / "deep/big")
    (out / "deep/up").write_text("a file where a link comes")
    (out / "stays").write_text("stays")
    checkout.lay_out(objects.blobs, objects.pages, root, out)
    assert victim.read_text() == "untouched"
    assert snapshot(out) == snapshot(source) | {"stays": (b"stays", False)}


def test_a_link_planted_as_a_directory_is_not_followed(objects: Objects, source: Path, tmp_path: Path) -> None:
    root, _ = keep(objects, source)
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    out.mkdir()
    elsewhere.mkdir()
    (out / "deep").symlink_to(elsewhere)
    with pytest.raises(AlreadyExists, match="out/deep"):
        checkout.lay_out(objects.blobs, objects.pages, root, out)
    assert os.listdir(elsewhere) == []


def test_a_directory_stands_where_a_file_comes(objects: Objects, source: Path, tmp_path: Path) -> None:
    root, _ = keep(objects, source)
    (tmp_path / "out/empty").mkdir(parents=True)
    with pytest.raises(AlreadyExists, match="empty"):
        checkout.lay_out(objects.blobs, objects.pages, root, tmp_path / "out")


def test_put_file_joins_blobs(objects: Objects, tmp_path: Path) -> None:
    with objects.writer() as writer:
        entry = Entry((writer.add(b"head, "), writer.add(BIG), writer.add(b", tail")), 12 + len(BIG), True)
    checkout.put_file(objects.blobs, entry, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"head, " + BIG + b", tail"
    assert os.access(tmp_path / "file", os.X_OK)
    checkout.put_file(objects.blobs, Entry(target="a/b"), tmp_path / "file")
    assert os.readlink(tmp_path / "file") == "a/b"


def test_damage_leaves_no_file(objects: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkout, "clone", lambda source, target: False)
    with objects.writer() as writer:
        big = writer.add(BIG)
    whole = objects.blobs.whole(big)
    assert whole is not None
    whole.chmod(0o644)
    whole.write_bytes(BIG[:-1] + b"!")
    with pytest.raises(Corrupt, match=whole.name):
        checkout.put_file(objects.blobs, Entry((big,), len(BIG)), tmp_path / "file")
    with pytest.raises(NotFound):
        checkout.put_file(objects.blobs, Entry((blob_id(b"absent"),), 6), tmp_path / "file")
    assert not (tmp_path / "file").exists()


class TestRefused:
    """What no tree can hold is named, and nothing is kept of the rest."""

    def refused(self, objects: Objects, top: Path, match: str) -> None:
        (top / "good").write_text("good")
        with pytest.raises(BadOutput, match=match), objects.writer() as writer:
            checkout.collect(writer, top)
        assert objects.blobs.has([blob_id(b"good")]) == set()

    @pytest.fixture
    def top(self, tmp_path: Path) -> Path:
        top = tmp_path / "out"
        (top / "sub").mkdir(parents=True)
        return top

    @pytest.mark.parametrize("target", ["/etc/passwd", "../../x", "..", "../../../etc/passwd", "x/../../../y"])
    def test_links_that_lead_out(self, objects: Objects, top: Path, target: str) -> None:
        (top / ("sub/link" if target != ".." else "link")).symlink_to(target)
        self.refused(objects, top, r"link '(sub/)?link' leads out")

    def test_a_link_to_bytes(self, objects: Objects, top: Path) -> None:
        os.symlink(b"\xff", os.fsencode(top) + b"/sub/link")
        self.refused(objects, top, "link 'sub/link'.*UTF-8")

    @pytest.mark.parametrize("name", [b"new\nline", b"tab\t", b"\xff\xfe", b"esc\x1b[0m"])
    @pytest.mark.parametrize("kind", ["file", "directory"])
    def test_names(self, objects: Objects, top: Path, name: bytes, kind: str) -> None:
        path = os.fsencode(top) + b"/sub/" + name
        if kind == "directory":
            os.mkdir(path)
            path += b"/file"
        with open(path, "wb"):
            pass
        self.refused(objects, top, r"path 'sub/.*(control character|UTF-8)")

    def test_a_pipe(self, objects: Objects, top: Path) -> None:
        os.mkfifo(top / "sub/pipe")
        self.refused(objects, top, "'sub/pipe' is neither")

    def test_a_socket(self, objects: Objects, top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(top)  # the path of a socket must be short
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("sub/socket")
            self.refused(objects, top, "'sub/socket' is neither")

    def test_a_directory_that_is_gone(self, objects: Objects, top: Path, tmp_path: Path) -> None:
        (tmp_path / "swapped").symlink_to(top)
        for place in (tmp_path / "gone", tmp_path / "swapped"):
            with pytest.raises(BadOutput, match=place.name), objects.writer() as writer:
                checkout.collect(writer, place)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
    def test_what_cannot_be_read(self, objects: Objects, top: Path) -> None:
        (top / "sub/file").write_text("secret")
        for path in (top / "sub/file", top / "sub"):
            path.chmod(0)
            self.refused(objects, top, "sub")
            path.chmod(0o700)


def test_links_are_the_stores_own_files(objects: Objects, tmp_path: Path) -> None:
    """Large ones only; what runs needs a mode of its own."""
    with objects.writer() as writer:
        large, small = writer.add(b"l" * LARGE), writer.add(b"s")
        root = tree.build(
            objects.writing(writer),
            [
                ("large", Entry((large,), LARGE)),
                ("tool", Entry((large,), LARGE, True)),
                ("twice", Entry((large, large), 2 * LARGE)),
                ("small", Entry((small,), 1)),
            ],
        )
    out = tmp_path / "out"
    checkout.lay_out(objects.blobs, objects.pages, root, out, link=True)
    whole = objects.blobs.whole(large)
    assert whole is not None
    assert (out / "large").samefile(whole)
    assert not (out / "large").stat().st_mode & 0o222
    for name in ("tool", "twice", "small"):
        assert (out / name).stat().st_nlink == 1
    assert (out / "tool").stat().st_mode & 0o100
    checkout.put_file(objects.blobs, Entry((large,), LARGE), tmp_path / "one", link=True)
    assert (tmp_path / "one").samefile(whole)


def test_small_files_are_read_together(objects: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with objects.writer() as writer:
        entries = [(f"{n:04}", Entry((writer.add(b"%d" % n),), len(b"%d" % n))) for n in range(3000)]
        root = tree.build(objects.writing(writer), entries)
    reads = []
    real = type(objects.blobs.backend).get

    def get(self: object, name: str, start: int = 0, length: int | None = None) -> bytes:
        reads.append(name)
        return real(self, name, start, length)  # type: ignore[arg-type]

    monkeypatch.setattr(type(objects.blobs.backend), "get", get)
    assert checkout.lay_out(objects.blobs, objects.pages, root, tmp_path / "out")[0] == 3000
    assert len(reads) < 100
    assert (tmp_path / "out/2999").read_bytes() == b"2999"


def test_one_damaged_record_among_many_is_named(objects: Objects, tmp_path: Path) -> None:
    with objects.writer() as writer:
        blobs = [writer.add(b"record %d" % n) for n in range(10)]
    (pack,) = tmp_path.rglob("*.pack")
    data = bytearray(pack.read_bytes())
    data[data.index(b"record 5") + 7] ^= 1
    pack.chmod(0o644)
    pack.write_bytes(data)
    assert len(objects.blobs.load(blobs[:5])) == 5
    with pytest.raises(Corrupt, match=show_id(blobs[5])):
        objects.blobs.load(blobs)
