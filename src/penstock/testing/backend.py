"""What every back end of `objects` must do. Inherit `BackendSuite` and give it the fixture `backend`, an empty one."""

from __future__ import annotations

import threading

import pytest

from penstock.model.errors import NotFound
from penstock.objects.backend import Backend


class BackendSuite:
    """Tests of the five verbs."""

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
