"""What every back end of `objects` must do. Inherit `BackendSuite` and give it the fixture `backend`, an empty one."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from penstock.model.errors import NotFound
from penstock.objects.backend import STEP, Backend, pieces

#: What is odd and yet may name something.
ODD_NAMES = [
    "a b/c  d",
    "percent/%2e%2E/%",
    "plus+and&amp;=?#",
    "quote'\"`/\\back",
    "glob/[*]{?}",
    "unicode/ü-日本-🎈",
    "e\u0301/combining",
    "tilde~/~",
    "-dash/--",
    "dots/a..b/c.",
    "semi;colon:/@$!()",
    "n" * 200,
]


class BackendSuite:
    """Tests of the whole protocol: names and bytes, files that go in and out, several who write at once."""

    @pytest.fixture
    def backend(self) -> Backend:
        """An empty back end of the kind under test."""
        raise NotImplementedError("give the suite a fixture `backend`")

    @pytest.mark.parametrize("data", [b"", b"x", b"\0\xff" * 100, b"0123456789" * 100_000])
    def test_what_was_put_is_got(self, backend: Backend, data: bytes) -> None:
        backend.put("a/b.bin", data)
        assert backend.get("a/b.bin") == data
        assert backend.has("a/b.bin")

    def test_a_bytearray_is_taken_as_it_is_now(self, backend: Backend) -> None:
        data = bytearray(b"now")
        backend.put("a", data)
        data[:] = b"later"
        assert backend.get("a") == b"now"

    @pytest.mark.parametrize(
        ("start", "length", "expected"),
        [
            (0, None, b"0123456789"),
            (3, None, b"3456789"),
            (3, 4, b"3456"),
            (3, 0, b""),
            (8, 10, b"89"),
            (10, None, b""),
            (12, 5, b""),
            (12, None, b""),
            (-3, None, b"789"),
            (-3, 2, b"78"),
            (-30, None, b"0123456789"),
            (-30, 2, b"01"),
        ],
    )
    def test_a_span(self, backend: Backend, start: int, length: int | None, expected: bytes) -> None:
        backend.put("digits", b"0123456789")
        assert backend.get("digits", start, length) == expected

    def test_put_replaces(self, backend: Backend) -> None:
        backend.put("name", b"old and longer")
        backend.put("name", b"new")
        assert backend.get("name") == b"new"
        assert list(backend.list()) == ["name"]

    def test_what_is_not_there(self, backend: Backend) -> None:
        assert not backend.has("a/b")
        assert list(backend.list()) == []
        assert list(backend.list("a/")) == []
        backend.delete("a/b")
        for name in ("a", "a/b"):
            with pytest.raises(NotFound, match=name):
                backend.get(name)

    def test_a_deleted_name_is_gone(self, backend: Backend) -> None:
        backend.put("a/b", b"1")
        backend.put("a/c", b"2")
        backend.delete("a/b")
        assert not backend.has("a/b")
        assert list(backend.list()) == ["a/c"]
        with pytest.raises(NotFound):
            backend.get("a/b")

    def test_list_by_prefix(self, backend: Backend) -> None:
        names = {"packs/aa/1", "packs/ab/2", "packs/ab/3", "packsy", "blobs/aa/4"}
        for name in names:
            backend.put(name, name.encode())
        assert set(backend.list()) == names
        for prefix in ("packs/", "packs", "packs/a", "packs/ab/", "packs/ab/3", "blobs/", "none/", "packs/zz/"):
            assert set(backend.list(prefix)) == {name for name in names if name.startswith(prefix)}

    @pytest.mark.parametrize(
        "name", ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/", ".hidden", "a/.hidden", "a\0b"]
    )
    def test_impossible_names(self, backend: Backend, name: str) -> None:
        with pytest.raises(ValueError, match="cannot name"):
            backend.put(name, b"")
        assert list(backend.list()) == []

    def test_a_reader_sees_one_put_or_another(self, backend: Backend) -> None:
        versions = [bytes([number]) * 300_000 for number in range(8)]
        backend.put("name", versions[0])
        seen: list[bytes] = []

        def read() -> None:
            while len(seen) < 40:
                seen.append(backend.get("name"))

        reader = threading.Thread(target=read)
        reader.start()
        while reader.is_alive():
            for version in versions:
                backend.put("name", version)
        reader.join()
        assert set(seen) <= set(versions)

    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_odd_names(self, backend: Backend, name: str) -> None:
        backend.put(name, b"odd")
        backend.put(f"{name}+", b"beside")
        assert set(backend.list()) == {name, f"{name}+"}
        assert backend.get(name) == b"odd"
        assert backend.size(name) == 3
        backend.delete(name)
        assert set(backend.list()) == {f"{name}+"}

    def test_many_names(self, backend: Backend) -> None:
        """More than any server tells at once."""
        names = {f"many/{number % 7}/{number:05}" for number in range(1_100)}
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda name: backend.put(name, b""), names))
        assert set(backend.list("many/")) == names
        assert set(backend.list("many/3/")) == {name for name in names if name.startswith("many/3/")}

    @pytest.mark.parametrize("size", [0, 1, 70_000, STEP + 1, 2 * STEP + 12_345])
    def test_a_file_is_adopted(self, backend: Backend, size: int) -> None:
        data = random.Random(size).randbytes(size)
        source = backend.aside()
        source.write_bytes(data)
        backend.adopt("blobs/ab/abcd", source)
        assert not source.exists()
        assert backend.size("blobs/ab/abcd") == size
        assert b"".join(pieces(backend, "blobs/ab/abcd")) == data
        assert b"".join(pieces(backend, "blobs/ab/abcd", 10, size - 10)) == data[10 : max(size - 10, 0)]
        backend.settle("blobs/ab/abcd")
        path = backend.path("blobs/ab/abcd")
        assert path is None or path.read_bytes() == data

    def test_what_is_aside_has_no_name(self, backend: Backend) -> None:
        one, two = backend.aside(), backend.aside()
        one.write_bytes(b"half")
        assert one != two
        assert list(backend.list()) == []

    @pytest.mark.parametrize("size", [3, STEP + 3])
    def test_what_is_there_may_be_adopted_again(self, backend: Backend, size: int) -> None:
        for _ in range(2):
            source = backend.aside()
            source.write_bytes(b"s" * size)
            backend.adopt("same", source)
            assert not source.exists()
        assert backend.size("same") == size

    def test_a_file_of_another_length_is_replaced(self, backend: Backend) -> None:
        """What was cut short under a name must not stand for the content for ever."""
        backend.put("name", b"half")
        source = backend.aside()
        source.write_bytes(b"the whole")
        backend.adopt("name", source)
        assert backend.get("name") == b"the whole"

    def test_nothing_has_no_size_and_no_path(self, backend: Backend) -> None:
        assert backend.path("a/b") is None
        with pytest.raises(NotFound, match="a/b"):
            backend.size("a/b")
        with pytest.raises(NotFound, match="a/b"):
            backend.get("a/b", 3, 0)
        with pytest.raises(NotFound, match="a/b"):
            list(pieces(backend, "a/b"))

    def test_many_write_one_name(self, backend: Backend) -> None:
        versions = [bytes([number]) * 100_000 for number in range(8)]

        def adopt(data: bytes) -> None:
            source = backend.aside()
            source.write_bytes(data)
            backend.adopt("adopted", source)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda data: backend.put("put", data), versions))
            list(pool.map(adopt, versions))
        assert backend.get("put") in versions
        assert backend.get("adopted") in versions
        assert sorted(backend.list()) == ["adopted", "put"]
