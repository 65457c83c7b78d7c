"""Files from elsewhere: `http(s)://` addresses and `s3://` objects, streamed into blobs without a copy in memory."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from http.client import HTTPException, HTTPResponse, InvalidURL
from typing import TypeVar
from urllib.error import HTTPError
from urllib.parse import SplitResult, unquote, urlsplit

from penstock.model.data import Entry
from penstock.model.errors import BadPath, NotFound, Refused, Unreachable, UsageError
from penstock.model.paths import check_path
from penstock.objects.backend import Backend
from penstock.objects.s3 import S3, Bucket
from penstock.objects.writer import Writer

T = TypeVar("T")

PIECE = 1 << 20
#: Seconds without a byte after which a server counts as gone.
SILENCE = 30.0
#: Waits between tries, in seconds.
WAITS = (0.2, 1.0, 3.0)
#: Answers that may be another one next time.
_PASSING = (408, 425, 429, 500, 502, 503, 504)


def fetch(
    writer: Writer, local: Backend, url: str, prefix: str, exact: str | None, most: int | None
) -> Iterator[tuple[str, Entry]]:
    """(path, entry) of what an address stands for: one file, or all objects below an `s3://bucket/prefix/`.

    A file goes to `exact`, if that is given, else below `prefix` under the name it has in the address. `most` is how
    many bytes one file may have. Raises UsageError for an address that cannot be read or names nothing, NotFound,
    Refused, Unreachable naming the host.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise UsageError(f"{url.partition('?')[0]}: is no address: {error}") from None
    if parts.username or parts.password:
        raise UsageError(f"{_shown(parts)}: no name or password may stand in an address")
    if not parts.hostname:
        raise UsageError(f"{url}: names no {'bucket' if parts.scheme == 's3' else 'host'}")
    if parts.scheme == "s3":
        yield from _objects(writer, local, parts, prefix, exact, most)
        return
    name = unquote(parts.path.rpartition("/")[2])
    path = exact or prefix + _name(name if "/" not in name else "", url)
    yield path, Entry(*_again(lambda: writer.add_stream(_download(url, most))))


def _download(url: str, most: int | None) -> Iterator[bytes]:
    """The bytes at an address, as many as the server said there are."""
    shown = _shown(urlsplit(url))
    try:
        with _open(url) as answer:
            said = answer.headers.get("Content-Length")
            promised = int(said) if said and said.isdigit() else None
            if most is not None and promised is not None and promised > most:
                raise Refused(f"{shown}: has {promised:,} bytes, more than --max-size allows")
            got = 0
            for piece in _bounded(iter(partial(answer.read, PIECE), b""), shown, most):
                got += len(piece)
                yield piece
            if promised is not None and got != promised:
                raise Unreachable(f"{shown}: broke off after {got:,} of {promised:,} bytes; try again")
    except HTTPError as error:
        reason = "".join(char if char.isprintable() else " " for char in str(error.reason))
        told = f"{shown}: {error.code} {reason[:200]}"
        if error.code in _PASSING:
            raise Unreachable(f"{told}; try again later") from None
        raise (NotFound if error.code in (404, 410) else Refused)(
            f"{told}; is the address right, and public?"
        ) from None
    except InvalidURL as error:
        raise UsageError(f"{shown}: is no address: {error}") from None
    except HTTPException as error:
        raise Unreachable(f"{shown}: what answers there does not speak HTTP as it should ({error!r})") from None
    except (OSError, ValueError) as error:
        raise _passing_or_own(error, shown) from None


def _bounded(chunks: Iterable[bytes], shown: str, most: int | None) -> Iterator[bytes]:
    left = most
    for chunk in chunks:
        if left is not None and (left := left - len(chunk)) < 0:
            raise Refused(f"{shown}: has more than {most:,} bytes, which --max-size allows")
        yield chunk


def _open(url: str) -> HTTPResponse:
    """An answer to GET. Only HTTP is spoken, whatever a redirect says."""
    from urllib import request

    class Redirects(request.HTTPRedirectHandler):
        max_redirections = 10

        def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
            to = urlsplit(newurl)
            if to.scheme not in ("http", "https") or (req.type == "https" and to.scheme == "http"):
                raise Refused(f"{_shown(urlsplit(url))}: redirects to {_shown(to)}, where nothing is fetched from")
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler,
        request.HTTPHandler,
        request.HTTPSHandler,
        request.HTTPDefaultErrorHandler,
        request.HTTPErrorProcessor,
        Redirects,
    ):
        opener.add_handler(handler())
    asked = request.Request(url, headers={"User-Agent": "penstock", "Accept-Encoding": "identity"})
    answer = opener.open(asked, timeout=SILENCE)
    assert isinstance(answer, HTTPResponse)
    return answer


def _objects(
    writer: Writer, local: Backend, parts: SplitResult, prefix: str, exact: str | None, most: int | None
) -> Iterator[tuple[str, Entry]]:
    told = os.environ
    bucket = S3(
        Bucket(
            parts.netloc,
            "",
            told.get("AWS_ENDPOINT_URL_S3") or told.get("AWS_ENDPOINT_URL"),
            told.get("AWS_REGION") or told.get("AWS_DEFAULT_REGION") or "us-east-1",
        ),
        local,
    )
    key = parts.path.lstrip("/")
    url = f"s3://{parts.netloc}/{key}"

    def entry(key: str) -> Entry:
        shown = f"s3://{parts.netloc}/{key}"
        return Entry(*_again(lambda: writer.add_stream(_bounded(bucket.stream(key), shown, most))))

    if key and not key.endswith("/"):
        yield exact or prefix + _name(key.rpartition("/")[2], url), entry(key)
        return
    found = False
    for name in bucket.list(key):
        path = prefix + _name(name[len(key) :], url)
        try:
            fetched = entry(name)
        except NotFound:
            continue  # it stands for a directory: the slash at the end of its key is not listed
        found = True
        yield path, fetched
    if not found:
        raise NotFound(f"{url}: there is nothing below it")


def _again(work: Callable[[], T]) -> T:
    for wait in WAITS:
        try:
            return work()
        except Unreachable:
            time.sleep(wait)
    return work()


def _passing_or_own(error: OSError | ValueError, shown: str) -> Exception:
    """What the network did, told apart from what the disk of this host does."""
    if isinstance(error, ValueError):
        return UsageError(f"{shown}: cannot be asked for: {error}")
    if error.errno is not None and not isinstance(error, (ConnectionError, TimeoutError)):
        return error
    return Unreachable(f"{shown}: does not answer ({getattr(error, 'reason', None) or error}); check the address")


def _name(name: str, url: str) -> str:
    """The name a fetched file has. Raises UsageError for what no tree may hold."""
    if not name:
        raise UsageError(f"{_shown(urlsplit(url))}: names no file; say what it shall be called: REPO:/name")
    try:
        return check_path(name)
    except BadPath as error:
        raise UsageError(f"{_shown(urlsplit(url))}: {error}; say what it shall be called: REPO:/name") from None


def _shown(parts: SplitResult) -> str:
    """An address without what may be secret: a password, or a signature behind the question mark."""
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"
