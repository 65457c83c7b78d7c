"""Data from addresses, and projects whose data is on S3."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from penstock.model.errors import AlreadyExists, NotFound, PenstockError, Refused, Unreachable, UsageError
from penstock.model.ids import parse_reference
from penstock.service.data import fetching, writing
from penstock.service.data.sources import Taking
from penstock.service.project import Project
from penstock.testing.buckets import Server

BODY = bytes(range(256)) * 1000

PIPELINE = """\
pipeline: copies
steps:
  copy:
    input: files:/*
    run: 'cp -r "$PENSTOCK_IN"/files/* "$PENSTOCK_OUT"'
"""


class Web(ThreadingHTTPServer):
    """Answers as the path says; `asked` counts."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = 0

    def at(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"


class Handler(BaseHTTPRequestHandler):
    server: Web

    def do_GET(self) -> None:
        self.server.asked += 1
        kind, _, rest = self.path[1:].partition("/")
        if kind == "to":
            return self.say(302, b"", Location=rest)
        if kind == "round":
            return self.say(302, b"", Location=self.path)
        if kind == "once" and self.server.asked < 3:
            return self.say(503, b"")
        if kind.isdigit():
            return self.say(int(kind), b"")
        if kind == "short":
            return self.say(200, BODY[:1000], Content_Length=str(len(BODY)))
        if kind == "unsaid":
            self.send_response_only(200)
            self.end_headers()
            self.wfile.write(BODY)
            return None
        if kind == "gibberish":
            self.wfile.write(b"220 smtp.example ESMTP\r\n")
            return None
        return self.say(200, BODY)

    def say(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response_only(status)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in ({"Content-Length": str(len(body))} | named).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setattr(fetching, "WAITS", (0.0, 0.0, 0.0))
    monkeypatch.setenv("no_proxy", "*")
    server = Web()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with Project.create(tmp_path / "lab") as made:
        yield made


@pytest.mark.parametrize(
    "path", ["/a/b/data.bin", "/unsaid/data.bin", "/once/data.bin", "/x/data.bin?v=1#here", "/x/d%61ta.bin"]
)
def test_an_address_is_stored_by_its_last_name(project: Project, web: Web, path: str) -> None:
    project.put("files", web.at(path))
    assert project.read("files:/data.bin") == BODY
    project.put("files:/other/name", web.at(path))
    assert project.read("files:/other/name") == BODY


def test_redirects_are_followed(project: Project, web: Web) -> None:
    project.put("files:/it", web.at("/to/") + web.at("/there"))
    assert project.read("files:/it") == BODY


@pytest.mark.parametrize(
    ("path", "error", "says"),
    [
        ("/404/x", NotFound, "404"),
        ("/410/x", NotFound, "410"),
        ("/401/x", Refused, "401"),
        ("/403/x", Refused, "403"),
        ("/418/x", Refused, "418"),
        ("/500/x", Unreachable, "500"),
        ("/503/x", Unreachable, "503"),
        ("/429/x", Unreachable, "429"),
        ("/short/x", Unreachable, "broke off after 1,000 of 256,000 bytes"),
        ("/gibberish/x", Unreachable, "does not speak HTTP"),
        ("/round/x", Refused, "redirect"),
        ("/to/ftp://127.0.0.1/x", Refused, "redirects to ftp://"),
        ("/to/file:///etc/passwd", Refused, "not allowed"),
        ("/to/s3://bucket/x", Refused, "not allowed"),
        ("/", UsageError, "names no file"),
        ("/a/", UsageError, "names no file"),
        ("/a/..", UsageError, r"'\.\.'"),
        ("/a/%2e%2e", UsageError, r"'\.\.'"),
        ("/a/%2Fetc%2Fpasswd", UsageError, "names no file"),
        ("/a/..%2Fevil", UsageError, "names no file"),
        ("/a/%0Aevil", UsageError, "control character"),
        ("/a/%ff%fe", None, ""),
        ("/a/b c", UsageError, "no address"),
    ],
)
def test_what_cannot_be_fetched(
    project: Project, web: Web, path: str, error: type[PenstockError] | None, says: str
) -> None:
    if error is None:
        project.put("files", web.at(path))
        return
    with pytest.raises(error, match=says) as caught:
        project.put("files", web.at(path))
    assert str(caught.value).isprintable()
    with pytest.raises(NotFound):
        project.commit("files")
    assert list((project.root / ".penstock/objects/.tmp").iterdir()) == []


@pytest.mark.parametrize(
    "url", ["http://", "https:///x", "http://user:opensesame@127.0.0.1/x", "http://[::1/x", "http://h:99999/x"]
)
def test_what_is_no_address(project: Project, url: str) -> None:
    with pytest.raises(UsageError) as caught:
        project.put("files", url)
    assert "opensesame" not in str(caught.value)


@pytest.mark.parametrize("path", ["/x", "/unsaid/x"])
def test_a_file_may_be_too_large(project: Project, web: Web, path: str) -> None:
    with pytest.raises(Refused, match="--max-size"):
        writing.put(project.parts, parse_reference("files"), [web.at(path)], taking=Taking(most=1000))


def test_standard_input(project: Project) -> None:
    taking = Taking(stdin=io.BytesIO(BODY))
    writing.put(project.parts, parse_reference("files:/in"), ["-"], taking=taking)
    assert project.read("files:/in") == BODY
    with pytest.raises(UsageError, match="files:/name"):
        writing.put(project.parts, parse_reference("files"), ["-"], taking=taking)


@pytest.fixture(params=["moto", "rgw"])
def server(request: pytest.FixtureRequest, service: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> Server:
    found = Server(service(request.param))
    for name, value in found.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", found.endpoint)
    return found


def test_objects_are_stored_by_their_keys(project: Project, server: Server) -> None:
    client = server.client()
    with server.bucket() as bucket:
        for key in ("data/a.bin", "data/deep/b.bin", "data/.hidden", "data/mark/", "database"):
            client.put_object(Bucket=bucket, Key=key, Body=b"" if key.endswith("/") else BODY)
        project.put("files", f"s3://{bucket}/data/")
        assert [found.path for found in project.ls("files", recursive=True)] == [".hidden", "a.bin", "deep/b.bin"]
        project.put("files:/one", f"s3://{bucket}/data/deep/b.bin")
        project.put("files", f"s3://{bucket}/database")
        assert project.read("files:/one") == project.read("files:/database") == BODY
        for key in ("nothing", "nothing/", "dat"):
            with pytest.raises(NotFound):
                project.put("files", f"s3://{bucket}/{key}")


def test_a_project_on_s3(server: Server, tmp_path: Path) -> None:
    with server.bucket() as bucket:
        url, root = f"s3://{bucket}/lab", tmp_path / "lab"
        (tmp_path / "in/deep").mkdir(parents=True)
        for name, data in {"small": b"small", "large": BODY * 40, "deep/other": BODY}.items():
            (tmp_path / "in" / name).write_bytes(data)
        with Project.create(root, objects=url) as project:
            project.put("files", f"{tmp_path}/in/")
            (root / "pipeline.yaml").write_text(PIPELINE)
            assert project.run().state == "success"
            project.get("copy", tmp_path / "out")
            assert (tmp_path / "out/large").read_bytes() == BODY * 40
            assert (tmp_path / "out/deep/other").read_bytes() == BODY
            assert list(fsck(project)) == []
        kept = root / ".penstock/objects"
        assert not (kept / "packs").exists()
        assert not (kept / "blobs").exists()
        for path in (*(kept / "cache").rglob("*.pack"), *kept.glob("index.db*")):
            path.unlink()
        with Project.open(root) as project:
            assert project.read("copy:/small") == b"small"
            assert list(fsck(project)) == []
        with pytest.raises(AlreadyExists, match="belongs to project"):
            Project.create(tmp_path / "second", objects=url)
        assert not (tmp_path / "second/.penstock").exists()


def fsck(project: Project) -> Iterator[str]:
    from penstock.service.answers.fsck import fsck

    return fsck(project.parts, data=True)
