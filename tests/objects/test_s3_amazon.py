"""Amazon's own S3: no endpoint is named, and a server on this host answers for Amazon's names, through the usual
settings: a proxy for HTTPS, and the authority that signed its certificate."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from penstock import Project
from penstock.model.errors import NotFound
from penstock.objects.folder import Folder
from penstock.objects.s3 import S3, Bucket, Patience
from penstock.testing.buckets import Server

REGION = "eu-west-3"
HOST = f"s3.{REGION}.amazonaws.com"
SHORT = Patience(retries=1, first_wait=0.01, longest_wait=0.05, request=10, silence=5, altogether=10)


def certify(folder: Path) -> tuple[Path, Path]:
    """A certificate of an authority of our own for Amazon's host, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    now = datetime.datetime.now(datetime.UTC)

    def signed(name: str, key: Any, by: str, with_key: Any, ca: bool) -> bytes:
        names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in (name, by)]
        made = x509.CertificateBuilder(*reversed(names)).public_key(key.public_key())
        made = made.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
        made = made.not_valid_after(now + datetime.timedelta(days=1))
        made = made.add_extension(x509.BasicConstraints(ca, None), critical=True)
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        pem: bytes = made.sign(with_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        return pem

    own, authority = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    (folder / "ca.pem").write_bytes(signed("ca", authority, "ca", authority, True))
    secret = own.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "own.pem").write_bytes(signed(HOST, own, "ca", authority, False) + secret)
    return folder / "ca.pem", folder / "own.pem"


class Proxy:
    """Takes CONNECT, speaks TLS as Amazon, and passes what it is asked to the server behind."""

    def __init__(self, behind: str, certificate: Path) -> None:
        parts = urlsplit(behind)
        self.behind = (parts.hostname or "", parts.port or 80)
        self.asked: list[str] = []
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                there, _ = self._socket.accept()
                threading.Thread(target=self._talk, args=(there,), daemon=True).start()

    def _talk(self, there: socket.socket) -> None:
        with suppress(OSError):
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += there.recv(1)
            self.asked.append(head.split()[1].decode(errors="replace"))
            there.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            client = self._context.wrap_socket(there, server_side=True)
            server = socket.create_connection(self.behind)
            threading.Thread(target=self._pass, args=(server, client), daemon=True).start()
            self._pass(client, server)

    @staticmethod
    def _pass(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError), source, target:
            while data := source.recv(65536):
                target.sendall(data)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def proxy(service: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    server = Server(service("moto"))
    authority, own = certify(tmp_path)
    proxy = Proxy(server.endpoint, own)
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_DEFAULT_REGION", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    settings = {"HTTPS_PROXY": proxy.address, "SSL_CERT_FILE": str(authority), "AWS_REGION": REGION}
    for name, value in (server.environment | settings).items():
        monkeypatch.setenv(name, value)
    yield proxy
    proxy.close()


@pytest.fixture
def bucket(proxy: Proxy, service: Callable[[str], str]) -> Iterator[str]:
    with Server(service("moto")).bucket() as name:
        yield name


def test_objects_are_kept_without_an_endpoint(proxy: Proxy, bucket: str, tmp_path: Path) -> None:
    remote = S3(Bucket(bucket, "some/prefix", region=REGION), Folder(tmp_path / "local"), SHORT)
    remote.put("packs/a", b"one")
    assert remote.get("packs/a") == b"one"
    assert list(remote.list()) == ["packs/a"]
    with pytest.raises(NotFound):
        remote.get("packs/b")
    assert set(proxy.asked) == {f"{HOST}:443"}


def test_a_project_keeps_puts_and_exports_there(proxy: Proxy, bucket: str, tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p/pipeline.yaml").write_text(
        "repos: {in: }\nsteps:\n  s:\n    input: in:/*\n"
        f"    run: cp $PENSTOCK_IN/in/* $PENSTOCK_OUT\n    export: s3://{bucket}/copies\n"
    )
    with Project.create(tmp_path / "p", objects=f"s3://{bucket}/mine") as project:
        (tmp_path / "a").write_text("one")
        project.put("in", tmp_path / "a")
        assert project.run().state == "success"
        assert project.read("s:/a") == b"one"
        project.put("fetched", f"s3://{bucket}/copies/a")
        assert project.read("fetched:/a") == b"one"
    assert set(proxy.asked) == {f"{HOST}:443"}
