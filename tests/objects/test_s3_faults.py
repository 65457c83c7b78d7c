"""A server that fails, lies and dawdles: what is acknowledged is there, and no wrong bytes are taken for right."""

from __future__ import annotations

import http.client
import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from penstock.model.errors import Corrupt, NotFound, PenstockError, Unreachable
from penstock.objects.blobs import Blobs
from penstock.objects.folder import Folder
from penstock.objects.s3 import PART, S3, Bucket, Patience
from penstock.objects.writer import whole_name
from penstock.testing.buckets import Server

SHORT = Patience(retries=3, first_wait=0.005, longest_wait=0.02, request=3, silence=0.3, altogether=5)
SLOW_DOWN = b"<Error><Code>SlowDown</Code></Error>"
FAULTS = ("500", "503", "reset", "lost", "truncated", "silent")

#: Which fault befalls a request (method, path); None for none.
Fate = Callable[[str, str], "str | None"]


class Faulty(ThreadingHTTPServer):
    """Passes requests on to a server behind, unless `fate` has something else in store."""

    daemon_threads = True

    def __init__(self, behind: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind = urlsplit(behind).netloc
        self.fate: Fate = lambda method, path: None
        self.over = threading.Event()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients hang up; that is the point."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Faulty

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.server.fate(self.command, self.path)
        if fault in ("500", "503"):
            return self._answer(int(fault), {}, SLOW_DOWN)
        if fault == "reset":
            return self._hang_up()
        if fault == "silent":
            self.server.over.wait(5)
            return self._hang_up()
        behind = http.client.HTTPConnection(self.server.behind, timeout=10)
        behind.request(self.command, self.path, body, dict(self.headers))
        answer = behind.getresponse()
        data = answer.read()
        behind.close()
        headers = {name: value for name, value in answer.getheaders() if name.lower() not in _OWN}
        if self.command == "HEAD":
            headers["Content-Length"] = answer.getheader("Content-Length") or "0"
        if fault == "lost":  # done, and nobody is told
            return self._hang_up()
        if fault == "flipped" and data:
            data = bytes([data[0] ^ 1]) + data[1:]
        self._answer(answer.status, headers, data, short=fault == "truncated")

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _any

    def _answer(self, status: int, headers: dict[str, str], data: bytes, *, short: bool = False) -> None:
        self.send_response_only(status)
        for name, value in ({"Content-Length": str(len(data))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data[: len(data) // 2] if short else data)
        if short:
            self._hang_up()

    def _hang_up(self) -> None:
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""


_OWN = ("content-length", "transfer-encoding", "connection", "keep-alive")


@contextmanager
def running(server: Faulty) -> Iterator[Faulty]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


class Setting:
    """The same bucket through the faulty server and past it."""

    def __init__(self, faulty: Faulty, name: str, straight: str, tmp_path: Path) -> None:
        self.faulty = faulty
        self.through = S3(Bucket(name, "p", faulty.endpoint), Folder(tmp_path), SHORT)
        self.straight = S3(Bucket(name, "p", straight), Folder(tmp_path), SHORT)


@pytest.fixture(params=["moto", "rgw"])
def setting(
    request: pytest.FixtureRequest,
    service: Callable[[str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Setting]:
    server = Server(service(request.param))
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    with server.bucket() as bucket, running(Faulty(server.endpoint)) as faulty:
        yield Setting(faulty, bucket, server.endpoint, tmp_path)


def once(fault: str, *methods: str) -> Fate:
    """The first request of a kind meets a fault, the next ones do not."""
    left = [fault]
    return lambda method, path: left.pop() if left and (not methods or method in methods) else None


def always(fault: str, *methods: str) -> Fate:
    return lambda method, path: fault if method in methods else None


@pytest.mark.parametrize("fault", FAULTS)
def test_one_fault_is_overcome(setting: Setting, fault: str, tmp_path: Path) -> None:
    data = random.Random(1).randbytes(100_000)
    for name, work in {
        "put": lambda: setting.through.put("put", data),
        "adopted": lambda: setting.through.adopt("adopted", _file(tmp_path, data)),
    }.items():
        setting.faulty.fate = once(fault, "PUT")
        work()
        assert setting.straight.get(name) == data
    for ask in (
        lambda: setting.through.get("put") == data,
        lambda: setting.through.get("put", 7, 50_000) == data[7:50_007],
        lambda: setting.through.get("put", -9) == data[-9:],
        lambda: set(setting.through.list()) == {"put", "adopted"},
    ):
        setting.faulty.fate = once(fault, "GET")
        assert ask()
    setting.faulty.fate = once(fault, "HEAD")
    assert setting.through.has("put")
    setting.faulty.fate = once(fault, "DELETE")
    setting.through.delete("put")
    assert not setting.straight.has("put")


@pytest.mark.parametrize("fault", FAULTS)
def test_what_stays_broken_is_said(setting: Setting, fault: str, tmp_path: Path) -> None:
    setting.straight.put("there", b"0123456789" * 100)
    source = _file(tmp_path, b"data")
    setting.faulty.fate = always(fault, "GET", "PUT", "POST", "DELETE")
    for ask in (
        lambda: setting.through.get("there"),
        lambda: list(setting.through.list()),
        *([lambda: setting.through.put("new", b"data" * 100)] if fault != "truncated" else []),
        *([lambda: setting.through.adopt("adopted", source)] if fault not in ("truncated", "lost") else []),
    ):
        with pytest.raises(Unreachable, match=r"s3://.* at http://127.0.0.1:\d+: ") as caught:
            ask()
        assert "secret" not in str(caught.value).lower()
    assert source.exists()


def test_large_uploads_under_faults(setting: Setting, tmp_path: Path) -> None:
    """Whatever befalls the parts: what `adopt` returned from is there, byte for byte."""
    data, chance = random.Random(2).randbytes(2 * PART + 999), random.Random(3)
    setting.faulty.fate = lambda method, path: (
        chance.choice(("500", "503", "reset", "lost")) if chance.random() < 0.15 else None
    )
    done = 0
    for number in range(4):
        source = _file(tmp_path, data)
        try:
            setting.through.adopt(f"large/{number}", source)
        except PenstockError:
            assert source.exists()
            continue
        done += 1
        assert setting.straight.get(f"large/{number}") == data
    assert done


def test_a_storm_of_faults(setting: Setting) -> None:
    """An acknowledged put can be read; a read gives the right bytes or an error."""
    chance = random.Random(4)
    setting.faulty.fate = lambda method, path: chance.choice(FAULTS[:5]) if chance.random() < 0.3 else None
    kept: dict[str, bytes] = {}
    failed = 0
    for number in range(60):
        data = chance.randbytes(chance.randrange(1, 3000))
        try:
            setting.through.put(f"n{number}", data)
            kept[f"n{number}"] = data
            assert setting.through.get(f"n{number}") == data
        except Unreachable:
            failed += 1
    assert len(kept) > 40
    for name, data in kept.items():
        assert setting.straight.get(name) == data
    assert set(setting.straight.list()) >= kept.keys()


def test_wrong_bytes_are_not_served(setting: Setting, tmp_path: Path) -> None:
    blobs = Blobs(setting.through, tmp_path / "index.db")
    with blobs.writer() as writer:
        small, large = writer.add(b"small" * 100), writer.add(random.Random(5).randbytes(200_000))
    setting.faulty.fate = always("flipped", "GET")
    for blob in (small, large):
        with pytest.raises(Corrupt):
            blobs.get(blob)
    with pytest.raises(Corrupt):
        list(blobs.stream(large))
    setting.faulty.fate = always("404", "GET")
    assert setting.straight.has(whole_name(large))
    blobs.close()


def test_a_bucket_that_goes_away_is_named(setting: Setting, tmp_path: Path) -> None:
    gone = S3(Bucket("gone-away", "p", setting.faulty.endpoint), Folder(tmp_path), SHORT)
    with pytest.raises(NotFound, match="there is no bucket 'gone-away'"):
        gone.put("a", b"")


def _file(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "source"
    path.write_bytes(data)
    return path
