"""The S3 back end: the suite of all back ends on two servers, set-up, and what is peculiar to a server far away."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from penstock.model.errors import AlreadyExists, NewerFormat, NotFound, Refused, Unreachable, UsageError
from penstock.objects import places
from penstock.objects.cached import READS, Cached
from penstock.objects.folder import Folder
from penstock.objects.s3 import S3, Bucket, Patience
from penstock.testing.backend import BackendSuite
from penstock.testing.buckets import Server

SHORT = Patience(retries=2, first_wait=0.01, longest_wait=0.05, request=10, silence=1, altogether=5)


@pytest.fixture(scope="module", params=["moto", "rgw"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(kind: str, service: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> Server:
    found = Server(service(kind))
    for name, value in found.environment.items():
        monkeypatch.setenv(name, value)
    return found


@pytest.fixture
def bucket(server: Server) -> Iterator[Bucket]:
    with server.bucket() as name:
        yield Bucket(name, "some/prefix", server.endpoint)


class TestS3(BackendSuite):
    @pytest.fixture
    def backend(self, bucket: Bucket, tmp_path: Path) -> S3:
        return S3(bucket, Folder(tmp_path), SHORT)


class TestCached(BackendSuite):
    """The copies must not be seen. On a folder: what is behind makes no difference."""

    @pytest.fixture
    def backend(self, tmp_path: Path) -> Cached:
        return Cached(Folder(tmp_path / "behind"), tmp_path / "cache", limit=100_000)


class TestSetUp:
    def test_a_prefix_is_claimed_once(self, bucket: Bucket, tmp_path: Path) -> None:
        one, two = tmp_path / "1", tmp_path / "2"
        for root in (one, two):
            root.mkdir()
        places.set_up(one, bucket, "1" * 32)
        places.set_up(one, bucket, "1" * 32)
        with pytest.raises(AlreadyExists, match=f"belongs to project {'1' * 32}"):
            places.set_up(two, bucket, "2" * 32)
        assert not (two / places.FILE).exists()
        backend = places.open_backend(one)
        backend.put("packs/aa/x.pack", b"data")
        assert set(S3(bucket, Folder(tmp_path)).list()) == {places.MARKER, "packs/aa/x.pack"}

    def test_what_the_server_honours_is_written_down(self, bucket: Bucket, tmp_path: Path) -> None:
        places.set_up(tmp_path, bucket, "1" * 32)
        text = (tmp_path / places.FILE).read_text()
        assert '"put_if_none_match": true' in text
        assert '"put_if_match": true' in text
        assert "secret" not in text.lower()
        assert "access" not in text.lower()

    def test_a_prefix_with_other_things_is_left_alone(self, bucket: Bucket, tmp_path: Path) -> None:
        S3(bucket, Folder(tmp_path)).put("blobs/holiday.jpg", b"")
        with pytest.raises(AlreadyExists, match=r"not empty \(it holds blobs/holiday.jpg\)"):
            places.set_up(tmp_path, bucket, "1" * 32)
        assert set(S3(bucket, Folder(tmp_path)).list()) == {"blobs/holiday.jpg"}

    def test_a_server_that_overwrites_is_refused(
        self, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        honest = S3._put

        def careless(self: S3, name: str, data: bytes, *, create: bool = False) -> bool:
            return honest(self, name, data)

        monkeypatch.setattr(S3, "_put", careless)
        with pytest.raises(Refused, match="If-None-Match"):
            places.set_up(tmp_path, bucket, "1" * 32)
        assert list(S3(bucket, Folder(tmp_path)).list()) == []

    def test_no_bucket(self, server: Server, tmp_path: Path) -> None:
        with pytest.raises(NotFound, match="there is no bucket 'nowhere'"):
            places.set_up(tmp_path, Bucket("nowhere", "p", server.endpoint), "1" * 32)

    def test_a_later_file_is_refused(self, bucket: Bucket, tmp_path: Path) -> None:
        places.set_up(tmp_path, bucket, "1" * 32)
        file = tmp_path / places.FILE
        file.write_text(file.read_text().replace('"version": 1', '"version": 2'))
        with pytest.raises(NewerFormat):
            places.open_backend(tmp_path)


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("s3://", None),
        ("s3:///p", None),
        ("gs://b/p", None),
        ("s3://B_b/p", None),
        ("s3://bucket/a//b", None),
        ("s3://bucket/../b", None),
        ("s3://key:secret@bucket/p", None),
        ("s3://bucket/p?x=1", None),
        ("s3://bucket/p", "localhost:9000"),
        ("s3://bucket/p", "http://key:secret@host"),
    ],
)
def test_bad_addresses(url: str, endpoint: str | None) -> None:
    with pytest.raises(UsageError):
        places.parse_url(url, endpoint)


def test_wrong_credentials(service: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(service("rgw"))
    with server.bucket() as name:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.environment["AWS_ACCESS_KEY_ID"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "opensesame")
        backend = S3(Bucket(name, "p", server.endpoint), Folder(tmp_path), SHORT)
        for ask in (lambda: backend.put("a", b""), lambda: backend.get("a"), lambda: backend.has("a")):
            with pytest.raises(Refused, match=rf"bucket '{name}' refuses these credentials \(403") as caught:
                ask()
            assert "opensesame" not in str(caught.value)
            assert caught.value.__cause__ is None


def test_the_shared_credentials_file_is_read(
    service: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(service("rgw"))
    key, secret = server.environment.values()
    file = tmp_path / "credentials"
    file.write_text(
        f"[other]\naws_access_key_id = x\n[lab]\naws_access_key_id={key}\naws_secret_access_key = {secret}\n"
    )
    with server.bucket() as name, monkeypatch.context() as patch:
        patch.delenv("AWS_ACCESS_KEY_ID", raising=False)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.fspath(file))
        patch.setenv("AWS_PROFILE", "lab")
        backend = S3(Bucket(name, "p", server.endpoint), Folder(tmp_path), SHORT)
        backend.put("a", b"1")
        assert backend.get("a") == b"1"


def test_nobody_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "opensesame")
    backend = S3(Bucket("b", "p", "http://127.0.0.1:9"), Folder(tmp_path), SHORT)
    for ask in (lambda: backend.put("a", b""), lambda: backend.get("a"), lambda: list(backend.list())):
        with pytest.raises(Unreachable, match=r"s3://b/p at http://127.0.0.1:9: .*check the endpoint"):
            ask()


class TestCopies:
    def test_a_pack_is_fetched_when_it_is_read_often(self, tmp_path: Path) -> None:
        behind = Folder(tmp_path / "behind")
        cached = Cached(behind, tmp_path / "cache")
        behind.put("packs/aa/1.pack", b"0123456789")
        for _ in range(READS):
            assert cached.get("packs/aa/1.pack", 3, 2) == b"34"
        behind.delete("packs/aa/1.pack")
        assert cached.get("packs/aa/1.pack", -3) == b"789"
        assert not cached.has("packs/aa/1.pack")
        cached.forget()
        with pytest.raises(NotFound):
            cached.get("packs/aa/1.pack")

    def test_they_may_be_removed_any_time(self, tmp_path: Path) -> None:
        one, other = (Cached(Folder(tmp_path / "behind"), tmp_path / "cache") for _ in range(2))
        one.put("packs/aa/1.pack", b"0123456789")
        other.forget()
        assert list((tmp_path / "cache").rglob("*.pack")) == []
        one.put("packs/aa/2.pack", b"2")
        assert [path.name for path in (tmp_path / "cache").rglob("*.pack")] == ["2.pack"]
        shutil.rmtree(tmp_path / "cache")
        one.put("packs/aa/3.pack", b"3")
        for _ in range(READS + 1):
            assert one.get("packs/aa/1.pack", -3) == b"789" and one.get("packs/aa/1.pack", 2, 2) == b"23"
        assert [path.name for path in (tmp_path / "cache").rglob("*.pack")] == ["1.pack"]

    def test_they_do_not_pass_the_limit(self, tmp_path: Path) -> None:
        cached = Cached(Folder(tmp_path / "behind"), tmp_path / "cache", limit=10_000)
        for number in range(50):
            cached.put(f"packs/aa/{number:02}.pack", bytes(900))
        kept = sorted(path.name for path in (tmp_path / "cache/packs/aa").iterdir())
        assert sum(path.stat().st_size for path in (tmp_path / "cache/packs").rglob("*.pack")) <= 10_000
        assert kept[-1] == "49.pack"
        assert len(list(cached.list("packs/"))) == 50
        assert cached.get("packs/aa/00.pack") == bytes(900)
