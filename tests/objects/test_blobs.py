"""Blobs come back as they went in, or are reported as damaged; the index can be lost any time."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model.errors import BadOutput, Corrupt, NotFound
from penstock.objects import writer as writing
from penstock.objects.blobs import Blobs, Pages
from penstock.objects.copies import blob_id, copy
from penstock.objects.folder import ASIDE
from penstock.objects.packs import Squeezer, read_footer, unpack
from penstock.objects.store import Objects
from penstock.objects.writer import LARGE

SMALL = b"small and simple"
TEXT = b"the same line again\n" * 200
BIG = bytes(range(256)) * (LARGE // 128)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "objects"


@pytest.fixture
def objects(root: Path) -> Iterator[Objects]:
    with Objects.create(root) as store:
        yield store


def add(objects: Objects, *blobs: bytes) -> list[bytes]:
    with objects.writer() as writer:
        return [writer.add(data) for data in blobs]


def packs(root: Path) -> list[Path]:
    return sorted(root.glob("packs/*/*.pack"))


def overwrite(path: Path, data: bytes | bytearray) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


def test_blobs_come_back(objects: Objects, root: Path) -> None:
    data = [b"", SMALL, TEXT, BIG, os.urandom(5000)]
    ids = add(objects, *data)
    assert ids == [blob_id(one) for one in data]
    assert [objects.blobs.get(blob) for blob in ids] == data
    absent = blob_id(b"absent")
    assert objects.blobs.has([*ids, absent]) == set(ids)
    with pytest.raises(NotFound, match="b3:"):
        objects.blobs.get(absent)
    whole = objects.blobs.whole(blob_id(BIG))
    assert whole is not None
    assert whole.read_bytes() == BIG
    assert objects.blobs.whole(blob_id(SMALL)) is None
    assert len(packs(root)) == 1
    assert packs(root)[0].stat().st_size < len(TEXT) + 6000, "what repeats is compressed"
    assert list(objects.blobs.check(data=True)) == []


@given(st.lists(st.binary(max_size=2000), max_size=30))
def test_a_squeezed_record_opens_to_what_it_was(blobs: list[bytes]) -> None:
    squeezer = Squeezer()
    for data in [*blobs, *(one * 9 for one in blobs)]:
        stored = squeezer.squeeze(data)
        assert len(stored) <= len(data)
        assert unpack(stored, len(data)) == data


def test_squeezing_stops_trying_and_starts_again() -> None:
    squeezer = Squeezer()
    for _ in range(Squeezer.PATIENCE + 2):
        assert len(squeezer.squeeze(os.urandom(300))) == 300
    assert any(len(squeezer.squeeze(TEXT)) < len(TEXT) for _ in range(Squeezer.PATIENCE))
    assert len(squeezer.squeeze(TEXT)) < len(TEXT)


def test_what_is_known_is_not_stored_again(objects: Objects, root: Path) -> None:
    add(objects, SMALL, SMALL, TEXT, BIG, BIG)
    with objects.writer() as writer:
        for data in (SMALL, TEXT, BIG):
            writer.add(data)
        assert writer.seal() == []
    assert len(packs(root)) == 1
    assert len(read_footer(objects.backend, str(packs(root)[0].relative_to(root)))) == 2
    assert os.listdir(root / ASIDE) == []


def test_nothing_shows_before_the_seal(objects: Objects, root: Path) -> None:
    with Objects(root) as other, objects.writer() as writer:
        ids = [writer.add(data) for data in (SMALL, BIG)]
        assert [writer.peek(blob) for blob in ids] == [SMALL, BIG]
        assert other.blobs.has(ids) == set()
        names = writer.seal()
        assert [writer.peek(blob) for blob in ids] == [None, None]
        assert names == [str(path.relative_to(root)) for path in packs(root)]
        assert other.blobs.has(ids) == set(ids)
        assert writer.seal() == []


def test_an_exception_discards(objects: Objects, root: Path) -> None:
    with pytest.raises(RuntimeError), objects.writer() as writer:
        ids = [writer.add(data) for data in (SMALL, BIG)]
        raise RuntimeError
    assert objects.blobs.has(ids) == set()
    assert packs(root) == []
    assert os.listdir(root / ASIDE) == []


def test_a_full_pack_is_written_at_once(objects: Objects, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "PACK_BYTES", 10_000)
    monkeypatch.setattr(writing, "BATCH", 1)
    data = [os.urandom(3000) for _ in range(10)]
    with objects.writer() as writer:
        ids = [writer.add(one) for one in data]
        assert len(packs(root)) >= 1, "one may be on its way"
        assert len(writer.seal()) == 3
    assert [objects.blobs.get(blob) for blob in ids] == data


def test_a_pack_has_so_many_records_at_most(objects: Objects, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "PACK_ROWS", 4)
    monkeypatch.setattr(writing, "BATCH", 2)
    data = [b"%d" % number for number in range(10)]
    with objects.writer() as writer:
        ids = [writer.add(one) for one in [*data, *data]]
        assert len(writer.seal()) == 3
    assert [objects.blobs.get(blob) for blob in ids] == [*data, *data]


@pytest.mark.parametrize("call", ["write", "fsync", "rename"])
def test_a_full_disk_leaves_nothing(objects: Objects, root: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space left"), objects.writer() as writer:
        ids = [writer.add(data) for data in (SMALL, BIG)]
        monkeypatch.setattr(os, call, full)
        writer.seal()
    monkeypatch.undo()
    # the large one may have been finished before: then it is whole
    assert ids[0] not in objects.blobs.has(ids)
    assert list(objects.blobs.check(data=True)) == []
    assert os.listdir(root / ASIDE) == []
    # and once there is room it works
    assert add(objects, SMALL, BIG) == ids
    assert list(objects.blobs.check(data=True)) == []


def test_a_seal_may_be_tried_again(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    with objects.writer() as writer:
        ids = [writer.add(data) for data in (SMALL, TEXT)]
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.EIO, "broken")))
            with pytest.raises(OSError, match="broken"):
                writer.seal()
        assert len(writer.seal()) == 1
    assert [objects.blobs.get(blob) for blob in ids] == [SMALL, TEXT]
    assert list(objects.blobs.check(data=True)) == []


class TestIndex:
    def test_other_processes_packs_are_found(self, objects: Objects, root: Path) -> None:
        # An index of its own stands for a process that has not been told.
        other = Blobs(objects.backend, root / "other.db")
        ids = add(objects, SMALL, TEXT)
        assert other.get(ids[0]) == SMALL
        later = add(objects, b"later", b"and later")
        assert other.has(later) == set(later)
        other.close()

    def test_learn(self, objects: Objects, root: Path, tmp_path: Path) -> None:
        with objects.writer() as writer:
            blob = writer.add(SMALL)
            names = writer.seal()
        assert objects.blobs.get(blob) == SMALL
        other = Blobs(objects.backend, root / "other.db")
        with objects.writer() as writer:
            later = writer.add(TEXT)
            names += writer.seal()
        other.learn(names)
        assert other.index.packs() == set(names)
        assert other.get(later) == TEXT
        with pytest.raises(NotFound):
            other.learn(["packs/no/no.pack"])
        other.close()

    @pytest.mark.parametrize("damage", [b"", b"this is not a database" * 500, None])
    def test_a_lost_index_is_made_again(self, root: Path, damage: bytes | None) -> None:
        with Objects.create(root) as first:
            ids = add(first, SMALL, TEXT)
        index = root / "index.db"
        if damage is None:
            index.unlink()
        else:
            index.write_bytes(damage)
        with Objects(root) as second:
            assert second.blobs.has(ids) == set(ids)
            # known again, so not stored again
            add(second, SMALL, TEXT)
            assert len(packs(root)) == 1
            assert list(second.blobs.check(data=True)) == []

    def test_damage_while_it_is_open(self, root: Path) -> None:
        with Objects.create(root) as first:
            data = [b"%d" % number for number in range(3000)]
            ids = add(first, *data)
        index = root / "index.db"
        size = index.stat().st_size
        with open(index, "r+b") as file:
            # The first page stays, so that it opens as a database.
            file.seek(4096)
            file.write(os.urandom(size - 4096))
        with Objects(root) as second:
            assert [second.blobs.get(blob) for blob in ids] == data
            assert list(second.blobs.check(data=True)) == []

    def test_a_full_disk_is_an_oserror(self, objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
        index = objects.blobs.index
        index._db.execute("pragma max_page_count = 1")
        with pytest.raises(OSError, match="No space left"):
            index.add("packs/aa/a.pack", [(blob_id(b"%d" % n), n, 1, 1) for n in range(1000)])
        assert index.packs() == set()

    def test_misuse_is_not_taken_for_damage(self, root: Path) -> None:
        with Objects.create(root) as store:
            pass
        with pytest.raises(sqlite3.ProgrammingError):
            store.blobs.get(blob_id(SMALL))


class TestDamage:
    def test_of_a_record(self, objects: Objects, root: Path) -> None:
        ids = add(objects, SMALL, TEXT)
        (pack,) = packs(root)
        for at, blob in ((3, ids[0]), (len(SMALL) + 9, ids[1])):
            data = bytearray(pack.read_bytes())
            data[at] ^= 1
            overwrite(pack, data)
            with pytest.raises(Corrupt, match=f"{blob[1:].hex()}.*{pack.name}"):
                objects.blobs.get(blob)
        assert list(objects.blobs.check()) == []
        assert len(list(objects.blobs.check(data=True))) == 2

    def test_of_a_large_blob(self, objects: Objects, root: Path) -> None:
        (blob,) = add(objects, BIG)
        path = objects.blobs.whole(blob)
        assert path is not None
        overwrite(path, BIG[:-1])
        with pytest.raises(Corrupt, match=path.name):
            objects.blobs.get(blob)
        (line,) = objects.blobs.check(data=True)
        assert path.name in line

    @pytest.mark.parametrize("cut", [1, 30, 10_000])
    def test_of_a_footer(self, objects: Objects, root: Path, cut: int) -> None:
        (blob,) = add(objects, SMALL)
        (pack,) = packs(root)
        add(objects, TEXT)
        data = pack.read_bytes()
        overwrite(pack, data[:-cut] if cut < len(data) else b"")
        (line,) = objects.blobs.check()
        assert pack.name in line
        objects.close()
        (root / "index.db").unlink()
        with Objects(root) as again:
            assert again.blobs.get(blob_id(TEXT)) == TEXT
            with pytest.raises(Corrupt, match=pack.name):
                again.blobs.get(blob)

    def test_of_each_byte_of_a_footer(self, objects: Objects, root: Path) -> None:
        add(objects, SMALL)
        (pack,) = packs(root)
        data = pack.read_bytes()
        for at in range(len(SMALL), len(data)):
            overwrite(pack, data[:at] + bytes([data[at] ^ 0x11]) + data[at + 1 :])
            with pytest.raises(Corrupt, match=pack.name):
                read_footer(objects.backend, str(pack.relative_to(root)))

    def test_a_pack_that_is_gone(self, objects: Objects, root: Path) -> None:
        (blob,) = add(objects, SMALL)
        (pack,) = packs(root)
        pack.unlink()
        with pytest.raises(Corrupt, match=pack.name):
            objects.blobs.get(blob)
        (line,) = objects.blobs.check()
        assert pack.name in line

    def test_of_what_the_index_says(self, objects: Objects) -> None:
        (blob,) = add(objects, SMALL)
        objects.blobs.index._db.execute("update blob set start = 5")
        (line,) = objects.blobs.check()
        assert "index" in line
        with pytest.raises(Corrupt):
            objects.blobs.get(blob)


class TestAddFile:
    @pytest.mark.parametrize("data", [b"", SMALL, TEXT, BIG, BIG * 20])
    @pytest.mark.parametrize("move", [False, True])
    def test_content(self, objects: Objects, tmp_path: Path, data: bytes, move: bool) -> None:
        path = tmp_path / "file"
        path.write_bytes(data)
        with objects.writer() as writer:
            blobs = writer.add_file(path, len(data), move=move)
        assert blobs == ((blob_id(data),) if data else ())
        assert b"".join(objects.blobs.get(blob) for blob in blobs) == data
        assert path.exists() is not (move and len(data) >= LARGE)

    def test_a_file_with_two_names_is_copied(self, objects: Objects, tmp_path: Path) -> None:
        path, twin = tmp_path / "file", tmp_path / "twin"
        path.write_bytes(BIG)
        os.link(path, twin)
        with objects.writer() as writer:
            (blob,) = writer.add_file(path, len(BIG), move=True)
        whole = objects.blobs.whole(blob)
        assert whole is not None
        assert whole.stat().st_nlink == 1
        twin.write_bytes(b"written through the other name")
        assert objects.blobs.get(blob) == BIG

    @pytest.mark.parametrize("told", [-1, 1])
    @pytest.mark.parametrize("data", [TEXT, BIG])
    @pytest.mark.parametrize("move", [False, True])
    def test_a_file_of_another_size(
        self, objects: Objects, root: Path, tmp_path: Path, data: bytes, told: int, move: bool
    ) -> None:
        path = tmp_path / "file"
        path.write_bytes(data)
        with pytest.raises(BadOutput, match="file' changed while it was read"), objects.writer() as writer:
            writer.add_file(path, len(data) + told, move=move)
        assert os.listdir(root / ASIDE) == []

    def test_a_file_written_while_it_is_copied(
        self, objects: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "file"
        path.write_bytes(BIG)
        os.utime(path, (1, 1))

        def slow(source: int, target: int, size: int) -> None:
            copy(source, target, size)
            path.write_bytes(BIG[::-1])

        monkeypatch.setattr(writing, "clone", lambda source, target: False)
        monkeypatch.setattr(writing, "copy", slow)
        with pytest.raises(BadOutput, match="changed"), objects.writer() as writer:
            writer.add_file(path, len(BIG))

    def test_what_is_no_file(self, objects: Objects, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "link").symlink_to("/etc/passwd")
        with objects.writer() as writer:
            for name in ("pipe", "link", "gone"):
                with pytest.raises(BadOutput, match=name):
                    writer.add_file(tmp_path / name, 5)


def test_copy_without_help_of_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> int:
        raise OSError(errno.EXDEV, "no")

    (tmp_path / "source").write_bytes(BIG)
    monkeypatch.setattr(os, "copy_file_range", refused)
    with open(tmp_path / "source", "rb") as source, open(tmp_path / "target", "w+b") as target:
        copy(source.fileno(), target.fileno(), len(BIG))
    assert (tmp_path / "target").read_bytes() == BIG


def test_pages_read_what_was_put_before_it_is_sealed(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pages, "REMEMBERED", 4)
    data = [b"page %d" % number * 50 for number in range(50)] + [BIG]
    with objects.writer() as writer:
        pages = objects.writing(writer)
        names = [pages.put(one) for one in data]
        assert [pages.get(name) for name in names] == data
    assert [objects.pages.get(name) for name in names] == data


def test_pages_without_a_writer_store_nothing(objects: Objects, root: Path) -> None:
    page = objects.pages.put(SMALL)
    assert objects.pages.get(page) == SMALL
    assert objects.blobs.has([page]) == set()
    assert packs(root) == []


def test_a_folder_that_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="not an object store"):
        Objects(tmp_path)
    assert os.listdir(tmp_path) == []
