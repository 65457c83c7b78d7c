"""The back end on S3: one object per name below a prefix of a bucket that one project has claimed.

Credentials are found by obstore (environment, instance or container role) or read from the shared AWS files. They are
never kept, logged or shown: of what a server answers only the status and the error code reach a message.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from msgspec import Struct

from penstock.model.errors import NotFound, PenstockError, Refused, Unreachable, UsageError
from penstock.objects.backend import Backend, check_name

if TYPE_CHECKING:
    from obstore import GetOptions
    from obstore.store import S3Config, S3Store

T = TypeVar("T")

#: A file from this many bytes on goes in parts of at least this size; the parts under way are what is held in memory.
PART = 8 << 20
PARTS_AT_ONCE = 4
STREAMED = 1 << 20
#: How often to ask when the library does not ask again of itself.
TRIES = 3
#: S3 takes 10,000 parts.
MOST_PARTS = 9_000

_STATUS = re.compile(r"status code: (\d{3})")
_RETRIED = re.compile(r"after \d+ retries")
_CODE = re.compile(r"<Code>(\w{1,64})</Code>")


class Bucket(Struct, frozen=True):
    """Where the names are kept. `endpoint` is None for Amazon's own."""

    bucket: str
    prefix: str
    endpoint: str | None = None
    region: str = "us-east-1"

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/") + (f" at {self.endpoint}" if self.endpoint else "")


class Patience(Struct, frozen=True):
    """How long to go on with a server. Seconds."""

    retries: int = 6
    first_wait: float = 0.1
    longest_wait: float = 5.0
    request: float = 120.0  #: one request with its whole answer
    silence: float = 20.0  #: without a byte of an answer
    altogether: float = 150.0  #: after this long nothing is tried again


class S3:
    """Keeps each name as an object. `local` is a folder of this host for files on their way. Raises as `_ask`."""

    def __init__(self, where: Bucket, local: Backend, patience: Patience | None = None) -> None:
        self.where = where
        self._local = local
        self._store = connect(where, patience or Patience())

    def put(self, name: str, data: bytes | bytearray) -> None:
        self._put(name, data)

    def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        check_name(name)
        if length == 0:
            self.size(name)
            return b""
        try:
            if start < 0:
                return self._fetch(name, {"suffix": -start})[:length]
            if length is not None:
                return self._fetch(name, (start, start + length))
            return self._fetch(name, {"offset": start} if start else None)
        except Unreachable:
            # Servers answer in many ways to a range that is not there.
            if start < (size := self.size(name)) and size:
                raise
            return b""

    def stream(self, name: str) -> Iterator[bytes]:
        """The bytes of an object in pieces, all of one version of it. Any key will do. Raises NotFound."""
        import obstore

        answer = self._ask(name, lambda: obstore.get(self._store, name))
        left, stream = answer.meta["size"], iter(answer.stream(min_chunk_size=STREAMED))
        while piece := self._ask(name, lambda: next(stream, None), tries=1):
            left -= len(piece)
            yield bytes(piece)
        if left:
            raise Unreachable(f"{self.where}: broke off {left:,} bytes before the end of {name}; try again")

    def size(self, name: str) -> int:
        size = self._size(name)
        if size is None:
            raise NotFound(f"{name} is not in {self.where}")
        return size

    def has(self, name: str) -> bool:
        return self._size(name) is not None

    def list(self, prefix: str = "") -> Iterator[str]:
        import obstore

        def names() -> list[str]:
            pages = obstore.list(self._store, prefix.rpartition("/")[0] or None)
            return [name for page in pages for found in page if (name := found["path"]).startswith(prefix)]

        # All at once: a listing that breaks off cannot be gone on with, and must not look as if it were complete.
        yield from self._ask(prefix, names)

    def sizes(self) -> dict[str, int]:
        """Every object by its key, whoever put it there, and how many bytes it has."""
        import obstore

        return self._ask(
            "", lambda: {item["path"]: item["size"] for page in obstore.list(self._store) for item in page}
        )

    def upload(self, key: str, pieces: Callable[[], Iterator[bytes]], size: int) -> None:
        """Put an object by any key, in place of what is there. A large one is never held in memory."""
        import obstore

        def send() -> None:
            if size < PART:
                obstore.put(self._store, key, b"".join(pieces()), use_multipart=False)
            else:
                part = max(PART, size // MOST_PARTS + 1)
                obstore.put(self._store, key, pieces(), chunk_size=part, max_concurrency=PARTS_AT_ONCE)

        self._ask(key, send)

    def discard(self, key: str) -> None:
        """Delete an object by any key; one that is not there is no error."""
        import obstore

        try:
            self._ask(key, lambda: obstore.delete(self._store, key))
        except _Missing:
            return

    def delete(self, name: str) -> None:
        check_name(name)
        self.discard(name)

    def aside(self) -> Path:
        return self._local.aside()

    def adopt(self, name: str, source: Path) -> None:
        """Upload a file and remove it. What has the name already is not replaced: the name says what the bytes are."""
        size = source.stat().st_size
        if size < PART:
            data = source.read_bytes()
            try:
                fresh = self._put(name, data, create=True)
            except Unreachable:
                fresh = False  # a request with a condition is not sent again of itself
            # Another writer may have been first, and may have failed since: what is there decides.
            if not fresh and self._size(name) != size:
                self._put(name, data)
        elif self._size(name) != size:
            self._send(name, source, size)
        source.unlink()

    def settle(self, name: str) -> None:
        """Nothing to do: an object that can be seen lasts."""

    def path(self, name: str) -> Path | None:
        """None: there are no files."""
        check_name(name)
        return None

    def claim(self, name: str, data: bytes) -> bool:
        """Put unless the name is there; whether it was not."""
        return self._put(name, data, create=True)

    def replace(self, name: str, data: bytes, etag: str) -> bool:
        """Put if the object still has this tag; whether it had."""
        import obstore
        from obstore.exceptions import PreconditionError

        try:
            self._ask(name, lambda: obstore.put(self._store, name, data, mode={"e_tag": etag}))
        except PreconditionError:
            return False
        return True

    def tag(self, name: str) -> str:
        """The tag of an object, as the server writes it."""
        import obstore

        return self._ask(name, lambda: obstore.head(self._store, name)["e_tag"]) or ""

    def _put(self, name: str, data: bytes | bytearray, *, create: bool = False) -> bool:
        import obstore
        from obstore.exceptions import AlreadyExistsError

        check_name(name)
        try:
            mode: Literal["create", "overwrite"] = "create" if create else "overwrite"
            self._ask(name, lambda: obstore.put(self._store, name, data, use_multipart=False, mode=mode))
        except AlreadyExistsError:
            return False
        return True

    def _send(self, name: str, source: Path, size: int) -> None:
        import obstore

        check_name(name)
        part = max(PART, size // MOST_PARTS + 1)

        def upload() -> None:
            with open(source, "rb") as file:
                obstore.put(self._store, name, file, chunk_size=part, max_concurrency=PARTS_AT_ONCE)

        self._ask(name, upload)
        # The end of such an upload may be answered with 200 before it is known whether it went well.
        if self._size(name) != size:
            raise Unreachable(f"{self.where}: took {name} and does not show it whole; try again")

    def _fetch(self, name: str, span: Any) -> bytes:
        import obstore

        options: GetOptions = {"range": span} if span else {}
        return self._ask(name, lambda: obstore.get(self._store, name, options=options).bytes().to_bytes())

    def _size(self, name: str) -> int | None:
        import obstore

        check_name(name)
        try:
            return self._ask(name, lambda: obstore.head(self._store, name)["size"])
        except _Missing:
            return None

    def _ask(self, name: str, work: Callable[[], T], tries: int = TRIES) -> T:
        """Ask the server; raises NotFound, Refused, Unreachable. The answer to a condition passes.

        All that is asked may be asked twice, so what the library gives up at once, a silence or a body that breaks off,
        is tried again.
        """
        from obstore import exceptions

        for left in reversed(range(tries)):
            try:
                return work()
            except (exceptions.AlreadyExistsError, exceptions.PreconditionError):
                raise
            except (FileNotFoundError, exceptions.BaseError) as error:
                text = str(error)
                told = self._explained(name, text)
                if not left or not isinstance(told, Unreachable) or _STATUS.search(text) or _RETRIED.search(text):
                    # Not as its cause: the text of the original shows requests as they were sent.
                    raise told from None
        raise AssertionError("the last try returns or raises")

    def _explained(self, name: str, text: str) -> PenstockError:
        status, code = _STATUS.search(text), _CODE.search(text)
        said = " ".join(found[1] for found in (status, code) if found)
        if "NoSuchBucket" in said:
            return NotFound(f"{self.where}: there is no bucket {self.where.bucket!r}; make it, or name another")
        if said.startswith("404"):
            return _Missing(f"{name} is not in {self.where}")
        if said.startswith(("401", "403")):
            return Refused(
                f"{self.where}: bucket {self.where.bucket!r} refuses these credentials ({said}); check "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or AWS_PROFILE) and what they may do there"
            )
        if not said and ("169.254." in text or "credential" in text.lower()):
            return Refused(
                f"{self.where}: no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
                "or AWS_PROFILE"
            )
        reason = f"answers {said}" if said else "does not answer as it should, or not at all"
        return Unreachable(f"{self.where}: {reason} ({name}); check the endpoint and the network, then try again")


class _Missing(NotFound):
    """The object is not there; the bucket may be."""


def connect(where: Bucket, patience: Patience) -> S3Store:
    """A client. Raises UsageError if the library is missing or the endpoint is no URL."""
    try:
        from obstore.exceptions import BaseError
        from obstore.store import S3Store
    except ModuleNotFoundError:
        raise UsageError(f"{where}: needs the extra `s3`; run: pip install 'penstock[s3]'") from None
    config = _shared_credentials()
    if where.endpoint:  # the library takes no None for Amazon's own
        config["endpoint"] = where.endpoint
    try:
        return S3Store(
            where.bucket,
            prefix=where.prefix or None,
            region=where.region,
            # Deleting many at once is not known to every server.
            disable_bulk_delete=True,
            client_options={
                "allow_http": (where.endpoint or "").startswith("http://"),
                "connect_timeout": timedelta(seconds=min(5.0, patience.request)),
                "read_timeout": timedelta(seconds=patience.silence),
                "timeout": timedelta(seconds=patience.request),
            },
            retry_config={
                "max_retries": patience.retries,
                "retry_timeout": timedelta(seconds=patience.altogether),
                "backoff": {
                    "init_backoff": timedelta(seconds=patience.first_wait),
                    "max_backoff": timedelta(seconds=patience.longest_wait),
                },
            },
            config=config,
        )
    except (BaseError, ValueError):
        raise UsageError(f"{where}: this endpoint or bucket cannot be used; expected https://host[:port]") from None


def _shared_credentials() -> S3Config:
    """The keys of a profile in the shared AWS file, which obstore does not read; none if the environment has some."""
    if os.environ.get("AWS_ACCESS_KEY_ID"):
        return {}
    import configparser

    file = os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or os.path.expanduser("~/.aws/credentials")
    profiles = configparser.RawConfigParser(strict=False, default_section="")
    try:
        profiles.read(file)
    except (configparser.Error, UnicodeDecodeError):
        raise UsageError(f"{file}: cannot be read as an AWS credentials file") from None
    profile = os.environ.get("AWS_PROFILE") or "default"
    if not profiles.has_section(profile):
        return {}
    found: S3Config = {}
    if key := profiles.get(profile, "aws_access_key_id", fallback=""):
        found["access_key_id"] = key
        found["secret_access_key"] = profiles.get(profile, "aws_secret_access_key", fallback="")
    if token := profiles.get(profile, "aws_session_token", fallback=""):
        found["session_token"] = token
    return found
