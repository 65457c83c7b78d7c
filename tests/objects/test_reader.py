"""Ranges of files: the same as a slice of the bytes, verified, reading only what is touched."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.model.data import Entry
from penstock.model.errors import Corrupt
from penstock.objects.reader import Reader, Stream
from penstock.objects.store import Objects

SIZES = (1, 70_000, 3, 2_500_000, 5)


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Objects]:
    with Objects.create(tmp_path_factory.mktemp("store") / "objects") as found:
        yield found


@pytest.fixture(scope="module")
def content(objects: Objects) -> tuple[Entry, bytes]:
    """A file of small and large blobs, two of them equal."""
    pieces = [os.urandom(size) for size in SIZES]
    pieces.append(pieces[1])
    with objects.writer() as writer:
        entry = Entry(tuple(writer.add(piece) for piece in pieces), sum(map(len, pieces)))
    return entry, b"".join(pieces)


places = st.sampled_from([0, 1, 2, 70_000, 70_001, 70_004, 2_570_004, 2_570_009, 2_640_009, 9**9]).flatmap(
    lambda at: st.integers(max(at - 2, 0), at + 2)
)


@given(places, places)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_range_is_a_slice(objects: Objects, content: tuple[Entry, bytes], start: int, stop: int) -> None:
    entry, data = content
    assert Reader(objects.blobs, entry).read(start, stop) == data[start:stop]
    assert Reader(objects.blobs, Entry()).read(start, stop) == b""


def test_a_back_end_without_files_is_read_once(
    objects: Objects, content: tuple[Entry, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    entry, data = content
    fetched = []
    stream = objects.blobs.stream
    monkeypatch.setattr(objects.blobs, "whole", lambda blob: None)
    monkeypatch.setattr(objects.blobs, "stream", lambda blob: fetched.append(blob) or stream(blob))
    reader = Reader(objects.blobs, entry)
    for start in range(100_000, 2_000_000, 100_000):
        assert reader.read(start, start + 1000) == data[start : start + 1000]
    assert fetched == [entry.blobs[3]]


def test_a_stream_is_a_file(objects: Objects, content: tuple[Entry, bytes]) -> None:
    entry, data = content
    with io.BufferedReader(Stream(Reader(objects.blobs, entry)), 1000) as stream:
        assert stream.read(10) == data[:10]
        assert stream.seek(-10, os.SEEK_END) == len(data) - 10
        assert stream.read() == data[-10:]
        assert stream.read() == b""
        assert stream.seek(1, os.SEEK_SET) == 1
        assert stream.read() == data[1:]
        with pytest.raises(ValueError, match="cannot seek"):
            stream.seek(-1)


def test_two_who_read_at_once_do_not_disturb_each_other(objects: Objects, content: tuple[Entry, bytes]) -> None:
    entry, data = content
    reader = Reader(objects.blobs, entry)
    first = reader.pieces()
    got = [next(first), next(first), next(first)]
    assert reader.read(2_570_000, 2_600_000) == data[2_570_000:2_600_000]
    assert b"".join([*got, *first]) == data


def test_pieces_are_small(objects: Objects, content: tuple[Entry, bytes]) -> None:
    entry, data = content
    pieces = list(Reader(objects.blobs, entry).pieces())
    assert b"".join(pieces) == data
    assert max(map(len, pieces)) <= 1 << 20


def test_a_damaged_blob_is_not_served_not_even_its_good_part(tmp_path: Path) -> None:
    with Objects.create(tmp_path / "objects") as objects:
        with objects.writer() as writer:
            entry = Entry((writer.add(b"good" * 10), writer.add(os.urandom(200_000))), 200_040)
        whole = objects.blobs.whole(entry.blobs[1])
        assert whole is not None
        whole.chmod(0o644)
        with open(whole, "r+b") as file:
            file.seek(150_000)
            byte = file.read(1)[0]
            file.seek(150_000)
            file.write(bytes([byte ^ 1]))
        reader = Reader(objects.blobs, entry)
        assert reader.read(0, 40) == b"good" * 10
        with pytest.raises(Corrupt, match="is damaged"):
            reader.read(30, 50)
